"""Audio files: every kind comes in as mono float32, faults are named, files are written whole or not."""

import io
import os
import re
import sys
import wave
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.signal
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.audio.reader import prepare, read_audio, replacing, resample, to_pcm16, write_wav

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


def test_channels_of_the_largest_floats_have_a_mean(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full((9, 2), 3e38), 16000, "FLOAT")
    got = read_audio(tmp_path / "a.wav")
    assert got.x.tolist() == [1] * 9
    assert got.notes == ["mixed 2 channels to mono", "clipped 9 samples beyond full scale"]


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


@given(st.lists(st.integers(-32768, 32767), max_size=50))
def test_16_bits_survive(values):
    assert to_pcm16(np.array(values, np.float32) / 32768).tolist() == values


def test_wav_is_what_others_read(tmp_path):
    """The standard library and libsndfile are the judges of our header."""
    y = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 7.0, -7.0])
    write_wav(tmp_path / "a.wav", y, 44100)
    with wave.open(str(tmp_path / "a.wav")) as w:
        assert w.getparams()[:4] == (1, 2, 44100, 7)
        pcm = np.frombuffer(w.readframes(7), "<i2").tolist()
    assert pcm == [0, 16384, -16384, 32767, -32768, 32767, -32768]
    got, rate_hz = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert rate_hz == 44100 and got.tolist() == pcm
    write_wav(tmp_path / "none.wav", np.zeros(0), 16000)
    assert soundfile.info(tmp_path / "none.wav").frames == 0


def test_wav_goes_to_standard_output(monkeypatch):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
    write_wav("-", TONE, 16000)
    assert not out.closed and len(out.getvalue()) == 44 + 2 * 16000
    assert soundfile.read(io.BytesIO(out.getvalue()))[1] == 16000


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


def test_impossible_audio_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="y contains NaN"):
        write_wav(tmp_path / "a.wav", np.array([0, np.nan]), 16000)
    too_long = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (2**31,), (0,))
    with pytest.raises(ValueError, match="y of 2147483648 samples must be at most"):
        write_wav(tmp_path / "a.wav", too_long, 16000)
    assert os.listdir(tmp_path) == []


def test_names_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("x" * 251 + ".wav")
    write_wav(path, TONE, 16000)
    assert os.listdir(tmp_path) == [path.name] and len(read_audio(path).x) == 16000


def test_closed_standard_streams_are_named(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OSError, match="it is closed: '-'"):
        write_wav("-", TONE, 16000)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match="cannot read standard input: it is closed"):
        read_audio("-")


def test_failing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"new, half")
        raise RuntimeError
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.bin"]
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["a.bin"]


def test_links_keep_pointing_and_permissions_follow_the_umask(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    old = os.umask(0o022)
    try:
        with replacing(tmp_path / "link") as file:
            file.write(b"x")
    finally:
        os.umask(old)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"x"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o644


def test_full_disks_and_missing_folders_carry_their_name(tmp_path):
    with pytest.raises(OSError, match=r"No such file or directory: '.*nowhere/a\.wav'"):
        write_wav(tmp_path / "nowhere" / "a.wav", TONE, 16000)
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_wav("/dev/full", TONE, 16000)
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_wav("/dev/full", TONE[:10], 16000)  # fails when flushed
    assert os.path.exists("/dev/full")
