"""Audio files: every kind comes in as mono float32, and faults are named."""

import io
import os
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.signal
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.audio.reader import prepare, read_audio, resample
from lpcnet_cq.audio.writer import write_wav

SECOND = np.arange(16000) / 16000
TONE = (0.5 * np.sin(2 * np.pi * 440 * SECOND)).astype(np.float32)


@pytest.mark.parametrize(
    ("format", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 1 / 128),
        ("WAV", "PCM_16", 1 / 32768),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 1e-7),
        ("FLAC", "PCM_16", 1 / 32768),
        ("OGG", "VORBIS", 0.05),
    ],
)
def test_formats_and_widths(tmp_path, format, subtype, tolerance):
    path = tmp_path / f"a.{format.lower()}"
    soundfile.write(path, TONE, 16000, subtype, format=format)
    got = read_audio(path)
    assert got.x.dtype == np.float32 and got.sample_rate_hz == got.original_hz == 16000 and got.notes == []
    assert np.abs(got.x - TONE).max() <= tolerance


def test_channels_are_averaged_and_said_so(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([TONE, 0 * TONE, -0.4 * TONE], axis=1), 16000, "FLOAT")
    got = read_audio(tmp_path / "a.wav")
    np.testing.assert_allclose(got.x, 0.2 * TONE, atol=1e-7)
    assert got.notes == ["mixed 3 channels to mono"]


@pytest.mark.parametrize("rate_hz", [8000, 11025, 44100, 48000])
def test_rates_are_changed_and_said_so(tmp_path, rate_hz):
    """A tone stays the tone, in place: the judge is the tone sampled at the other rate."""
    t = np.arange(rate_hz) / rate_hz
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * t), rate_hz, "FLOAT")
    got = read_audio(tmp_path / "a.wav", target_hz=16000)
    assert got.x.shape == (16000,) and (got.sample_rate_hz, got.original_hz) == (16000, rate_hz)
    assert np.abs(got.x - TONE)[500:-500].max() < 1e-4
    assert got.notes == [f"resampled {rate_hz} -> 16000 Hz"]


def test_resampling_agrees_with_scipy():
    x = np.random.default_rng(1).standard_normal(4800)
    x = scipy.signal.lfilter(*scipy.signal.butter(8, 0.15), x).astype(np.float32)  # well below the lower Nyquist
    judge = scipy.signal.resample_poly(x, 1, 3, window=("kaiser", 12.0))
    assert np.abs(resample(x, 48000, 16000) - judge)[50:-50].max() < 2e-3 * np.abs(judge).max()


@given(st.integers(0, 300), st.sampled_from([1000, 8000, 11025, 44100, 48000, 768000]))
def test_resampled_lengths_round_up(n, rate_hz):
    assert len(resample(np.zeros(n), rate_hz, 16000)) == int(np.ceil(n * 16000 / rate_hz))


@pytest.mark.parametrize("rates_hz", [(0, 16000), (16000, 999), (-8000, 16000), (44100.5, 16000)])
def test_impossible_rates_are_named(rates_hz):
    wrong = re.escape(str(next(r for r in rates_hz if r != 16000)))
    with pytest.raises(ValueError, match=rf"the sample rate of {wrong} Hz must be 1000\.\.768000 Hz"):
        resample(np.zeros(9), *rates_hz)


def test_loud_floats_are_clipped_and_said_so(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([0.0, 1.0, -1.0, 1.5, -3.0]), 16000, "FLOAT")
    got = read_audio(tmp_path / "a.wav")
    assert got.x.tolist() == [0, 1, -1, 1, -1]
    assert got.notes == ["clipped 2 samples beyond full scale"]


