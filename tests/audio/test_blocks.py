"""Audio in blocks is what `read_audio` and `resample` make of it at once; pipes give what is there."""

import io
import os
import threading
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.audio.blocks import open_audio, resampled
from lpcnet_cq.audio.reader import read_audio, resample
from lpcnet_cq.audio.writer import write_wav_blocks

TONE = (0.5 * np.sin(np.arange(200_000) / 7)).astype(np.float32)


class Trickle:
    """Give a few bytes a read, as a pipe may."""

    name = "-"

    def __init__(self, data, size):
        self._file, self._size = io.BytesIO(data), size

    def read(self, n):
        return self._file.read(min(n, self._size))


def encoded(x, format="WAV", subtype="PCM_16", rate_hz=16000):
    file = io.BytesIO()
    soundfile.write(file, x, rate_hz, subtype, format=format)
    return file.getvalue()


@pytest.mark.parametrize("format", ["WAV", "FLAC"])
def test_blocks_are_the_file(tmp_path, format):
    x = np.stack([1.5 * TONE, TONE], axis=1)
    (tmp_path / "a").write_bytes(encoded(x, format, "FLOAT" if format == "WAV" else "PCM_16"))
    for channels in (1, 2):
        whole, audio = read_audio(tmp_path / "a", channels=channels), open_audio(tmp_path / "a", channels)
        blocks = list(audio.blocks)
        assert len(blocks) > 1 and audio.expected_samples == len(TONE) and audio.sample_rate_hz == 16000
        np.testing.assert_array_equal(np.concatenate(blocks), whole.x)
        assert audio.notes == whole.notes


@pytest.mark.parametrize("size", [1, 5, 4096])
@pytest.mark.parametrize("format", ["WAV", "AU", "FLAC"])
def test_pipes_give_what_is_there(format, size):
    data = encoded(TONE[:3000], format)
    audio = open_audio(Trickle(data, size), arriving=True)
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks)), read_audio(io.BytesIO(data)).x)
    assert audio.notes == []


@pytest.mark.parametrize("size", [1, 5, 4096])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_without_a_header(size, channels):
    """A last sample that is not whole is left out."""
    x = np.random.default_rng(0).integers(-32768, 32768, (500, 2)).astype("<i2")
    audio = open_audio(Trickle(x.tobytes() + b"\1", size), channels, raw=(44100, 2))
    expected = (x if channels == 2 else x.mean(axis=1)) / 32768
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks)), expected.astype(np.float32))
    assert audio.sample_rate_hz == 44100 and audio.n_channels == 2


def test_the_first_samples_are_there_before_the_last():
    data = encoded(TONE[:3000])
    source = Trickle(data, 44)
    audio = open_audio(source, arriving=True)
    assert len(next(audio.blocks)) == 22 and source._file.tell() == 88


@pytest.mark.parametrize("claimed", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_headers_of_recorders_have_no_length(claimed):
    data = encoded(TONE[:3000])
    data = data[:40] + claimed.to_bytes(4, "little") + data[44:]
    audio = open_audio(Trickle(data, 1000), arriving=True)
    assert sum(map(len, audio.blocks)) == 3000 and audio.notes == []


def test_a_length_in_the_header_is_kept():
    """What stands behind is no sound; a pipe that ends before is said to be cut off."""
    data = encoded(TONE[:3000])
    audio = open_audio(Trickle(data + b"LIST\4\0\0\0INFO", 1000), arriving=True)
    assert sum(map(len, audio.blocks)) == 3000 and audio.notes == []
    audio = open_audio(Trickle(data[:2044], 1000), arriving=True)
    assert sum(map(len, audio.blocks)) == 1000 and "cut off" in audio.notes[0]


@pytest.mark.parametrize("data", [b"", b"RIFF", bytes(1000), encoded(TONE[:0])])
def test_a_pipe_without_audio_is_refused(data):
    with pytest.raises(ValueError, match="standard input"):
        list(open_audio(Trickle(data, 100), arriving=True).blocks)


def test_nan_is_refused_where_it_stands():
    x = TONE.copy()
    x[160_000] = np.nan
    with pytest.raises(ValueError, match=r"the first at 10\.000 s"):
        list(open_audio(io.BytesIO(encoded(x, subtype="FLOAT"))).blocks)


@given(st.lists(st.integers(0, 3000), max_size=5), st.sampled_from([(44100, 16000), (16000, 44100), (8000, 8000)]))
def test_resampled_blocks_are_the_whole_signal_resampled(sizes, rates_hz):
    edges = np.cumsum([0, *sizes])
    blocks = [TONE[a:b] for a, b in pairwise(edges)]
    got = np.concatenate([TONE[:0], *resampled(blocks, *rates_hz)])
    np.testing.assert_array_equal(got, resample(TONE[: edges[-1]], *rates_hz))


def test_wav_of_unknown_length(tmp_path):
    """A file gets its length afterwards; a pipe has one that says that it is unknown, before the first sample."""
    blocks = [TONE[:1000], TONE[1000:1500]]
    write_wav_blocks(tmp_path / "a.wav", blocks, 1, 16000, None)
    assert soundfile.info(tmp_path / "a.wav").frames == 1500
    read_end, write_end = os.pipe()
    got = []

    def given():
        got.append(os.read(read_end, 1 << 16))
        yield from blocks

    writer = threading.Thread(target=write_wav_blocks, args=(f"/dev/fd/{write_end}", given(), 1, 16000, None))
    writer.start()
    writer.join()
    os.close(write_end)
    with os.fdopen(read_end, "rb") as file:
        rest = file.read()
    assert len(got[0]) == 44 and got[0][40:] == b"\xff\xff\xff\xff"
    assert len(read_audio(io.BytesIO(got[0] + rest)).x) == 1500
