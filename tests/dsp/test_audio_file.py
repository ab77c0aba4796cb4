"""`read_audio_file`: kinds of sources, names, refusals, and the mix of channels."""

import bz2
import gzip
import io
import lzma
import os
import struct
import sys
import tarfile
import tempfile
import threading
import zipfile

import numpy as np
import pytest

from dsp.audio_file import downmix, open_audio_stream, read_audio_file


@pytest.mark.parametrize("kind", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_files_objects_and_pipes_are_the_same(audio_files, tmp_path, monkeypatch, kind):
    data = audio_files.encoded(kind)
    (tmp_path / "a").write_bytes(data)
    expected = audio_files.read(data).x
    np.testing.assert_array_equal(read_audio_file(tmp_path / "a").x, expected)
    np.testing.assert_array_equal(read_audio_file(str(tmp_path / "a")).x, expected)
    with open(tmp_path / "a", "rb") as file:
        np.testing.assert_array_equal(read_audio_file(file).x, expected)
        assert not file.closed
    os.mkfifo(tmp_path / "fifo")
    writer = threading.Thread(target=(tmp_path / "fifo").write_bytes, args=(data,))
    writer.start()
    np.testing.assert_array_equal(read_audio_file(tmp_path / "fifo").x, expected)
    writer.join()
    with open(tmp_path / "a", "rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        np.testing.assert_array_equal(read_audio_file("-").x, expected)


def test_an_open_file_is_read_from_where_it_stands(audio_files):
    file = io.BytesIO(b"mail header" + audio_files.wav(audio_files.SMALL))
    file.seek(11)
    assert len(read_audio_file(file).x) == 4


def in_tar(path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        file.add(path, "a")
    packed.seek(0)
    return tarfile.open(fileobj=packed).extractfile("a")


def in_zip(path):
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as file:
        file.write(path, "a")
    return zipfile.ZipFile(path.with_suffix(".zip")).open("a")


def packed_by(module):
    def opened(path):
        with module.open(path.with_suffix(".packed"), "wb") as file:
            file.write(path.read_bytes())
        return module.open(path.with_suffix(".packed"))

    return opened


def temporary(kind):
    def opened(path):
        file = kind()
        file.write(path.read_bytes())
        file.seek(0)
        return file

    return opened


OBJECTS = {
    "gzip": packed_by(gzip),
    "bz2": packed_by(bz2),
    "lzma": packed_by(lzma),
    "buffered gzip": lambda path: io.BufferedReader(packed_by(gzip)(path)),
    "zip": in_zip,
    "tar": in_tar,
    "temporary": temporary(tempfile.TemporaryFile),
    "named temporary": temporary(tempfile.NamedTemporaryFile),
    "spooled": temporary(tempfile.SpooledTemporaryFile),
    "spooled on disk": temporary(lambda: tempfile.SpooledTemporaryFile(max_size=1)),
    "unbuffered": lambda path: open(path, "rb", buffering=0),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_what_a_file_object_reads_counts_and_not_the_file_below_it(audio_files, tmp_path, kind):
    data = audio_files.encoded(("WAV", "PCM_16"))
    (tmp_path / "a").write_bytes(data)
    with OBJECTS[kind](tmp_path / "a") as file:
        np.testing.assert_array_equal(read_audio_file(file).x, audio_files.read(data).x)


@pytest.mark.parametrize("name", ["x" * 251 + ".wav", "caf\udce9.wav", "new\nline.wav", " .wav"])
def test_odd_names(audio_files, tmp_path, name):
    path = os.path.join(tmp_path, name)
    with open(path, "wb") as file:
        file.write(audio_files.wav(audio_files.SMALL))
    assert len(read_audio_file(path).x) == 4


def test_what_cannot_be_read_is_one_sentence(audio_files, tmp_path, monkeypatch):
    for source in (tmp_path, tmp_path / "none", "x" * 300, "/dev/null", "/dev/zero", "nul\0byte"):
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            read_audio_file(source)
    closed, writing = io.BytesIO(audio_files.wav(audio_files.SMALL)), open(tmp_path / "new", "wb")
    closed.close()
    with writing:
        for source, fault in ((closed, "a closed file"), (writing, "a file that is open for writing only")):
            with pytest.raises(ValueError, match=rf"^`source` is {fault}, it must be a path or an open binary file$"):
                read_audio_file(source)
    for source in (io.StringIO("text"), 3, None):
        with pytest.raises(ValueError, match=r"must be a path or an open binary file$"):
            read_audio_file(source)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match=r"^cannot read standard input: it is closed$"):
        read_audio_file("-")
    with pytest.raises(ValueError, match=r"`channels` is 3, it must be a whole number from 1 to 2$"):
        read_audio_file(io.BytesIO(audio_files.wav(audio_files.SMALL)), channels=3)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: b"", "there are no data"),
        (lambda _: b"Lorem ipsum dolor sit amet " * 9, "Format not recognised"),
        (lambda files: files.wav(files.SMALL)[:20], "the header is cut off"),
        (lambda files: files.wav(files.SMALL, channels=0), "the header gives 0 channels and 16000 Hz"),
        (lambda files: files.wav(files.SMALL, rate_hz=0), "the header gives 1 channels and 0 Hz"),
        (lambda files: files.wav(files.SMALL, tag=0x9999), "Error in WAV/W64/RF64 file. Malformed 'fmt ' chunk"),
        (lambda _: b"fLaC" + bytes(100), "File contains data in an unimplemented format"),
        (lambda _: b"OggS" + bytes(100), "it has no beginning of an Ogg stream"),
    ],
    ids=["empty", "text", "header", "no channels", "no rate", "unknown code", "FLAC", "Ogg"],
)
def test_refusals_carry_the_reason(audio_files, tmp_path, make, reason):
    (tmp_path / "a.wav").write_bytes(make(audio_files))
    with pytest.raises(ValueError, match=rf"^`.*a\.wav` is not an audio file that can be read: ({reason})[^\n]*$"):
        read_audio_file(tmp_path / "a.wav")


