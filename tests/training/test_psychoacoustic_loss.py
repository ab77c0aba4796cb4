"""Psychoacoustic terms: the scale of `dsp`, closed forms, and a gradient on sound that resembles music."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsp.psychoacoustics import noise_to_mask_ratio_db, power_spectrum_db
from lpcnet_cq.training import psychoacoustic_loss as loss_terms
from lpcnet_cq.training.psychoacoustic_loss import HOP

FS, N = 44100, 32 * HOP


@pytest.fixture(scope="module")
def chord():
    """Return decaying partials of three notes, float32 (N,)."""
    time = np.arange(N) / FS
    notes = [f * k for f in (220.0, 277.2, 329.6) for k in range(1, 9)]
    x = sum(np.sin(2 * np.pi * f * time + f) * np.exp(-3 * time) / (1 + f / 500) for f in notes)
    return (0.3 * x / np.abs(x).max()).astype(np.float32)


@pytest.fixture(scope="module")
def noisy(chord):
    """Return the chord with audible white noise."""
    return chord + 0.003 * np.random.default_rng(1).standard_normal(N).astype(np.float32)


def frames(x):
    padded = np.pad(x, loss_terms.N_FFT // 2)
    return np.lib.stride_tricks.sliding_window_view(padded, loss_terms.N_FFT)[::HOP]


def terms(x, y):
    mask_db = loss_terms.threshold_db(x[None], FS)
    return {k: float(v) for k, v in compiled(*(jnp.asarray(v) for v in (x[None], y[None], mask_db))).items()}


@jax.jit
def compiled(x, y, mask_db):
    return loss_terms.psychoacoustic_terms(x, y, mask_db, FS)


def test_spectra_are_on_the_scale_of_the_thresholds(chord):
    judged = power_spectrum_db(frames(chord), loss_terms.FULL_SCALE_DB)
    level_db = 10 * np.log10(np.asarray(loss_terms.power(jnp.asarray(chord[None])))[0] + 1e-9)
    loud = judged > 20  # float32
    assert loud.mean() > 0.1
    np.testing.assert_allclose(level_db[loud], judged[loud], atol=0.05)
    assert loss_terms.threshold_db(chord[None], FS).shape == (1, *judged.shape)


def test_terms_are_the_equations():
    """One frame of two lines: w = log10(100 + 1) and log10(1 + 1), both 6 dB too loud; n/m of 4 and 1/2."""
    P, M = jnp.asarray([[[100.0, 5.0]]]), jnp.asarray([[[1.0, 5.0]]])
    six_db = 10 * np.log10((4 * np.array([100, 5]) + 0.1) / (np.array([100, 5]) + 0.1))
    want = np.mean(np.log10([101, 2]) * six_db**2)
    assert float(loss_terms.priority(P, 4 * P, M)) == pytest.approx(want, rel=1e-5)
    assert float(loss_terms.modulation(jnp.asarray([[[4.0, 2.5]]]), M)[0, 0]) == pytest.approx(3)
    assert float(loss_terms.modulation(jnp.asarray([[[0.9, 2.5]]]), M)[0, 0]) == 0


def test_audible_noise_is_that_of_dsp(chord, noisy):
    """The judge sums the same shares in NumPy, frame by frame and band by band; a hole is as bad as it gets."""
    noise, hole = (
        10 ** (noise_to_mask_ratio_db(chord, y, FS, loss_terms.FULL_SCALE_DB, HOP)[1:-1] / 10)
        for y in (noisy, 0 * chord)
    )
    assert 0.1 < np.mean(noise > hole) < 0.9
    expected = np.mean(np.log10(1 + np.minimum(noise, hole)))
    assert terms(chord, noisy)["audible"] == pytest.approx(expected, rel=1e-3)
    assert terms(chord, -9 * chord)["audible"] == pytest.approx(np.mean(np.log10(1 + hole)), rel=1e-3)


def test_masked_noise_costs_nothing_and_loud_noise_costs_more(chord):
    shape = np.random.default_rng(2).standard_normal(N).astype(np.float32)
    found = [terms(chord, chord + a * shape) for a in (1e-6, 1e-3, 1e-2)]
    assert found[0]["modulation"] == 0 and found[0]["audible"] < 0.01 and found[0]["priority"] < 0.01
    for name in found[0]:
        assert found[0][name] < found[1][name] < found[2][name]


@pytest.mark.parametrize("name", ["priority", "modulation", "audible"])
def test_every_term_pulls_on_audible_noise(name, chord, noisy):
    """The released code of the paper compares scales 96 dB apart: its weights are 1e-9, its maximum is zero.

    Here a small step against each term's gradient must take out noise: of the noise's power, and of the term.
    """
    mask_db = jnp.asarray(loss_terms.threshold_db(chord[None], FS))
    x = jnp.asarray(chord[None])
    loss = jax.jit(jax.value_and_grad(lambda y: loss_terms.psychoacoustic_terms(x, y, mask_db, FS)[name]))
    value, gradient = loss(jnp.asarray(noisy[None]))
    gradient = np.asarray(gradient)[0]
    assert np.isfinite(gradient).all() and 0.01 < float(value)
    assert np.dot(gradient, noisy - chord) > 0.02 * np.linalg.norm(gradient) * np.linalg.norm(noisy - chord)
    step = 0.02 * np.linalg.norm(noisy - chord) / np.linalg.norm(gradient)
    after, _ = loss(jnp.asarray((noisy - step * gradient)[None]))
    assert after < value


def test_silence_has_a_finite_gradient():
    x = jnp.zeros((1, N))
    mask_db = jnp.asarray(loss_terms.threshold_db(np.zeros((1, N)), FS))
    y = x + 1e-4 * jnp.sin(jnp.arange(N, dtype=jnp.float32))
    gradient = jax.jit(jax.grad(lambda y: sum(loss_terms.psychoacoustic_terms(x, y, mask_db, FS).values())))
    for start in (x, y):
        assert np.isfinite(np.asarray(gradient(start))).all()
