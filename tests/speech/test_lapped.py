"""The lapped transform and the noise shape: against SciPy, and by what they promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.fft import dct
from scipy.signal import freqz

from lpcnet_cq.speech.analysis import PREEMPHASIS
from lpcnet_cq.speech.constants import GAMMA, MAX_LOG_SHAPE
from lpcnet_cq.speech.lapped import Lapped, mdct, noise_shape

L = 16


@pytest.fixture(scope="module")
def pair():
    """Return `analyse` and `synthesise` of the transform as training starts from it."""
    lapped = Lapped(L)
    return jax.jit(lapped.analyse), jax.jit(lapped.synthesise)


@pytest.fixture(scope="module")
def e():
    return np.random.default_rng(1).standard_normal((2, 9, L)).astype(np.float32)


def test_basis_is_a_folded_dct_iv():
    """Princen, Johnson and Bradley: fold the windowed halves onto L samples, then a DCT of type IV."""
    x = np.random.default_rng(2).standard_normal(2 * L)
    a, b, c, d = (np.sin(np.pi / (2 * L) * (np.arange(2 * L) + 0.5)) * x).reshape(4, L // 2)
    folded = np.concatenate([-c[::-1] - d, a - b[::-1]])
    np.testing.assert_allclose(x @ mdct(L), dct(folded, type=4, norm="ortho"), atol=1e-12)


def test_synthesis_is_the_excitation_one_subframe_late(pair, e):
    analyse, synthesise = pair
    zero = jnp.zeros((2, L))
    y = synthesise(zero, analyse(zero, e))
    np.testing.assert_allclose(y[:, 1:], e[:, :-1], atol=1e-5)
    np.testing.assert_allclose(y[:, 0], 0, atol=1e-5)


def test_transform_keeps_energy(pair, e):
    padded = np.concatenate([e, np.zeros((2, 1, L), np.float32)], axis=1)
    y = pair[0](jnp.zeros((2, L)), padded)
    np.testing.assert_allclose(jnp.sum(y**2), np.sum(e**2), rtol=1e-5)


def test_chunks_are_the_whole(pair, e):
    for function in pair:
        whole = function(jnp.zeros((2, L)), e)
        parts = function(jnp.zeros((2, L)), e[:, :4]), function(e[:, 3], e[:, 4:])
        np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-6)


def test_both_ways_are_trained():
    params = nnx.state(Lapped(L), nnx.Param)
    assert {"forward", "back"} == set(nnx.to_pure_dict(params))


def test_shape_is_the_weighted_magnitude_of_the_excitation():
    """Judge: `scipy.signal.freqz`, of A(z/gamma), A(z) and the pre-emphasis, each by itself."""
    a = np.poly([0.9 * np.exp(0.4j), 0.9 * np.exp(-0.4j), 0.8 * np.exp(2j), 0.8 * np.exp(-2j)]).real
    w = np.pi / 64 * (np.arange(64) + 0.5)
    weighted, plain, emphasis = (np.abs(freqz(b, worN=w)[1]) for b in (a * GAMMA ** np.arange(5), a, [1, -PREEMPHASIS]))
    expected = np.log(weighted / plain / emphasis)
    np.testing.assert_allclose(noise_shape(jnp.asarray(a, jnp.float32), 64), expected, atol=1e-4)


def test_shape_is_bounded():
    a = jnp.asarray(np.poly([0.99999, -0.99999]), jnp.float32)
    assert np.abs(noise_shape(a, 64)).max() <= MAX_LOG_SHAPE
