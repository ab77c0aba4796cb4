"""Segments as read: chunks of any size, context resets within, layers that the codec does not have."""

import io

import numpy as np
import pytest

from lpcnet_cq.bitstream.container import write_segment
from lpcnet_cq.bitstream.packet import Integers, join, put_layers, put_packets
from lpcnet_cq.bitstream.segment_reader import read_each
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.nn.packet_reader import Reader
from lpcnet_cq.registry import record_of

CHUNK, T = 4, 10


@pytest.fixture(scope="module")
def model():
    weights = load_weights(find_weights("cq"))
    return record_of(weights.config).entropy_model(weights.integers, weights.config)


@pytest.fixture(scope="module")
def reader(model):
    return Reader(model)


@pytest.fixture(scope="module")
def n(model):
    random = np.random.default_rng(1)
    latents = np.rint(random.laplace(0, 1, (T, model.S, model.D))).astype(int)
    return Integers(np.full(T, 4), random.integers(-2, 3, (T, model.K)), latents)


def file_of(*segments, enhancements=0):
    file = io.BytesIO()
    for i, packets in enumerate(segments):
        write_segment(file, packets, i == len(segments) - 1, enhancements)
    file.seek(0)
    return file


def test_packets_come_back_with_their_ends_and_resets(model, reader, n):
    """Two segments, the first with a context reset in its midst."""
    parts = [put_packets(model, None, run)[1] for run in (n[:3], n[3:7], n[7:])]
    first, second = read_each(reader, file_of(parts[0] + parts[1], parts[2]), CHUNK, 1)
    assert [end for (end,) in first.ends] == np.cumsum([len(p) for p in parts[0] + parts[1]]).tolist()
    runs = [*first.runs(model), *second.runs(model)]
    assert [len(run.step) for run in runs] == [3, 4, 3]
    for name in ("step", "side", "latents"):
        np.testing.assert_array_equal(getattr(join(model, runs), name), getattr(n, name))


def test_layers_that_the_codec_does_not_have_are_damage(model, reader, n):
    packets = [b"".join(layers) for layers in put_layers(model, None, n[:2], 1)[1]]
    (segment,) = read_each(reader, file_of(packets, enhancements=1), CHUNK, 1)
    assert segment.enhancements == 1 and np.shape(segment.ends) == (2, 2)
    with pytest.raises(BitstreamError, match="1 enhancement layers, this codec allows 0"):
        next(read_each(reader, file_of(packets, enhancements=1), CHUNK, 0))


def test_bytes_behind_the_packets_are_damage(model, reader, n):
    packets = put_packets(model, None, n[:2])[1]
    with pytest.raises(BitstreamError, match="3 bytes after its last packet"):
        next(read_each(reader, file_of([packets[0], packets[1] + b"abc"]), CHUNK, 0))
