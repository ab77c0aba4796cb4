"""Redundant payloads of RFC 2198: bytes built by hand from its figures, there and back, only `BitstreamError`."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.rtp.redundancy import MAX_BYTES, MAX_OFFSET, Block, fits, pack_redundant, unpack_redundant

COPIES = st.lists(st.tuples(st.integers(1, MAX_OFFSET), st.binary(max_size=40)), max_size=4)


def test_bytes_are_those_of_the_figures_in_section_3():
    # F = 1 | block PT 7 bits | timestamp offset 14 bits | block length 10 bits; F = 0 | block PT.
    bits = f"1{96:07b}{640:014b}{3:010b}1{96:07b}{320:014b}{2:010b}0{96:07b}"
    head = int(bits, 2).to_bytes(9, "big")
    assert pack_redundant(96, b"now", [(640, b"two"), (320, b"on")]) == head + b"two" + b"on" + b"now"


@given(st.integers(0, 127), st.binary(max_size=40), COPIES)
def test_there_and_back(payload_type, payload, copies):
    blocks = unpack_redundant(pack_redundant(payload_type, payload, copies))
    assert blocks == [*(Block(payload_type, *copy) for copy in copies), Block(payload_type, 0, payload)]


@given(st.binary(max_size=60))
def test_any_bytes_are_blocks_or_damage(data):
    blocks = None
    with contextlib.suppress(BitstreamError):
        blocks = unpack_redundant(data)
    assert blocks is None or sum(len(block.payload) for block in blocks) == len(data) - 4 * len(blocks) + 3


@pytest.mark.parametrize("data", ["", "e0", "e0050003", "e0050003606f", "e00500036061"])
def test_what_is_cut_off_is_refused(data):
    with pytest.raises(BitstreamError, match="redundant RTP packet"):
        unpack_redundant(bytes.fromhex(data))


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (MAX_OFFSET + 1, 1), (1, MAX_BYTES + 1)])
def test_copies_that_do_not_fit_are_refused(offset, size):
    with pytest.raises(ValueError, match=f"{size} bytes and age {offset}"):
        pack_redundant(96, b"", [(offset, bytes(size))])


def test_the_largest_copy_fits():
    assert fits(MAX_OFFSET, bytes(MAX_BYTES)) and not fits(MAX_OFFSET + 1, b"") and not fits(1, bytes(MAX_BYTES + 1))
    assert unpack_redundant(pack_redundant(0, b"", [(MAX_OFFSET, bytes(MAX_BYTES))]))[0].offset == MAX_OFFSET
