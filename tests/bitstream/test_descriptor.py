"""Silence descriptors: packets whose latents are zero, known by their mark."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.descriptor import MARK, is_descriptor, make_descriptor
from lpcnet_cq.bitstream.packet import resets_context
from lpcnet_cq.bitstream.packet_fit import Fitter
from lpcnet_cq.nn.packet_reader import Reader


@pytest.fixture(scope="module")
def fitter(speech_codec):
    parts = speech_codec._parts
    random = np.random.default_rng(0)
    side = random.integers(-2, 3, (1, parts.entropy.K))
    z = random.standard_normal((1, parts.entropy.S, parts.entropy.D))
    return Fitter(parts.entropy, None, side, z, parts.packer.sizes, parts.packer.steps)


def read(fitter, data):
    _, n, ends = Reader(fitter.model).read(None, data, 0, 1, 1)
    return n, data[int(ends[-1, -1]) :]


def test_a_descriptor_holds_side_information_only(fitter):
    data = make_descriptor(fitter)
    n, rest = read(fitter, data)
    assert resets_context(fitter.model, data) and is_descriptor(n, rest)
    np.testing.assert_array_equal(n.side, fitter.side)
    assert rest == MARK and not n.latents.any() and n.step.tolist() == [fitter.steps[-1]]


def test_other_packets_are_none(fitter):
    data = b"".join(fitter.at(8).packet)
    for padding in (b"", MARK):
        assert not is_descriptor(*read(fitter, data + padding))


def test_the_largest_size_is_kept(fitter):
    whole = make_descriptor(fitter)
    assert make_descriptor(fitter, most_bytes=len(whole)) == whole
    smaller = make_descriptor(fitter, most_bytes=len(whole) - 1)
    assert len(smaller) < len(whole) and is_descriptor(*read(fitter, smaller))
