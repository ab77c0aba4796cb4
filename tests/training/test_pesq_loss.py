"""The PESQ-style loss: closed forms, and PESQ itself as judge of its order."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from lpcnet_cq.evaluation.bench import speech_like
from lpcnet_cq.training import pesq_loss as loss_terms

FS = 16000


@pytest.fixture(scope="module")
def speech():
    return speech_like(2.0, FS)


@pytest.fixture(scope="module")
def judge():
    """Return the compiled loss of two signals (N,)."""
    loss = jax.jit(lambda x, y: loss_terms.pesq_loss(x[None], y[None], FS)[0])
    return lambda x, y: float(loss(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)))


def test_bands_share_out_every_line_but_the_first():
    member, threshold, exponent = loss_terms.half_bark_bands(FS, 512)
    np.testing.assert_array_equal(member.sum(axis=1), np.r_[0, np.ones(256)])
    assert member.any(axis=0).all() and 40 <= member.shape[1] <= 49
    assert threshold[0] > 100 * threshold[20] and exponent[0] > exponent[20] == pytest.approx(loss_terms.ZWICKER_POWER)


def test_loudness_is_zwickers_law():
    """Nothing at the threshold; far above it, 10 dB more are 10^0.23 times as loud."""
    threshold, exponent = np.float32([2.0]), np.float32([0.23])
    L = [float(loss_terms.loudness(jnp.float32([p]), threshold, exponent)[0]) for p in (0.0, 2.0, 2e6, 2e7)]
    assert L[:2] == [0, 0]
    assert L[2] == pytest.approx(0.1866 * 4**0.23 * ((0.5 + 0.5e6) ** 0.23 - 1), rel=1e-4)
    assert (L[3] + 0.1866 * 4**0.23) / (L[2] + 0.1866 * 4**0.23) == pytest.approx(10**0.23, rel=1e-3)


def test_nothing_is_heard_of_no_error_and_of_another_level(speech, judge):
    assert judge(speech, speech) < 0.01
    noisy = speech + 0.02 * np.random.default_rng(1).standard_normal(len(speech))
    assert judge(0.1 * speech, 0.1 * noisy) == pytest.approx(judge(speech, noisy), rel=1e-3)


def test_more_noise_is_heard_more(speech, judge):
    noise = np.random.default_rng(2).standard_normal(len(speech))
    heard = [judge(speech, speech + a * noise) for a in (0.001, 0.003, 0.01, 0.03)]
    assert heard == sorted(heard) and heard[-1] > 3 * heard[0]


def test_what_is_added_weighs_more_than_what_is_missing(speech, judge):
    spectrum, band = np.fft.rfft(speech), slice(8000, 12000)
    more, less = spectrum.copy(), spectrum.copy()
    more[band] *= 8
    less[band] /= 8
    assert judge(speech, np.fft.irfft(more)) > 1.5 * judge(speech, np.fft.irfft(less))


def test_gradient_is_not_zero_for_small_errors_and_finite_in_silence(speech):
    y = speech + 1e-4 * np.random.default_rng(3).standard_normal(len(speech)).astype(np.float32)
    gradient = jax.jit(jax.grad(lambda y, x: loss_terms.pesq_loss(x[None], y[None], FS)[0]))
    small, silent = (gradient(jnp.asarray(y), jnp.asarray(x)) for x in (speech, 0 * speech))
    assert np.isfinite(small).all() and np.abs(small).max() > 0 and np.isfinite(silent).all()


@pytest.mark.skipif(importlib.util.find_spec("pesq") is None, reason="pesq is not installed")
def test_order_is_that_of_pesq(speech, judge):
    """Noise of three colours at four levels, low passes, and clipping."""
    from pesq import pesq
    from scipy.signal import butter, lfilter, sosfilt

    white = np.random.default_rng(4).standard_normal(len(speech))
    colours = [white, lfilter([1], [1, -0.95], white) / 3, np.diff(white, prepend=0) / 1.4]
    heard = [speech + a * c for a in (0.0005, 0.002, 0.008, 0.03) for c in colours]
    heard += [sosfilt(butter(8, f, fs=FS, output="sos"), speech) for f in (2000, 4000, 6500)]
    heard += [np.clip(speech, -a, a) for a in (0.3, 0.1)]
    scores = [pesq(FS, speech.astype(np.float64), y.astype(np.float64), "wb") for y in heard]
    assert spearmanr(scores, [-judge(speech, y) for y in heard])[0] > 0.8
