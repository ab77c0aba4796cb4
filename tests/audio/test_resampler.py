"""Resampling of arriving signals: the judge is soxr, which sees the whole signal."""

import numpy as np
import pytest

from lpcnet_cq.audio.reader import resample
from lpcnet_cq.audio.resampler import HALF_WIDTH, LiveResampler

RATES_HZ = [(44100, 16000), (16000, 44100), (8000, 16000), (16000, 8000), (44101, 16000), (16000, 16000)]


def noise(n, channels=1):
    x = 0.1 * np.random.default_rng(1).standard_normal((n, channels)).astype(np.float32)
    return x if channels > 1 else x[:, 0]


def pushed(x, from_hz, to_hz, size):
    resampler = LiveResampler(from_hz, to_hz, x.ndim)
    parts = [resampler.push(x[i : i + size]) for i in range(0, len(x), size)]
    return [*parts, resampler.finish()]


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES_HZ)
def test_agrees_with_soxr_in_the_passband(from_hz, to_hz):
    low, n = min(from_hz, to_hz), from_hz // 4
    time = np.arange(n) / from_hz
    x = sum(np.float32(0.1 * np.sin(2 * np.pi * share * low * time)) for share in (0.01, 0.13, 0.44))
    y, judge = np.concatenate(pushed(x, from_hz, to_hz, 441)), resample(x, from_hz, to_hz)
    inner = slice(len(y) // 4, -len(y) // 4)
    assert len(y) == len(judge) == -(-n * to_hz // from_hz)
    np.testing.assert_allclose(y[inner], judge[inner], atol=1e-4)


def test_suppresses_what_lies_above_the_lower_nyquist_frequency():
    x = np.float32(np.sin(2 * np.pi * 8100 * np.arange(9600) / 48000))
    assert np.abs(np.concatenate(pushed(x, 48000, 16000, 480))[300:-300]).max() < 1e-3


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES_HZ)
@pytest.mark.parametrize("channels", [1, 2])
def test_is_independent_of_the_blocks(from_hz, to_hz, channels):
    x = noise(1500, channels)
    whole = np.concatenate(pushed(x, from_hz, to_hz, 1500))
    for size in (1, 37):
        np.testing.assert_allclose(np.concatenate(pushed(x, from_hz, to_hz, size)), whole, atol=1e-6)


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES_HZ)
def test_holds_back_few_samples(from_hz, to_hz):
    resampler, size = LiveResampler(from_hz, to_hz), from_hz // 50
    held_s, n = [], 0
    for i in range(1, 10):
        n += len(resampler.push(noise(size)))
        held_s.append(i * size / from_hz - n / to_hz)
    assert -1e-9 <= min(held_s) and max(held_s) <= (HALF_WIDTH + 2) / min(from_hz, to_hz)


@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_short_signals_have_their_length(n):
    for channels in (1, 2):
        y = np.concatenate(pushed(noise(n, channels), 44100, 16000, 7))
        assert y.shape == resample(noise(n, channels), 44100, 16000).shape and y.dtype == np.float32
