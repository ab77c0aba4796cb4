"""The encoder of many packets against the one of single packets: the same bytes."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.packet_writer import encode_packets
from lpcnet_cq.bitstream.range_coder import TOTAL, RangeEncoder


def single(begin, frequency):
    """Return the bytes of one packet, symbol by symbol."""
    encoder = RangeEncoder()
    encoder.encode_run(begin.tolist(), frequency.tolist())
    return encoder.finish()


@pytest.mark.parametrize("most", [1, 40, 3000, TOTAL])
def test_bytes_are_those_of_single_packets(most):
    """With symbols up to the widest, and as narrow as they can be."""
    random = np.random.default_rng(most)
    frequency = random.integers(1, most + 1, (70, 400))
    begin = random.integers(0, TOTAL - frequency + 1)
    expected = [single(*pair) for pair in zip(begin, frequency, strict=True)]
    assert encode_packets(begin, frequency) == expected


def test_carries_run_through_all_bytes():
    """The last slot of a long run of last slots: every byte but the first is 255, until the end carries."""
    begin = np.full((1, 60), TOTAL - 1)
    begin[0, 1:3] = TOTAL - 2, 0
    frequency = np.full((1, 60), 1)
    assert encode_packets(begin, frequency) == [single(begin[0], frequency[0])]


def test_no_packets_and_no_symbols():
    none = np.zeros((0, 5), np.int64)
    assert encode_packets(none, none) == []
    assert encode_packets(none.reshape(5, 0), none.reshape(5, 0)) == [b""] * 5
