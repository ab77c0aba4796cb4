"""Encoding and decoding in blocks: however a signal is cut, and where a file has several blocks of even quality."""

import io

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.bitstream import packing
from lpcnet_cq.bitstream.container import read_header, read_segments
from lpcnet_cq.errors import BitstreamError

FS = 16000


@pytest.fixture(scope="module")
def signal():
    """Return 25 s: silence, then tones and noise at levels that change."""
    random, time = np.random.default_rng(1), np.arange(25 * FS) / FS
    x = np.sin(2 * np.pi * 300 * time) * np.sin(2 * np.pi * 1.3 * time) + 0.1 * random.standard_normal(len(time))
    return np.float32(0.2 * x * (time > 12) * (1 + np.sin(2 * np.pi * 0.2 * time)))


def encoded(codec, blocks, **arguments):
    file = io.BytesIO()
    codec.encode_blocks(file, blocks, arguments.pop("sample_rate_hz", FS), **arguments)
    return file.getvalue()


@pytest.mark.parametrize(("sample_rate_hz", "mode"), [(16000, "mean"), (44100, "capped"), (8000, "constant")])
def test_bytes_are_independent_of_the_blocks(speech_codec, signal, sample_rate_hz, mode):
    x, arguments = signal[-40_003:], {"sample_rate_hz": sample_rate_hz, "bitrate_bps": 30000, "mode": mode}
    whole = speech_codec.encode(x, **arguments)
    cuts = np.cumsum(np.random.default_rng(2).integers(0, 4000, 40))
    assert encoded(speech_codec, np.split(x, cuts[cuts < len(x)]), **arguments) == whole


def test_a_long_file_has_its_rate_over_several_blocks(speech_codec, signal, monkeypatch):
    """What the silent first block saves, the second one may spend; a file of one block is as it was."""
    entropy = speech_codec._parts.entropy
    one = encoded(speech_codec, [signal], bitrate_bps=30000)
    monkeypatch.setattr(packing, "BLOCK_LATENTS", 500 * entropy.S * entropy.D)
    assert speech_codec._parts.packer.block_packets == 500
    several = encoded(speech_codec, [signal], bitrate_bps=30000)
    file = io.BytesIO(several)
    assert read_header(file).n_samples == len(signal)
    assert [segment.n_packets for segment in read_segments(file)] == [500, 500, 251]
    assert several != one
    for data in (one, several):
        assert 8 * len(data) <= 30000 * 25 * 1.001
    y, _ = speech_codec.decode(several)
    assert y.shape == signal.shape
    assert encoded(speech_codec, [signal[: 500 * 320 - 64]], bitrate_bps=30000) == speech_codec.encode(
        signal[: 500 * 320 - 64], FS, 30000
    )


def test_a_file_is_decoded_block_by_block(speech_codec, signal):
    """Before its end is read; damage behind is seen when it is reached."""
    data = speech_codec.encode(signal, FS, 30000)
    whole, _ = speech_codec.decode(data)
    decoding = speech_codec.decode_blocks(io.BytesIO(data[:-1] + bytes([data[-1] ^ 1])))
    first = next(decoding.blocks)
    assert decoding.n_samples == len(signal) and len(first) == 50 * 320 - 64
    np.testing.assert_array_equal(first, whole[: len(first)])
    with pytest.raises(BitstreamError, match="CRC"):
        list(decoding.blocks)


@pytest.mark.parametrize(("sample_rate_hz", "layers", "mode"), [(16000, 2, "mean"), (44100, 1, "constant")])
def test_what_is_heard_is_what_the_file_decodes_to(speech_codec, signal, monkeypatch, sample_rate_hz, layers, mode):
    """Sample by sample, also over several blocks of even quality."""
    entropy, heard = speech_codec._parts.entropy, []
    monkeypatch.setattr(packing, "BLOCK_LATENTS", 500 * entropy.S * entropy.D)
    data = encoded(
        speech_codec,
        np.array_split(signal[: 22 * FS], 7),
        sample_rate_hz=sample_rate_hz,
        bitrate_bps=30000,
        layers=layers,
        mode=mode,
        heard=heard.append,
    )
    np.testing.assert_array_equal(np.concatenate(heard), speech_codec.decode(data)[0])


def test_music_is_heard_in_stereo(plucked):
    codec, heard = lpcnet_cq.load("audio"), []
    data = encoded(codec, [plucked], sample_rate_hz=44100, bitrate_bps=96000, heard=heard.append)
    np.testing.assert_array_equal(np.concatenate(heard), codec.decode(data)[0])
    assert heard[0].ndim == plucked.ndim
