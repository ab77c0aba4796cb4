"""The jitter buffer on a simulated network and clock: order, loss, delay, other streams. Frames hold their numbers."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.rtp.jitter_buffer import WINDOW, JitterBuffer
from lpcnet_cq.rtp.timeline import MAX_JUMP

HOP, FS, FRAME_MS = 320, 16000, 20.0
SEQUENCE, TIMESTAMP = 65530, (1 << 32) - 7 * HOP  # both wrap around within ten packets


def frame(i):
    return i.to_bytes(4, "big")


def put(buffer, i, now_ms, n=1, copies=0):
    """Deliver packet i, of n frames each, with copies of those before it."""
    frames = [frame(n * i + k) for k in range(n)]
    earlier = [(c * HOP, [frame(i - c)]) for c in range(min(copies, i), 0, -1)]
    buffer.put((SEQUENCE + i) % (1 << 16), (TIMESTAMP + n * i * HOP) % (1 << 32), frames, now_ms, earlier)


def play(buffer, arrivals, ticks, start_ms=5.0, **packets):
    """Deliver packets (number, time) and pop a frame every 20 ms; return the pops: lists of frame numbers or None."""
    arrivals, pops = sorted(arrivals, key=lambda a: a[1]), []
    for tick in range(ticks):
        now_ms = start_ms + tick * FRAME_MS
        while arrivals and arrivals[0][1] <= now_ms:
            i, at_ms = arrivals.pop(0)
            put(buffer, i, at_ms, **packets)
        pops.append([None if data is None else int.from_bytes(data, "big") for data in buffer.pop(now_ms)])
    return pops


def numbers(pops):
    return [i for pop in pops for i in pop]


def jittered(n, most_ms, lost=(), seed=0):
    """Return arrivals of packets that are sent every 20 ms and take 30 ms and up to `most_ms` more."""
    random = np.random.default_rng(seed)
    return [(i, 30 + i * FRAME_MS + random.uniform(0, most_ms)) for i in range(n) if i not in set(lost)]


def test_a_quiet_network_gives_every_frame_once_across_the_wraps():
    buffer = JitterBuffer(HOP, FS)
    pops = play(buffer, jittered(100, 0), 120)
    played = [i for i in numbers(pops) if i is not None]
    assert played == list(range(100))
    assert (buffer.counts.received, buffer.counts.doubled, buffer.counts.late, buffer.lost) == (100, 0, 0, 0)
    first = next(k for k, pop in enumerate(pops) if pop)
    assert pops[first:][:100] == [[i] for i in range(100)]


def test_reordered_and_doubled_packets_are_played_in_order():
    buffer = JitterBuffer(HOP, FS)
    order = [i ^ 1 for i in range(100)]  # neighbours change places
    arrivals = [(i, 30 + k * FRAME_MS) for k, i in enumerate(order)]
    pops = play(buffer, arrivals + [(i, at_ms + 5) for i, at_ms in arrivals], 120)
    assert [i for i in numbers(pops) if i is not None] == list(range(100))
    assert (buffer.counts.received, buffer.counts.doubled, buffer.counts.late, buffer.lost) == (100, 100, 0, 0)


def test_a_missing_frame_has_the_next_one_and_the_one_with_its_copy():
    buffer, lost, found = JitterBuffer(HOP, FS, copy_offset=3), {30, 50, 51}, {}
    arrivals = [(i, 30 + i * FRAME_MS) for i in range(100) if i not in lost]
    for tick in range(120):
        now_ms, index = 35 + tick * FRAME_MS, buffer._next
        for i, at_ms in arrivals:
            if now_ms - FRAME_MS < at_ms <= now_ms:
                put(buffer, i, at_ms)
        if buffer.pop(now_ms) == [None] and index in lost:
            found[index] = buffer.next_frame(), buffer.following()
    assert found == {
        30: ((frame(31), 1), frame(33)),
        50: ((frame(52), 2), frame(53)),
        51: ((frame(52), 1), frame(54)),
    }


def test_a_concealed_frame_that_may_still_come_has_no_copy():
    """The packet three behind the frame before has come, but its copy is of a frame that was played."""
    buffer = JitterBuffer(HOP, FS, copy_offset=3)
    for i in range(20):
        put(buffer, i, i * FRAME_MS)
        buffer.pop(i * FRAME_MS)
    put(buffer, 40, 40 * FRAME_MS + 300)  # the target grows
    due = buffer._next
    assert due is not None
    buffer._frames.pop(due)
    assert buffer.pop(20 * FRAME_MS) == [None] and buffer._next == due, "it may still come"
    assert due + 2 in buffer._frames and buffer.following() is None
    assert buffer.next_frame() == (frame(due + 1), 2)


def test_lost_frames_are_missing_at_their_places():
    buffer, lost = JitterBuffer(HOP, FS), {10, 40, 41, 42, 90}
    found = numbers(play(buffer, jittered(100, 0, lost), 102))
    first = found.index(0)
    assert found[first : first + 95] == [None if i in lost else i for i in range(95)]
    assert buffer.lost == 5 and buffer.counts.concealed >= 5


def test_a_late_packet_is_dropped():
    buffer = JitterBuffer(HOP, FS)
    arrivals = [(i, 30 + i * FRAME_MS + (300 if i == 50 else 0)) for i in range(100)]
    found = numbers(play(buffer, arrivals, 120))
    assert [i for i in found if i is not None] == [i for i in range(100) if i != 50]
    assert (buffer.counts.late, buffer.lost, buffer.counts.received) == (1, 0, 100)


def test_delay_grows_with_jitter_and_falls_with_it():
    buffer, n = JitterBuffer(HOP, FS), 600
    lost = set(np.flatnonzero(np.random.default_rng(3).random(3 * n) < 0.05))
    wild = [(i + n, at_ms + n * FRAME_MS) for i, at_ms in jittered(n, 100, seed=1)]
    calm = [(i + 2 * n, at_ms + 2 * n * FRAME_MS) for i, at_ms in jittered(n, 2, seed=2)]
    arrivals = [a for a in jittered(n, 2) + wild + calm if a[0] not in lost]
    targets, delays, late = [], [], []
    pops = []
    for part in range(3):
        start_ms = 5.0 + part * n * FRAME_MS
        inside = [a for a in arrivals if start_ms - FRAME_MS < a[1] <= start_ms + (n - 1) * FRAME_MS]
        pops += play(buffer, inside, n, start_ms)
        targets.append(buffer.target_ms)
        delays.append(buffer.delay_ms)
        late.append(buffer.counts.late)
    assert targets[0] == FRAME_MS and 90 < targets[1] <= 101 and targets[2] == FRAME_MS
    assert delays[0] <= 80 and 80 < delays[1] <= 161 and delays[2] < 60
    assert late[0] == 0 and late[1] < 0.03 * n and late[2] - late[1] <= 3
    played = [i for i in numbers(pops) if i is not None]
    assert played == sorted(set(played))
    assert buffer.counts.left_out > 0 and all(len(pop) <= 2 for pop in pops)


def test_copies_replace_lost_packets():
    buffer, lost = JitterBuffer(HOP, FS), set(range(5, 200, 7))
    found = numbers(play(buffer, jittered(200, 10, lost), 215, copies=1))
    assert [i for i in found if i is not None] == list(range(200))
    assert buffer.lost == len(lost)
    assert buffer.target_ms >= 2 * FRAME_MS, "a copy comes one frame later"


def test_packets_of_several_frames():
    buffer = JitterBuffer(HOP, FS)
    arrivals = [(i, 30 + (3 * i + 2) * FRAME_MS) for i in range(40) if i != 20]
    found = numbers(play(buffer, arrivals, 135, n=3))
    assert [i for i in found if i is not None] == [i for i in range(120) if i // 3 != 20]


def test_frames_that_are_not_sent_are_empty():
    buffer = JitterBuffer(HOP, FS)
    buffer.put(1, 0, [b"a", b"", b"c"], 0.0)
    assert [buffer.pop(60.0 + k * FRAME_MS) for k in range(3)] == [[b"a"], [b""], [b"c"]]
    assert (buffer.counts.unsent, buffer.counts.concealed) == (1, 0)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0)])
@pytest.mark.parametrize(("last", "between"), [(3, b""), (4, None)], ids=["pause", "loss"])
def test_a_gap_of_timestamps_without_one_of_sequence_numbers_is_a_pause(order, last, between):
    """Frames 0, 1 and 5, with sequence numbers around their wrap."""
    buffer = JitterBuffer(HOP, FS)
    given = [(65535, 0, [b"0"]), (0, HOP, [b"1"]), (last - 2, 5 * HOP, [b"5"])]
    for i in order:
        buffer.put(*given[i], 0.0)
    found = [buffer.pop(200.0 + k * FRAME_MS) for k in range(6)]
    assert [data for pop in found for data in pop][:6] == [b"0", b"1", between, between, between, b"5"]


def test_a_path_that_becomes_longer_is_followed():
    buffer = JitterBuffer(HOP, FS)
    arrivals = [(i, 30 + i * FRAME_MS + (1000 if i >= 100 else 0)) for i in range(300)]
    found = numbers(play(buffer, arrivals, 370))
    played = [i for i in found if i is not None]
    assert played[:100] == list(range(100)) and played[-100:] == list(range(200, 300))


def test_another_stream_is_followed_after_two_packets_and_a_stray_packet_is_not():
    buffer = JitterBuffer(HOP, FS)
    for i in range(20):
        put(buffer, i, i * FRAME_MS)
    buffer.put(30000, 1 << 20, [b"stray"], 401.0)
    put(buffer, 20, 402.0)
    assert (buffer.counts.foreign, buffer.counts.received, buffer.lost) == (1, 21, 0)
    for k in range(5):
        buffer.put(7 + k, 5 * HOP + 17 + k * HOP, [b"new"], 420.0 + k * FRAME_MS)
    assert buffer.counts.foreign == 2 and buffer.counts.received == 25 and buffer.lost == 0
    assert buffer.pop(520.0) == [b"new"]


def test_playing_begins_with_the_first_packet():
    buffer = JitterBuffer(HOP, FS)
    assert [buffer.pop(t) for t in (0.0, 20.0)] == [[], []]
    put(buffer, 0, 100.0)
    assert buffer.pop(120.0) == [] and buffer.pop(160.0) == [frame(0)]
    assert buffer.delay_ms == pytest.approx(60.0) and JitterBuffer(HOP, FS).lost == 0


def test_jitter_is_that_of_rfc_3550():
    buffer, arrivals, jitter = JitterBuffer(HOP, FS), jittered(50, 40), 0.0
    for i, at_ms in arrivals:
        put(buffer, i, at_ms)
    for (i, a), (j, b) in itertools.pairwise(arrivals):  # A.8, with timestamps in milliseconds
        jitter += (abs((b - a) - (j - i) * FRAME_MS) - jitter) / 16
    assert buffer.jitter_ms == pytest.approx(jitter)


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, (1 << 32) - 1), st.integers(0, 16)), max_size=30))
def test_any_packets_are_survived(packets):
    buffer = JitterBuffer(HOP, FS)
    for k, (sequence, timestamp, n) in enumerate(packets):
        buffer.put(sequence, timestamp, [b"x"] * n, k * 7.0)
        assert len(buffer.pop(k * 7.0)) <= 2
    assert buffer.counts.received + buffer.counts.doubled + buffer.counts.foreign == len(packets)


@given(st.lists(st.integers(0, 80), min_size=1, max_size=120), st.integers(0, 1000))
def test_frames_leave_in_order_and_once(numbers_sent, seed):
    random = np.random.default_rng(seed)
    arrivals = [(i, 30 + i * FRAME_MS + random.uniform(0, 150)) for i in numbers_sent]
    buffer = JitterBuffer(HOP, FS)
    played = [i for i in numbers(play(buffer, arrivals, 110)) if i is not None]
    assert played == sorted(set(played)) and set(played) <= set(numbers_sent)
    assert buffer.counts.received == len(set(numbers_sent))


def test_memory_is_bounded():
    buffer = JitterBuffer(HOP, FS)
    for i in range(6 * MAX_JUMP):
        put(buffer, i, i * FRAME_MS, n=1, copies=1)
        buffer.pop(i * FRAME_MS)
    assert len(buffer._frames) < 20 and len(buffer._seen) <= 4 * MAX_JUMP and len(buffer._transits_ms) == WINDOW
