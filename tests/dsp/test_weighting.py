import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import freqz, lfilter

from dsp.weighting import (
    bandwidth_to_gamma,
    expand_bandwidth,
    gamma_to_bandwidth,
    unweight,
    weight,
    weight_amrwb,
)


def resonators(f_hz, b_hz, fs=16000.0):
    z = np.exp((-np.pi * np.asarray(b_hz) + 2j * np.pi * np.asarray(f_hz)) / fs)
    return np.poly(np.concatenate([z, z.conj()])).real


VOWEL = resonators([600, 1400, 2500, 3500], [60, 80, 110, 150])
FILTER = VOWEL * 0.6 ** np.arange(9), VOWEL * 0.92 ** np.arange(9)
OTHER = resonators([300, 2200, 2900, 3600], [60, 80, 110, 150])


@given(st.floats(0.5, 1.0))
def test_expansion_scales_the_roots(gamma):
    roots = np.sort_complex(np.roots(VOWEL))
    moved = np.sort_complex(np.roots(expand_bandwidth(VOWEL, gamma)))
    np.testing.assert_allclose(moved, gamma * roots, atol=1e-8)
    np.testing.assert_allclose(expand_bandwidth(expand_bandwidth(VOWEL, gamma), 1 / gamma), VOWEL, rtol=1e-12)


def test_expansion_widens_by_the_bandwidth():
    wider = expand_bandwidth(VOWEL, bandwidth_to_gamma(40, 16000))
    np.testing.assert_allclose(wider, resonators([600, 1400, 2500, 3500], [100, 120, 150, 190]), rtol=1e-9)
    several = expand_bandwidth(VOWEL, [1.0, 0.5])
    np.testing.assert_allclose(several, [VOWEL, VOWEL * 0.5 ** np.arange(9)], rtol=1e-12)


@given(st.floats(0, 5000), st.sampled_from([8000.0, 16000.0, 48000.0]))
def test_bandwidth_and_gamma_are_a_pair(bandwidth_hz, fs):
    gamma = bandwidth_to_gamma(bandwidth_hz, fs)
    assert 0 < gamma <= 1
    np.testing.assert_allclose(gamma_to_bandwidth(gamma, fs), bandwidth_hz, atol=1e-9)


def test_weighting_is_scipys_filter():
    x = np.random.default_rng(0).normal(size=(2, 640))
    g1, g2 = VOWEL * 0.9 ** np.arange(9), VOWEL * 0.5 ** np.arange(9)
    np.testing.assert_allclose(weight(x, VOWEL, 0.9, 0.5)[0], lfilter(g1, g2, x), atol=1e-10)
    np.testing.assert_allclose(unweight(x, VOWEL, 0.9, 0.5)[0], lfilter(g2, g1, x), atol=1e-8)
    expected = lfilter(VOWEL * 0.92 ** np.arange(9), [1, -0.68], x)
    np.testing.assert_allclose(weight_amrwb(x, VOWEL)[0], expected, atol=1e-10)


@given(st.integers(1, 6), st.floats(0, 0.98), st.floats(0, 0.98), st.integers(0, 2**32 - 1))
def test_weight_and_unweight_are_a_pair(S, gamma1, gamma2, seed):
    rng = np.random.default_rng(seed)
    x, a = rng.normal(size=(3, 64 * S)), np.where(rng.random((S, 1)) < 0.5, VOWEL, OTHER)
    state = rng.normal(size=(2, 3, 8))
    y, after = weight(x, a, gamma1, gamma2, tuple(state))
    back, after_too = unweight(y, a, gamma1, gamma2, tuple(state))
    scale = np.abs(y).max()
    np.testing.assert_allclose(back, x, atol=1e-9 * scale)
    np.testing.assert_allclose(after_too, after, atol=1e-9 * scale)


@pytest.mark.parametrize("function", [weight, unweight, weight_amrwb])
def test_pieces_equal_the_whole(function):
    x = np.random.default_rng(1).normal(size=320)
    a = np.array([VOWEL, OTHER, VOWEL, OTHER, OTHER])
    whole, end = function(x, a)
    first, state = function(x[:128], a[:2])
    second, state = function(x[128:], a[2:], state=state)
    np.testing.assert_allclose(np.append(first, second), whole, rtol=1e-10, atol=1e-10)
    for found, expected in zip(state, end, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_shaped_noise_is_louder_at_the_formants():
    w = 2 * np.pi * np.array([600, 1000, 1400, 1950, 2500, 3000, 3500, 6000]) / 16000
    impulse, _ = unweight(np.eye(1, 4096)[0], VOWEL)
    level_db = 20 * np.log10(np.abs(freqz(impulse, worN=w)[1]))
    assert (level_db[0::2] > level_db[1::2] + 1).all()
    np.testing.assert_allclose(level_db, 20 * np.log10(np.abs(freqz(*FILTER, worN=w)[1])), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precisions_and_layouts(dtype):
    x = np.random.default_rng(2).normal(size=640).astype(dtype)[::2]
    x.flags.writeable = False
    for function in (weight, unweight, weight_amrwb):
        np.testing.assert_array_equal(function(x, VOWEL)[0], function(x.astype(float), VOWEL)[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expand_bandwidth([1.0, 0.5], 0.0), "`gamma` has a value of 0"),
        (lambda: expand_bandwidth([0.5, 1.0], 0.9), "`a` has a first"),
        (lambda: bandwidth_to_gamma(-1, 16000), "`bandwidth_hz` is -1"),
        (lambda: gamma_to_bandwidth(0, 16000), "`gamma` is 0"),
        (lambda: gamma_to_bandwidth(0.5, np.nan), "`sample_rate_hz` is nan"),
        (lambda: weight([1.0], [1.0, 0.5], gamma1=1.5), "`gamma1` is 1.5"),
        (lambda: unweight([1.0], [1.0, 0.5], gamma2=-1), "`gamma2` is -1"),
        (lambda: weight([1.0], [1.0, 0.5], state=[[0.0]]), "`state` is"),
        (lambda: weight([1.0], [1.0, 0.5], state=([0.0, 1.0], [0.0])), "`state` has shape"),
        (lambda: weight([np.nan], [1.0, 0.5]), "`x` holds NaN"),
        (lambda: unweight([1.0] * 3, [[1.0, 0.5]] * 2), "`y` has 3 samples"),
        (lambda: weight_amrwb([1.0], [1.0, 0.5], tilt=2), "`tilt` is 2"),
        (lambda: weight_amrwb([1.0], [1.0, 0.5], gamma=2), "`gamma` is 2"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
