"""Covariance and modified covariance methods against NumPy's least squares, and signals they fit exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import toeplitz
from scipy.signal import lfilter

from dsp.covariance import covariance, modified_covariance

BOTH = pytest.mark.parametrize("method", [covariance, modified_covariance])


def rows_of(x, order):
    return toeplitz(x[order:], x[order::-1])


def judge(method, x, order):
    rows = rows_of(x, order)
    if method is modified_covariance:
        rows = np.concatenate([rows, rows_of(x[::-1], order)])
    a = np.append(1.0, -np.linalg.lstsq(rows[:, 1:], rows[:, 0], rcond=1e-12)[0])
    return a, np.sum((rows @ a) ** 2) / (2 if method is modified_covariance else 1)


@BOTH
@pytest.mark.parametrize("order", [0, 1, 2, 7, 16, 32])
def test_against_least_squares(method, order):
    frames = np.random.default_rng(order).normal(size=(3, 120)).cumsum(-1)
    a, error = method(frames, order)
    for frame, row, energy in zip(frames, a, error, strict=True):
        expected, least = judge(method, frame, order)
        np.testing.assert_allclose(row, expected, atol=1e-9 * np.abs(expected).max())
        assert energy == pytest.approx(least)


@BOTH
@given(
    x=arrays(float, 40, elements=st.floats(-1, 1, width=16)),
    order=st.integers(0, 20),
    other=arrays(float, 20, elements=st.floats(-1, 1)),
)
def test_no_other_predictor_leaves_less(method, x, order, other):
    a, error = method(x, order)
    assert a[0] == 1 and np.isfinite(a).all() and error >= 0
    rows = rows_of(x, order)
    energy = np.sum((rows @ (a + np.append(0, other[:order]))) ** 2)
    if method is modified_covariance:
        energy = 0.5 * (energy + np.sum((rows_of(x[::-1], order) @ (a + np.append(0, other[:order]))) ** 2))
    assert error <= energy + 1e-9


@BOTH
def test_sums_of_sinusoids_are_fitted_without_error(method):
    n = np.arange(30)
    w = np.array([0.4, 1.1, 2.3])
    x = np.sum(np.array([1, 0.5, 2])[:, None] * np.cos(w[:, None] * n + w[:, None]), axis=0)
    a, error = method(x, 6)
    assert error < 1e-20
    np.testing.assert_allclose(np.sort(np.angle(np.roots(a)))[3:], w, atol=1e-9)
    np.testing.assert_allclose(np.abs(np.roots(a)), 1, atol=1e-9)
    assert method(x, 10)[1] < 1e-20  # more than enough: the smallest of all that fit


def test_decaying_resonance_is_fitted_without_error():
    a = np.poly(np.array([0.9 * np.exp(0.5j), 0.9 * np.exp(-0.5j), 0.7, -0.8])).real
    x = lfilter([1.0], a, np.eye(1, 40)[0])
    found, error = covariance(x[3:], 4)
    np.testing.assert_allclose(found, a, atol=1e-9)
    assert error < 1e-20


@pytest.mark.parametrize("w", [0.05, 0.1, 0.2])
def test_modified_covariance_finds_low_tones_of_half_a_period_in_any_phase(w):
    n = np.arange(32)
    phase = np.linspace(0, 2 * np.pi, 9)[:, None]
    a, _ = modified_covariance(np.sin(w * n + phase), 2)
    np.testing.assert_allclose(a, [[1, -2 * np.cos(w), 1]] * 9, atol=1e-9)


@BOTH
def test_silence_constant_and_short_frames(method):
    a, error = method(np.zeros((2, 20)), 8)
    assert np.array_equal(a, np.eye(1, 9).repeat(2, 0)) and not error.any()
    a, error = method(np.ones(20), 1)
    np.testing.assert_allclose(a, [1, -1], atol=1e-12)
    a, error = method([1.0, 3.0], 1)
    assert a.shape == (2,) and error.shape == ()


def test_known_answers():
    # x = 1 2 2: forward a = -(1*2 + 2*2) / (1 + 4); both ways a = -2 (1*2 + 2*2) / (1 + 4 + 4 + 4)
    np.testing.assert_allclose(covariance([1.0, 2.0, 2.0], 1)[0], [1, -6 / 5])
    np.testing.assert_allclose(modified_covariance([1.0, 2.0, 2.0], 1)[0], [1, -12 / 13])


@BOTH
def test_batches_and_layouts(method):
    x = np.random.default_rng(0).normal(size=(3, 50, 30)).astype(np.float32)  # more than two blocks
    whole = method(x, 5)
    assert [v.shape for v in whole] == [(3, 50, 6), (3, 50)]
    other = np.asfortranarray(x)
    other.flags.writeable = False
    for one, two in zip(method(other, 5), whole, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, two, atol=1e-12)
    np.testing.assert_allclose(method(x[2, 40], 5)[0], whole[0][2, 40], atol=1e-12)
    assert method(np.zeros((0, 20)), 3)[0].shape == (0, 4)


@BOTH
def test_refuses_bad_arguments(method):
    for bad in (1.0, [np.nan, 1.0], [1j, 0]):
        with pytest.raises(ValueError, match=r"^`frames` [^\n]*$"):
            method(bad, 0)
    for bad in (-1, 4, 1.5):
        with pytest.raises(ValueError, match=r"^`order` is .*, it must be .*0 to 3$"):
            method(np.ones(7), bad)
