"""Packing of whole files: which steps layers may use, where a rate lies, and segments that hold every packet."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.bitstream.container import MAX_PACKETS, read_segments
from lpcnet_cq.bitstream.packing import Packer, cut, write_segments

PACKER = Packer(SimpleNamespace(layer_steps=8), np.ones(17), range(2, 15), np.linspace(30000, 6000, 13))


def test_coarsest_layer_stays_within_what_was_trained():
    assert PACKER.steps_for(1) == range(2, 15)
    assert PACKER.steps_for(2) == range(2, 7)
    assert len(PACKER.steps_for(3)) == 0


def test_mean_step_lies_between_the_rates_around_it():
    assert PACKER.step_for_rate(30000) == 2 and PACKER.step_for_rate(6000) == 14
    assert PACKER.step_for_rate(27000) == pytest.approx(3.5)
    assert PACKER.step_for_rate(1) == 14 and PACKER.step_for_rate(99999) == 2


def test_low_rates_have_no_room_for_layers():
    """The finest of two layers is step 6 at the coarsest, 22 kbit/s here; three layers do not exist at all."""
    assert [PACKER.most_layers(r) for r in (30000, 22000, 21900, 6000)] == [2, 2, 1, 1]


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=5), st.binary(min_size=1, max_size=5)), max_size=6))
def test_what_was_joined_is_cut_apart(packets):
    payload = b"".join(b"".join(layers) for layers in packets)
    ends = np.cumsum([[len(a), len(b)] for a, b in packets]).reshape(-1, 2).tolist() if packets else []
    assert cut(payload, ends, 2) == packets
    assert cut(payload, ends, 1) == [(a,) for a, _ in packets]


@pytest.mark.parametrize("T", [0, 1, MAX_PACKETS, MAX_PACKETS + 1])
def test_segments_hold_every_packet(T):
    file = io.BytesIO()
    write_segments(file, [(b"a", bytes([t % 256])) for t in range(T)])
    segments = list(read_segments(io.BytesIO(file.getvalue())))
    assert sum(s.n_packets for s in segments) == T and len(segments) == max(1, -(-T // MAX_PACKETS))
    assert all(s.enhancements == (1 if T else 0) for s in segments)
    assert [s.last for s in segments] == [False] * (len(segments) - 1) + [True]