@pytest.mark.parametrize(("byte", "most_bytes"), [(b"\0", 1 << 26), (b"a", 1 << 20)])
def test_an_endless_pipe_of_no_audio_is_refused_at_its_head(byte, most_bytes):
    class Endless(io.RawIOBase):
        n = 0

        def read(self, size=-1):
            self.n += size
            assert self.n <= most_bytes
            return byte * size

    with pytest.raises(ValueError, match="Format not recognised"):
        read_audio_file(Endless())


def test_more_channels_than_signals_may_have_are_refused(audio_files):
    data = [audio_files.wav(np.tile(audio_files.SMALL, 9), channels=n) for n in (8, 9)]
    assert read_audio_file(io.BytesIO(data[0])).n_channels == 8
    with pytest.raises(ValueError, match=r"has 9 channels, at most 8 are allowed$"):
        read_audio_file(io.BytesIO(data[1]))


def test_channels_are_mixed_and_a_mix_that_cancels_is_said(audio_files):
    pcm, kind = audio_files.PCM, ("WAV", "FLOAT")
    x = np.stack([pcm, 0.5 * pcm, -pcm], axis=1)
    found = audio_files.read(audio_files.encoded(kind, x))
    np.testing.assert_allclose(found.x, pcm / 6, atol=1e-7)
    assert found.n_channels == 3 and found.notes == ["mixed 3 channels to mono"]
    cancels = audio_files.read(audio_files.encoded(kind, np.stack([pcm, -pcm], axis=1)))
    assert cancels.notes[1].startswith("the channels cancel: the mono mix is ")
    np.testing.assert_array_equal(downmix(x[:, :2], 2), x[:, :2].astype(np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_its_time(audio_files, bad):
    x = audio_files.PCM.copy()
    x[audio_files.RATE_HZ // 2] = bad
    with pytest.raises(ValueError, match=r"holds NaN or infinite samples, the first at 0\.500 s$"):
        audio_files.read(audio_files.encoded(("WAV", "FLOAT"), x))


BEHIND = {"a recording": 0, "more samples": 0, "foreign bytes": 5000, "a chunk": 0, "a few bytes": 100}


@pytest.mark.parametrize("what", BEHIND)
def test_what_a_pipe_brings_behind_the_samples_is_noted_if_it_may_be_sound(audio_files, what):
    data = audio_files.wav(audio_files.SMALL)
    chunk = {"more samples": data[36:], "a chunk": b"LIST" + struct.pack("<I", 5000) + bytes(5000)}
    tail = chunk.get(what) or (data if what == "a recording" else bytes(BEHIND[what]))
    audio = open_audio_stream(io.BytesIO(data + tail), "the pipe")
    assert np.concatenate(list(audio.blocks)).tolist() == (audio_files.SMALL / 32768).tolist()
    silent = what in ("a chunk", "a few bytes")
    assert audio.notes == ([] if silent else [f"left out: {len(tail)} bytes behind the samples"])