def test_the_largest_floats_are_refused_without_a_warning(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full((9, 2), 3e38), 16000, "FLOAT")
    with pytest.raises(ValueError, match=r"has a peak of 3e\+38, it must be at most 4, full scale is 1$"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("x", [np.zeros(1), np.full(1, 0.5), np.zeros(16000)])
def test_one_sample_and_silence_are_audio(tmp_path, x):
    soundfile.write(tmp_path / "a.wav", x, 48000)
    assert len(read_audio(tmp_path / "a.wav", 16000).x) == -(-len(x) // 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named_with_its_place(tmp_path, value):
    x = TONE.copy()
    x[4000] = value
    soundfile.write(tmp_path / "a.wav", x, 16000, "FLOAT")
    with pytest.raises(ValueError, match=r"a\.wav` holds NaN or infinite samples, the first at 0\.250 s$"):
        read_audio(tmp_path / "a.wav")


def test_infinities_that_cancel_are_named(tmp_path):
    x = np.stack([TONE, TONE], axis=1)
    x[8000] = np.inf, -np.inf
    soundfile.write(tmp_path / "a.wav", x, 16000, "FLOAT")
    with pytest.raises(ValueError, match=r"the first at 0\.500 s$"):
        read_audio(tmp_path / "a.wav")


def test_unreadable_sources_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read `.*none.wav`: No such file or directory$"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(ValueError, match=r"cannot read `.*`: Is a directory$"):
        read_audio(tmp_path)
    for name, content in {"empty.wav": b"", "text.wav": b"no audio here\n" * 100, "a.raw": bytes(64)}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"`.*{name}` is not an audio file that can be read"):
            read_audio(tmp_path / name)


def test_a_file_that_is_cut_off_is_read_with_a_note(tmp_path):
    soundfile.write(tmp_path / "a.wav", TONE, 16000)
    content = (tmp_path / "a.wav").read_bytes()
    got = read_audio(io.BytesIO(content[: 44 + 8000]), target_hz=8000)
    assert len(got.x) == 2000
    assert got.notes == [
        "the recording is cut off; the header states 1.000 s, the data contain 0.250 s",
        "resampled 16000 -> 8000 Hz",
    ]


def test_no_samples_and_odd_rates_are_named(tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    with pytest.raises(ValueError, match=r"none\.wav` holds no samples$"):
        read_audio(tmp_path / "none.wav")
    soundfile.write(tmp_path / "slow.wav", TONE, 10)
    with pytest.raises(ValueError, match=r"slow\.wav` has 10 Hz; sample rates must be 1000..768000 Hz$"):
        read_audio(tmp_path / "slow.wav")


def test_standard_input_may_be_a_pipe(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", TONE, 16000)
    read_end, write_end = os.pipe()
    with open(write_end, "wb") as pipe:
        pipe.write((tmp_path / "a.wav").read_bytes())
    with open(read_end, "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=pipe))
        assert np.abs(read_audio("-").x - TONE).max() < 1e-4


def test_closed_standard_input_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match="cannot read standard input: it is closed"):
        read_audio("-")


def test_two_channels_are_kept_where_they_are_coded(tmp_path):
    x = np.stack([TONE, 0.5 * TONE], axis=1).astype(np.float32)
    write_wav(tmp_path / "a.wav", x, 44100)
    judged, _ = soundfile.read(tmp_path / "a.wav")
    np.testing.assert_allclose(judged, x, atol=1 / 32768)
    both, one = (read_audio(tmp_path / "a.wav", channels=n) for n in (2, 1))
    np.testing.assert_allclose(both.x, judged)
    np.testing.assert_allclose(one.x, judged.mean(axis=1), atol=1e-7)
    assert (both.notes, one.notes) == ([], ["mixed 2 channels to mono"])
    assert prepare(both.x, 44100, 22050, 2).shape == (-(-len(x) // 2), 2)
    assert prepare(np.zeros((10, 3)), 44100, 44100, 2).shape == prepare(both.x[:10], 44100, 44100).shape == (10,)


def test_the_room_hands_out_reading_and_writing():
    import lpcnet_cq.audio

    assert lpcnet_cq.audio.read_audio is read_audio and lpcnet_cq.audio.write_wav is write_wav
