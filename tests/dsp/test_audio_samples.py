"""Uncompressed and logarithmic samples in every container: whole, of unknown length, cut off, joined."""

import io
import sys

import numpy as np
import pytest
import soundfile

from dsp.audio_file import read_audio_file

PLAIN = [
    *(("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("AIFF", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("AU", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("CAF", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("W64", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ALAW")),
    *(("RF64", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ALAW")),
    ("WAVEX", "PCM_24"),
]
PLAIN_NAMES = ["-".join(kind) for kind in PLAIN]
SIZE_FIELDS = {  # bytes to search for, distance from their start to the length field, width of the field in bytes
    "WAV": (b"data", 4, 4),
    "WAVEX": (b"data", 4, 4),
    "AIFF": (b"SSND", 4, 4),
    "AU": (b".snd", 8, 4),
    "CAF": (b"data", 4, 8),
    "W64": (b"data\xf3", 16, 8),
    "RF64": (b"ds64", 16, 8),
}
UNKNOWN = {"0": "00", "2^32 - 1": "ff"}


@pytest.mark.parametrize("kind", PLAIN, ids=PLAIN_NAMES)
def test_plain_samples_are_those_of_libsndfile(audio_files, kind):
    stereo = np.stack([audio_files.PCM, -0.5 * audio_files.PCM], axis=1)
    found = read_audio_file(io.BytesIO(audio_files.encoded(kind, stereo)), channels=2)
    judge = soundfile.read(io.BytesIO(audio_files.encoded(kind, stereo)), dtype="float32")[0]
    np.testing.assert_array_equal(found.x, judge)
    assert (found.sample_rate_hz, found.n_channels, found.notes) == (audio_files.RATE_HZ, 2, [])


@pytest.mark.parametrize("value", UNKNOWN)
@pytest.mark.parametrize("kind", PLAIN, ids=PLAIN_NAMES)
def test_plain_samples_of_unknown_length_are_read_to_the_end(audio_files, kind, value):
    data = bytearray(audio_files.encoded(kind))
    mark, offset, width = SIZE_FIELDS[kind[0]]
    at = data.find(mark) + offset
    data[at : at + width] = bytes.fromhex(UNKNOWN[value]) * width
    found = audio_files.read(bytes(data))
    np.testing.assert_array_equal(found.x, audio_files.decoded(audio_files.encoded(kind)).astype(np.float32))
    legal = value != "0" and kind[0] in ("AU", "CAF")
    assert found.notes == ([] if legal else ["the header gives no length: read to the end, 4.000 s"])


@pytest.mark.parametrize("kind", PLAIN, ids=PLAIN_NAMES)
def test_plain_samples_that_are_cut_off(audio_files, kind):
    data = audio_files.encoded(kind)
    found = audio_files.read(data[: len(data) // 2])
    n = len(found.x)
    assert audio_files.N // 2 - 2100 <= n <= audio_files.N // 2
    np.testing.assert_array_equal(found.x, audio_files.decoded(data).astype(np.float32)[:n])
    assert found.notes == [
        f"the recording is cut off; the header states 4.000 s, the data contain {n / audio_files.RATE_HZ:.3f} s"
    ]


@pytest.mark.parametrize("kind", PLAIN, ids=PLAIN_NAMES)
def test_plain_samples_that_were_joined(audio_files, kind):
    data = audio_files.encoded(kind)
    found = audio_files.read(data + data)
    np.testing.assert_array_equal(found.x, np.tile(audio_files.decoded(data).astype(np.float32), 2))
    assert found.notes == ["joined 2 recordings that follow each other in the file"]


def test_plain_samples_need_no_soundfile(audio_files, monkeypatch):
    files = [audio_files.encoded(kind) for kind in PLAIN]
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for data in files:
        assert len(audio_files.read(data).x) == audio_files.N


@pytest.mark.parametrize(
    ("value", "fault"), [(1e300, "peak of 3.40282e"), (-1e300, "peak of"), (np.inf, "holds NaN or")]
)
def test_finite_doubles_beyond_single_precision_are_too_loud(audio_files, value, fault):
    data = audio_files.wav([0.5, value], width="<f8", tag=3)
    with pytest.raises(ValueError, match=fault):
        audio_files.read(data)
