"""Compressed files: whole, cut off, joined, damaged in the middle; libsndfile is the reference for whole files."""

import io
import struct
import sys

import numpy as np
import pytest
import soundfile
from scipy.signal import fftconvolve

from dsp._audio_mp3 import find_mp3

BLOCKS = [("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("WAV", "GSM610"), ("WAV", "G721_32")]
STREAMS = [("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]


@pytest.mark.parametrize("kind", [*BLOCKS, *STREAMS], ids="-".join)
def test_compressed_files_are_those_of_libsndfile(audio_files, kind):
    found = audio_files.read(audio_files.encoded(kind))
    judge = audio_files.decoded(audio_files.encoded(kind))
    assert found.notes == [] and 0 <= len(judge) - len(found.x) <= 320  # libsndfile invents a block of GSM
    np.testing.assert_allclose(found.x, judge[: len(found.x)], atol=1e-6)


@pytest.mark.parametrize("kind", [*BLOCKS, *STREAMS], ids="-".join)
def test_compressed_files_that_are_cut_off(audio_files, kind):
    data = audio_files.encoded(kind)
    found = audio_files.read(data[: len(data) * 3 // 4])
    seconds = len(found.x) / found.sample_rate_hz
    assert 1 < seconds < 4  # a page of Ogg may hold 1.9 s
    assert len(found.notes) == 1 and found.notes[0].startswith("the recording is cut off")
    whole = audio_files.read(data).x
    n = len(found.x) - 2 * 1152  # the last frames of MP3 and Vorbis overlap with what is missing
    np.testing.assert_allclose(found.x[:n], whole[:n], atol=1e-6)


@pytest.mark.parametrize("kind", [*BLOCKS, *STREAMS], ids="-".join)
def test_compressed_files_that_were_joined(audio_files, kind):
    data = audio_files.encoded(kind)
    one, both = audio_files.read(data), audio_files.read(data + data)
    slack = 3 * 1152 if kind[0] == "MP3" else 0  # of MP3 the first header alone says what to trim at the ends
    assert 0 <= len(both.x) - 2 * len(one.x) <= slack
    np.testing.assert_allclose(both.x[: len(one.x) - 1152], one.x[:-1152], atol=1e-6)
    assert len(both.notes) == 1


@pytest.mark.parametrize("kind", STREAMS, ids="-".join)
def test_compressed_files_that_are_damaged_in_the_middle(audio_files, kind):
    data = bytearray(audio_files.encoded(kind))
    middle = len(data) // 2
    data[middle : middle + 600] = np.random.default_rng(1).bytes(600)
    found, whole = audio_files.read(bytes(data)), audio_files.read(audio_files.encoded(kind))
    assert len(found.notes) == 1 and "a part of the recording is damaged" in found.notes[0]
    part = len(whole.x) // 5  # a damaged page of Ogg takes 1.9 s of sound with it
    shortest, longest = (part, len(whole.x) + 2 * 1152) if kind[0] == "MP3" else (len(whole.x), len(whole.x))
    assert shortest <= len(found.x) <= longest
    # What is left is sound of the recording: a fifth of it, somewhere, is found in the whole.
    pieces = [v for v in (found.x[:part], found.x[-part:]) if v.any()]
    match = [np.abs(fftconvolve(whole.x, v[::-1])).max() / np.sum(v.astype(np.float64) ** 2) for v in pieces]
    assert max(match) > 0.99


@pytest.mark.parametrize("kind", [BLOCKS[0], *STREAMS], ids="-".join)
def test_compressed_files_need_soundfile(audio_files, monkeypatch, kind):
    data = audio_files.encoded(kind)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ValueError, match=r"this format needs the package soundfile$"):
        audio_files.read(data)


def test_mpeg_audio_in_wav_ends_where_its_bytes_do(audio_files):
    """Programs write the samples of a frame where the header has the bytes of a block, which MPEG audio has not."""
    frames = find_mp3(data := audio_files.encoded(("MP3", "MPEG_LAYER_III")))
    frames = data[slice(*frames.pieces[1])]
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 1, audio_files.RATE_HZ, 4000, 576, 0, 12, 1, 2, 576, 1, 0)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(frames)) + frames
    wav = b"RIFF" + struct.pack("<I", len(chunks)) + chunks
    judge, found = audio_files.decoded(wav), audio_files.read(wav)
    assert len(found.x) == len(judge) and found.notes == []
    np.testing.assert_allclose(found.x, judge, atol=1e-6)


def test_sphere_files_that_are_cut_off_say_so(audio_files):
    data = audio_files.encoded(("NIST", "PCM_16"))
    assert audio_files.read(data).notes == []
    found = audio_files.read(data[: 1024 + 2 * 38400])
    assert len(found.x) == 38400
    assert found.notes == ["the recording is cut off; the header states 4.000 s, the data contain 2.400 s"]


STATED = [
    *(("AVR", "PCM_S8"), ("AVR", "PCM_16"), ("SVX", "PCM_S8"), ("SVX", "PCM_16"), ("MAT4", "PCM_16")),
    *(("MAT4", "DOUBLE"), ("MAT5", "PCM_16"), ("MAT5", "FLOAT"), ("WVE", "ALAW")),
    *(
        ("MPC2K", "PCM_16"),
        ("XI", "DPCM_8"),
        ("XI", "DPCM_16"),
        ("SDS", "PCM_S8"),
        ("SDS", "PCM_16"),
        ("SDS", "PCM_24"),
    ),
]


@pytest.mark.parametrize("kind", STATED, ids="-".join)
def test_formats_of_libsndfile_that_are_cut_off_say_so(audio_files, kind):
    """Libsndfile takes what there is, and fills SDS with its last packet."""
    file, x = io.BytesIO(), audio_files.PCM[:16001]
    soundfile.write(file, x, 8000 if kind[0] == "WVE" else 16000, kind[1], format=kind[0])
    data = bytearray(file.getvalue())
    if kind[0] == "XI":  # libsndfile writes a length of 0
        data[298:302] = struct.pack("<I", len(data) - 338)
    whole = audio_files.read(bytes(data))
    assert whole.notes == []
    for n in (len(data) - 1, len(data) // 2):
        found = audio_files.read(bytes(data[:n]))
        assert n / len(data) * 16001 - 400 < len(found.x) <= 16000
        np.testing.assert_array_equal(found.x, whole.x[: len(found.x)])
        assert found.notes == [f"the recording is cut off; the header states {len(data)} bytes, the file has {n} bytes"]


@pytest.mark.parametrize("kind", ["MAT4", "MAT5"])
def test_stated_lengths_are_read_in_either_order_of_bytes(audio_files, kind):
    file = io.BytesIO()
    soundfile.write(file, np.stack(2 * [audio_files.PCM], axis=1), 16000, "PCM_16", "BIG", kind)
    assert audio_files.read(file.getvalue()).notes == ["mixed 2 channels to mono"]
    assert "cut off" in audio_files.read(file.getvalue()[:-1]).notes[0]


def test_any_number_of_recordings_in_two_formats_are_joined(audio_files):
    x = audio_files.PCM[:20]
    pair = audio_files.encoded(("FLAC", "PCM_16"), x) + audio_files.encoded(("WAV", "PCM_16"), x)
    found = audio_files.read(600 * pair)
    np.testing.assert_array_equal(found.x, np.tile(x.astype(np.float32), 1200))
    assert found.notes == ["joined 1200 recordings that follow each other in the file"]
