"""Immittance spectral frequencies against NumPy, the standard, and themselves there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsp.isf import isf_to_lpc, lpc_to_isf
from dsp.lpc import autocorrelation, levinson_durbin, white_noise_correction
from dsp.reflection import lpc_to_reflection

ORDERS = [1, 2, 3, 8, 9, 10, 16, 24, 31, 32]
n = np.arange(400)
TONES = np.sin(np.pi * np.array([0.01, 0.11, 0.5, 0.731])[:, None] * n)
FRAMES = {
    "noise": np.random.default_rng(1).normal(size=(20, 400)) * np.hamming(400),
    "silence": np.zeros((1, 400)),
    "constant": np.ones((1, 400)),
    "clipped": np.clip(30 * TONES, -1, 1),
    "tone": TONES * np.hanning(400),
}


def predictors(name, order):
    return levinson_durbin(white_noise_correction(autocorrelation(FRAMES[name], order), 1e-9))[0]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", FRAMES)
def test_there_and_back_and_there(name, order):
    a = predictors(name, order)
    w = lpc_to_isf(a)
    assert w.shape == (len(a), order)
    assert (np.diff(w[:, :-1]) > 0).all() and (0 < w).all() and (w < np.pi).all()
    assert (w[:, -1] < np.pi / 2).all()
    b = isf_to_lpc(w)
    assert np.abs(b - a).max() < 1e-10
    assert np.abs(lpc_to_isf(b) - w).max() < 1e-9


@given(arrays(float, 32, elements=st.floats(0.2, 1)), st.integers(1, 32), st.floats(0.1, 1.4))
def test_any_frequencies_there_and_back(gaps, order, last):
    gaps = gaps[:order]
    w = np.append((np.cumsum(gaps) * np.pi / gaps.sum())[:-1], last)
    a = isf_to_lpc(w)
    assert np.abs(lpc_to_isf(a) - w).max() < 1e-8
    assert a[-1] == pytest.approx(np.cos(2 * last), abs=1e-12)  # the last reflection coefficient


@pytest.mark.parametrize("order", [8, 16, 24, 32])
@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9])
def test_filters_on_the_brink_of_instability(order, distance):
    angle = np.linspace(0.1, 3, order // 2) + np.random.default_rng(0).uniform(-0.02, 0.02, (20, order // 2))
    z = (1 - distance) * np.exp(1j * angle)
    a = np.array([np.poly(np.concatenate([row, row.conj()])).real for row in z])
    np.testing.assert_allclose(isf_to_lpc(lpc_to_isf(a)), a, atol=1e-11)


@pytest.mark.parametrize("order", [2, 3, 8, 9, 16])
def test_against_roots_of_F1_and_F2(order):
    for a in predictors("noise", order):
        angles = np.angle(np.concatenate([np.roots(a + a[::-1]), np.roots(a - a[::-1])]))
        expected = np.sort(angles[(angles > 1e-5) & (angles < np.pi - 1e-5)])
        np.testing.assert_allclose(lpc_to_isf(a)[:-1], expected, atol=1e-8)
        assert np.cos(2 * lpc_to_isf(a)[-1]) == pytest.approx(lpc_to_reflection(a)[-1])


def test_flat_spectrum_is_where_AMR_WB_starts():
    # TS 26.173 starts from cos(i pi / 16) in 15 bits, and 1475 in the last place
    start = [32138, 30274, 27246, 23170, 18205, 12540, 6393, 0]
    w = lpc_to_isf(np.eye(1, 17)[0])
    np.testing.assert_allclose(32768 * np.cos(w[:8]), start, atol=1)
    np.testing.assert_allclose(w[:-1], np.pi * np.arange(1, 16) / 16, atol=1e-12)
    assert w[-1] == pytest.approx(np.pi / 4)


@given(st.floats(-0.99, 0.99), st.floats(0.05, 3.09))
def test_order_2_in_closed_form(k, angle):
    # F1 = (1 + k)(1 - 2 cos(w) z^-1 + z^-2) with 2 a_1 = -2 cos(w) (1 + k), whatever the rest
    a = [1.0, -np.cos(angle) * (1 + k), k]
    np.testing.assert_allclose(lpc_to_isf(a), [angle, 0.5 * np.arccos(k)], atol=1e-7)


def test_batches_and_layouts():
    a = np.stack([predictors("noise", 16)] * 2)
    w = lpc_to_isf(a)
    other = np.asfortranarray(a)[:, ::-2]
    other.flags.writeable = False
    np.testing.assert_allclose(lpc_to_isf(other), w[:, ::-2], atol=1e-13)
    np.testing.assert_allclose(isf_to_lpc(np.asfortranarray(w)), a, atol=1e-12)
    np.testing.assert_allclose(lpc_to_isf(a.astype(np.float32)), w, atol=1e-4)
    assert lpc_to_isf(np.zeros((0, 9))).shape == (0, 8)


def test_refuses_bad_arguments():
    for bad in ([1.0], [1.0, 2.0], [1, -2.5, 0.9], [0.9, 0.1], [1, np.nan], np.poly([0.5, 1.2, -0.3]), 1.0):
        with pytest.raises(ValueError, match=r"^`a` [^\n]*$"):
            lpc_to_isf(bad)
    for bad in (np.zeros((2, 0)), [np.nan], [1.0, 1.7], [2.0, 1.0, 0.1], [-0.1, 0.5], [3.2, 0.5], 1.0):
        with pytest.raises(ValueError, match=r"^`isf` [^\n]*$"):
            isf_to_lpc(bad)
