"""Line spectral frequencies against NumPy's roots, closed forms, and themselves there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsp.lpc import autocorrelation, levinson_durbin, white_noise_correction
from dsp.lsf import lpc_to_lsf, lsf_to_lpc

N = 480
ORDERS = [1, 2, 3, 8, 9, 10, 16, 20, 24, 31, 32]
n = np.arange(N)
TONES = np.sin(np.pi * np.array([0.002, 0.02, 0.11, 0.5, 0.731, 0.9998])[:, None] * n)
FRAMES = {
    "noise": np.random.default_rng(1).normal(size=(20, N)) * np.hamming(N),
    "silence": np.zeros((1, N)),
    "constant": np.ones((1, N)),
    "alternating": (-1.0) ** n[None],
    "clipped": np.clip(30 * TONES, -1, 1),
    "tone": TONES * np.hanning(N),
    "tone without window": TONES,
    "two tones": (TONES[2] + TONES[4])[None] * np.hamming(N),
    "impulse": np.eye(N)[[0, 100]],
    "lowpass": np.cumsum(np.random.default_rng(2).normal(size=(20, N)), axis=-1) * np.hanning(N),
}


def predictors(name, order):
    return levinson_durbin(autocorrelation(FRAMES[name], order))[0]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", FRAMES)
def test_there_and_back_to_1e_11(name, order):
    a = predictors(name, order)
    w = lpc_to_lsf(a)
    assert w.shape == (len(a), order)
    assert (np.diff(w) >= 0).all()
    assert (0 < w).all() and (w < np.pi).all()
    assert np.abs(lsf_to_lpc(w) - a).max() < 1e-11


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", FRAMES)
def test_back_and_there_to_1e_9(name, order):
    # Without any noise the coefficients of low tones determine their frequencies to 1e-6 only.
    r = white_noise_correction(autocorrelation(FRAMES[name], order), 1e-9)
    w = lpc_to_lsf(levinson_durbin(r)[0])
    assert np.abs(lpc_to_lsf(lsf_to_lpc(w)) - w).max() < 1e-9


@given(arrays(float, 33, elements=st.floats(0.2, 1)), st.integers(1, 32))
def test_any_frequencies_there_and_back(gaps, order):
    gaps = gaps[: order + 1]
    w = (np.cumsum(gaps) * np.pi / gaps.sum())[:-1]
    assert np.abs(lpc_to_lsf(lsf_to_lpc(w)) - w).max() < 1e-9


@pytest.mark.parametrize("order", [8, 16, 24, 32])
@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9])
def test_filters_on_the_brink_of_instability(order, distance):
    angle = np.linspace(0.1, 3, order // 2) + np.random.default_rng(0).uniform(-0.02, 0.02, (20, order // 2))
    z = (1 - distance) * np.exp(1j * angle)
    a = np.array([np.poly(np.concatenate([row, row.conj()])).real for row in z])
    np.testing.assert_allclose(lsf_to_lpc(lpc_to_lsf(a)), a, atol=1e-11)


@pytest.mark.parametrize("order", [8, 10, 15, 16])
@pytest.mark.parametrize("name", ["noise", "clipped", "lowpass"])
def test_against_roots_of_P_and_Q(name, order):
    for a in predictors(name, order):
        p = np.append(a, 0)
        angles = np.angle(np.concatenate([np.roots(p + p[::-1]), np.roots(p - p[::-1])]))
        expected = np.sort(angles[(angles > 1e-5) & (angles < np.pi - 1e-5)])
        np.testing.assert_allclose(lpc_to_lsf(a), expected, atol=1e-7)


def test_against_pysptk():
    pysptk = pytest.importorskip("pysptk")
    for a in predictors("noise", 16):
        expected = pysptk.lpc2lsp(np.append(1.0, a[1:]), numsp=512, maxiter=50, eps=1e-12)[1:]
        np.testing.assert_allclose(lpc_to_lsf(a), expected, atol=1e-9)


@pytest.mark.parametrize("order", range(1, 65))
def test_flat_spectrum_has_even_spacing(order):
    w = np.pi * np.arange(1, order + 1) / (order + 1)
    np.testing.assert_allclose(lpc_to_lsf(np.eye(1, order + 1)[0]), w, atol=1e-12)
    np.testing.assert_allclose(lsf_to_lpc(w), np.eye(1, order + 1)[0], atol=1e-12)


@given(st.floats(0.05, 3.09), st.floats(0, 0.9999))
def test_resonator_of_order_2(angle, radius):
    # P = 1 + (a1 + a2 - 1) z^-1 + z^-2 and Q = 1 + (a1 - a2 + 1) z^-1 + z^-2, without their roots at -1 and 1
    a1, a2 = -2 * radius * np.cos(angle), radius**2
    expected = np.arccos([(1 - a1 - a2) / 2, (-1 - a1 + a2) / 2])
    np.testing.assert_allclose(lpc_to_lsf([1, a1, a2]), expected, atol=1e-9)


@given(st.integers(1, 24), st.integers(0, 2**32 - 1))
def test_ascending_frequencies_are_a_stable_filter(order, seed):
    w = np.sort(np.random.default_rng(seed).uniform(0.001, np.pi - 0.001, order))
    assert (np.abs(np.roots(lsf_to_lpc(w))) < 1 + 1e-6).all()  # NumPy's roots are not exact


def test_known_answer():
    a = [1.0, -1.5, 1.2, -0.6, 0.2]
    expected = [0.45102681, 0.82222365, 1.31811607, 1.90772891]  # by the roots of P and Q
    np.testing.assert_allclose(lpc_to_lsf(a), expected, atol=1e-8)


def test_batches_and_layouts():
    a = np.stack([predictors("noise", 10)] * 3)
    w = lpc_to_lsf(a)
    assert w.shape == (3, 20, 10) and w.dtype == np.float64
    assert np.array_equal(w[1], w[2])
    other = np.asfortranarray(a)[::-1, ::-2]
    other.flags.writeable = False
    np.testing.assert_allclose(lpc_to_lsf(other), w[:, ::-2], atol=1e-13)
    np.testing.assert_allclose(lsf_to_lpc(np.asfortranarray(w)[:, ::-2]), a[:, ::-2], atol=1e-13)
    np.testing.assert_allclose(lpc_to_lsf(a.astype(np.float32)), w, atol=1e-4)
    many = np.tile(a[0], (120, 1))  # more than one block
    np.testing.assert_allclose(lpc_to_lsf(many), np.tile(w[0], (120, 1)), atol=1e-13)


def test_empty():
    assert lpc_to_lsf(np.ones((2, 1))).shape == (2, 0)
    assert lsf_to_lpc(np.zeros((2, 0))).tolist() == [[1.0], [1.0]]
    assert lpc_to_lsf(np.zeros((0, 11))).shape == (0, 10)
    assert lsf_to_lpc(np.zeros((0, 10))).shape == (0, 11)


@pytest.mark.parametrize(
    "a", [[1.0, 2.0], [1.0, 0.0, 1.1], [1.0, -2.5, 1.0], [1, 0, 0, 0, -1.2], np.poly([0.5, 1.2, -0.3])]
)
def test_refuses_what_is_not_minimum_phase(a):
    with pytest.raises(ValueError, match=r"^`a` is not minimum phase, .*$"):
        lpc_to_lsf(a)


def test_refuses_bad_arguments():
    for bad in (1.0, [], [2.0, 0.0], [1.0, np.nan], [1.0, 1j]):
        with pytest.raises(ValueError, match=r"^`a` "):
            lpc_to_lsf(bad)
    for bad in (1.0, [np.nan], [-0.1, 1.0], [1.0, 3.2], [2.0, 1.0]):
        with pytest.raises(ValueError, match=r"^`lsf` "):
            lsf_to_lpc(bad)
