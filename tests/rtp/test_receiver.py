"""From sender to receiver over a simulated network, with a stand-in for the decoder that records what it is given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("aiortc", reason="the extra `rtp` installs it")

from aiortc.rtp import RtpPacket

from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.rtp.receiver import Receiver
from lpcnet_cq.rtp.sender import Sender

HOP, FRAME_MS = 320, 20.0


class Recorder:
    """Decode packet n to a frame of value n / 1000, a missing one to -1; refuse the packet b"bad"."""

    frame_size, sample_rate_hz, channels = HOP, 16000, 1

    def __init__(self):
        self.given = []

    def push(self, data, following=None, next_packet=None, distance=1):
        if data == b"bad":
            raise BitstreamError("a bad packet")
        self.given.append(data)
        return np.full(HOP, int(data) / 1000 if data else -1, np.float32)


@pytest.fixture
def receiver():
    return Receiver(Recorder())


def packets(n):
    return [b"%d" % i for i in range(n)]


@pytest.mark.parametrize("settings", [{}, {"aggregate": 3}, {"copies": 1}, {"aggregate": 2, "copies": 2}])
def test_all_packets_reach_the_decoder_in_order(receiver, settings):
    sender, played = Sender(HOP, **settings), []
    for k, packet in enumerate([*packets(60), *[None] * 20]):
        for data in sender.push(packet) if packet else sender.flush():
            receiver.receive(data, k * FRAME_MS)
        played.append(receiver.play(k * FRAME_MS))
    assert [data for data in receiver._decoder.given if data is not None] == packets(60)
    first = next(k for k, y in enumerate(played) if y.any())
    assert not any(y.any() for y in played[: max(0, first - 1)]), "frame 0 is silent, too"
    assert {y.shape for y in played} == {(HOP,)} and receiver.damaged == receiver.ignored == 0


def test_copies_save_packets_that_are_lost(receiver):
    sender = Sender(HOP, copies=1)
    for k, packet in enumerate(packets(60)):
        for data in sender.push(packet):
            if k % 5 != 2:
                receiver.receive(data, k * FRAME_MS)
        receiver.play(k * FRAME_MS)
    assert receiver._decoder.given == packets(len(receiver._decoder.given))
    assert receiver.buffer.lost == 12 and len(receiver._decoder.given) > 50


def test_packets_of_others_are_ignored(receiver):
    mine, other, type_98 = Sender(HOP), Sender(HOP), Sender(HOP, payload_type=98)
    for sender in (mine, other, type_98):
        receiver.receive(sender.push(b"1")[0], 0.0)
    assert (receiver.buffer.counts.received, receiver.ignored, receiver.damaged) == (1, 2, 0)


def test_damage_is_counted_and_concealed(receiver):
    for payload in (b"", b"\x40", b"\x01\x05"):
        receiver.receive(RtpPacket(payload_type=96, payload=payload).serialize(), 0.0)
    receiver.receive(RtpPacket(payload_type=97, payload=b"\x62\0x").serialize(), 0.0)  # copies of type 98
    receiver.receive(b"\x80", 0.0)
    assert receiver.damaged == 5 and receiver.buffer.counts.received == 0
    receiver.receive(Sender(HOP).push(b"bad")[0], 0.0)
    assert receiver.play(60.0)[0] == -1 and receiver.damaged == 6


@given(st.binary(max_size=60))
def test_any_datagram_is_survived(data):
    receiver = Receiver(Recorder())
    receiver.receive(data, 0.0)
    receiver.receive(bytes([0x80, 96]) + data, 0.0)
    receiver.receive(bytes([0x80, 97]) + data, 0.0)
    assert receiver.damaged + receiver.ignored + receiver.buffer.counts.received <= 3


def test_the_sound_fades_over_a_frame_that_is_left_out(receiver, monkeypatch):
    monkeypatch.setattr(receiver.buffer, "pop", lambda now_ms: [b"100", b"500"])
    y = receiver.play(0.0)
    assert y[0] == np.float32(0.1) and y[-1] == np.float32(0.5) and np.all(np.diff(y) > 0)


def test_the_packet_with_the_copy_of_a_lost_one_is_given_to_the_decoder():
    class Repairer(Recorder):
        def push(self, data, following=None, next_packet=None, distance=1):
            return super().push(data if following is None else b"%d" % (int(following) - 2))

    receiver, sender = Receiver(Repairer(), copy_offset=2), Sender(HOP)
    for k, packet in enumerate(packets(60)):
        for data in sender.push(packet):
            if k % 5 != 2:
                receiver.receive(data, k * FRAME_MS)
        receiver.play(k * FRAME_MS)
    given = receiver._decoder.given
    assert given == packets(len(given)) and len(given) > 50, "all of them, in order"


def test_the_next_frame_reaches_the_decoder_for_a_lost_one():
    """Without jitter, the buffer holds one frame: of two lost in a row, the first has none."""

    class Interpolator(Recorder):
        def push(self, data, following=None, next_packet=None, distance=1):
            super().push(data)
            self.given[-1] = data, next_packet, distance
            return np.zeros(HOP, np.float32)

    receiver, sender = Receiver(Interpolator()), Sender(HOP)
    lost = {20, 40, 41}
    for k, packet in enumerate(packets(60)):
        for data in sender.push(packet):
            if k not in lost:
                receiver.receive(data, k * FRAME_MS)
        receiver.play(k * FRAME_MS)
    given = receiver._decoder.given
    expected: list = [(b"%d" % k, None, 1) for k in range(60)]
    expected[20], expected[40:42] = (None, b"21", 1), [(None, None, 1), (None, b"42", 1)]
    assert given == expected[: len(given)] and len(given) > 50


def test_pauses_reach_the_decoder_as_packets_that_were_not_sent():
    """The packet behind each pause has come before the pause is played, so that it is known."""
    receiver = Receiver(Recorder(), copy_offset=5)  # for which the buffer waits
    sender, given = Sender(HOP), [b"1", b"2", b"", b"", b"3", b"", b"4"]
    for k in range(len(given) + 6):
        for data in sender.push(given[k]) if k < len(given) else ():
            receiver.receive(data, k * FRAME_MS)
        receiver.play(k * FRAME_MS)
    assert receiver._decoder.given == given
