"""Losses: levels and bands of sines, closed forms of scaled errors."""

import jax
import librosa
import numpy as np
import pytest
from scipy.signal import ShortTimeFFT, get_window, lfilter

from lpcnet_cq.speech.constants import GAMMA
from lpcnet_cq.training import losses
from lpcnet_cq.training.losses import MEL_BANDS, MEL_FLOOR

FS, N, M = 16000, 3200, 16
TIME = np.arange(N) / FS
log_mel = jax.jit(losses.log_mel, static_argnums=(1, 2))
mel_loss = jax.jit(losses.mel_loss, static_argnums=2)
spectrum_loss = jax.jit(losses.spectrum_loss)
weighted_nsr = jax.jit(losses.weighted_nsr, static_argnums=3)


def sine(frequency_hz, amplitude=1.0):
    return np.float32(amplitude * np.sin(2 * np.pi * frequency_hz * TIME))[None]


def mel(f_hz):
    """Slaney's scale: linear to 1 kHz, then 27 bands for a factor of 6.4."""
    return 3 * f_hz / 200 if f_hz < 1000 else 15 + 27 * np.log(f_hz / 1000) / np.log(6.4)


@pytest.mark.parametrize("W", [256, 1024])
@pytest.mark.parametrize("frequency_hz", [500, 1500, 4000])
def test_sine_shows_in_its_band_at_its_level(W, frequency_hz):
    """Triangles of height 1 add up to 1 in each bin; a Hann window spreads a power of 1 over bins of sum 3/2."""
    levels = np.asarray(log_mel(sine(frequency_hz), FS, W), np.float64)[0]
    centres = np.linspace(0, mel(FS / 2), MEL_BANDS[W] + 2)[1:-1]
    assert (np.abs(levels.argmax(axis=1) - np.abs(centres - mel(frequency_hz)).argmin()) <= 1).all()
    triangles = librosa.filters.mel(sr=FS, n_fft=W, n_mels=MEL_BANDS[W], norm=None)
    np.testing.assert_allclose(np.exp(2 * levels) @ triangles.sum(axis=1), 1.5, rtol=1e-3)


def test_level_is_logarithmic_in_neper():
    soft, loud = (np.asarray(log_mel(sine(1500, amplitude), FS, 1024)).max(axis=-1) for amplitude in (0.1, 1.0))
    np.testing.assert_allclose(loud - soft, np.log(10), atol=1e-3)


def test_silence_is_at_the_floor():
    np.testing.assert_allclose(log_mel(0 * sine(100), FS, 512), np.log(MEL_FLOOR), rtol=1e-5)


def test_mel_loss_of_a_louder_copy_is_the_log_of_the_gain():
    x = np.random.default_rng(1).standard_normal((2, N)).astype(np.float32)
    assert mel_loss(x, x, FS) == 0
    np.testing.assert_allclose(mel_loss(x, 2 * x, FS), np.log(2), rtol=1e-4)
    np.testing.assert_allclose(mel_loss(x, -x, FS), 0, atol=1e-6)


@pytest.mark.parametrize("W", [256, 1024])
def test_compressed_spectrum_is_that_of_scipy(W):
    """Noise of power 1 has bins of power 1 on average, apart from the edges that SciPy pads."""
    x = np.random.default_rng(4).standard_normal(N).astype(np.float32)
    bins = ShortTimeFFT(get_window("hann", W), W // 4, FS).stft(x, p0=2, p1=2 + (N - W) // (W // 4) + 1)
    power = np.abs(bins) ** 2 / np.sum(get_window("hann", W) ** 2)
    found = np.asarray(losses.compressed_spectrum(x[None], W))[0]
    np.testing.assert_allclose(found, (power.T + 1e-5) ** 0.15, rtol=2e-4)
    assert np.mean(power) == pytest.approx(1, abs=0.05)


def test_spectrum_loss_knows_no_level_and_no_phase():
    x, y = np.random.default_rng(5).standard_normal((2, 1, N)).astype(np.float32)
    assert spectrum_loss(x, x) == 0
    np.testing.assert_allclose(spectrum_loss(x, -x), 0, atol=1e-6)
    np.testing.assert_allclose(spectrum_loss(0.01 * x, 0.01 * y), spectrum_loss(x, y), rtol=1e-3)


def test_spectrum_loss_of_silence_is_what_is_missing():
    """A copy of twice the amplitude is off by 2^0.3 - 1 of what silence, at the floor, is off by."""
    x = np.random.default_rng(6).standard_normal((1, N)).astype(np.float32)
    whole = spectrum_loss(x, 0 * x) + 1e-5**0.15
    np.testing.assert_allclose(spectrum_loss(x, 2 * x), (2**0.3 - 1) * whole, rtol=1e-3)


@pytest.fixture(scope="module")
def speech():
    """Return noise (2, N) and stable filters (2, N / 64, M + 1), one the same all along."""
    random = np.random.default_rng(2)
    a = np.zeros((2, N // 64, M + 1), np.float32)
    a[:, :, 0] = 1
    a[1, :, 1:3] = -1.2, 0.6
    return random.standard_normal((2, N)).astype(np.float32), a


@pytest.mark.parametrize("gain", [0.9, 1.1, 2.0])
def test_nsr_of_a_scaled_copy_is_its_gain_error_whatever_the_weighting(speech, gain):
    x, a = speech
    np.testing.assert_allclose(weighted_nsr(x, gain * x, a, 320), 2 * np.log10(abs(gain - 1)), atol=1e-4)


def test_nsr_is_that_of_signals_through_the_weighting_filter(speech):
    x, a = speech
    noise = 0.1 * np.random.default_rng(3).standard_normal(x.shape).astype(np.float32)
    ratios, weights = [], []
    for b in range(2):
        w = a[b, 0] * GAMMA ** np.arange(M + 1)
        s, n = (np.mean(lfilter(w, 1, v[b]).reshape(-1, 320) ** 2, axis=1) for v in (x, noise))
        ratios.append(np.log10(n / s))
        weights.append(s**0.2)
    expected = np.average(np.ravel(ratios), weights=np.ravel(weights))
    np.testing.assert_allclose(weighted_nsr(x, x + noise, a, 320), expected, rtol=1e-4)


def test_louder_segments_weigh_more(speech):
    """An error of 20 % in the loud half counts, with 2 % in the soft half, more than the other way round."""
    x, a = speech
    loud = np.repeat([True, False], N // 2)
    x = np.where(loud, x, 0.01 * x)
    in_loud, in_soft = (np.where(part, 1.2 * x, 1.02 * x).astype(np.float32) for part in (loud, ~loud))
    weight = 1 / (1 + 0.01 ** (2 * 0.2))
    np.testing.assert_allclose(
        weighted_nsr(x.astype(np.float32), in_loud, a, 320) - weighted_nsr(x.astype(np.float32), in_soft, a, 320),
        2 * (2 * weight - 1) * np.log10(0.2 / 0.02),
        rtol=0.05,
    )


def test_level_loss_is_the_difference_of_levels_whatever_the_order_of_frames():
    x = np.random.default_rng(3).standard_normal((1, 16000)).astype(np.float32)
    assert losses.level_loss(x, 0.5 * x, FS) == pytest.approx(np.log(2), rel=1e-4)
    assert losses.level_loss(x, x[:, ::-1], FS) < 0.01 < mel_loss(x, x[:, ::-1], FS)
