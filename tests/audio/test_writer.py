"""Audio files are written as other programs read them."""

import io
import os
import sys
import wave
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.audio.writer import to_pcm16, write_wav

SECOND = np.arange(16000) / 16000
TONE = (0.5 * np.sin(2 * np.pi * 440 * SECOND)).astype(np.float32)


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


def test_impossible_audio_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="y contains NaN"):
        write_wav(tmp_path / "a.wav", np.array([0, np.nan]), 16000)
    too_long = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (2**31,), (0,))
    with pytest.raises(ValueError, match="y of 2147483648 samples must be at most"):
        write_wav(tmp_path / "a.wav", too_long, 16000)
    assert os.listdir(tmp_path) == []
