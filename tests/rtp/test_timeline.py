"""Numbers without wraps, against counters that never wrap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.rtp.timeline import MAX_JUMP, Timeline, unwrap

HOP = 320


@given(st.integers(0, 1 << 40), st.integers(-(1 << 15), (1 << 15) - 1))
def test_the_nearest_number_is_found(near, away):
    assert unwrap((near + away) % (1 << 16), near, 16) == near + away


@given(st.integers(0, 65535), st.integers(0, (1 << 32) - 1), st.lists(st.integers(-3, 20), max_size=200))
def test_places_are_those_of_counters_that_never_wrap(sequence, timestamp, steps):
    timeline, at, seen = Timeline(HOP, sequence, timestamp), 0, [0]
    for step in steps:
        at += step
        place = timeline.place((sequence + at) % (1 << 16), (timestamp + at * HOP) % (1 << 32), due=at)
        assert place == (sequence + at, at)
        seen.append(at)
        assert timeline.expected == max(seen) - min(seen) + 1 and timeline.newest == max(seen)


@pytest.mark.parametrize(("frames", "off"), [(MAX_JUMP + 1, 0), (-MAX_JUMP - 1, 0), (1, 1)])
def test_far_packets_and_those_between_frames_have_no_place(frames, off):
    timeline = Timeline(HOP, 5, 0)
    assert timeline.place(6, (frames * HOP + off) % (1 << 32), due=0) is None
    assert timeline.expected == 1 and timeline.newest == 0


def test_a_stream_starts_anew_with_the_second_of_two_packets():
    timeline = Timeline(HOP, 5, 0)
    assert [timeline.starts_anew(65535, 7, 2), timeline.starts_anew(0, 7 + 2 * HOP, 2)] == [False, True]
    assert not timeline.starts_anew(9, 7, 1)
