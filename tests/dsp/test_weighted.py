"""Weighted linear prediction against NumPy's least squares, its special cases, and voices made by pulses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import toeplitz
from scipy.signal import lfilter

from dsp.covariance import covariance
from dsp.weighted import energy_weights, weighted_covariance


@pytest.mark.parametrize("order", [0, 1, 2, 7, 16])
def test_against_least_squares(order):
    rng = np.random.default_rng(order)
    frames, weights = rng.normal(size=(3, 80)).cumsum(-1), rng.uniform(0, 2, (3, 80))
    a, error = weighted_covariance(frames, order, weights)
    for x, w, row, energy in zip(frames, weights, a, error, strict=True):
        rows = np.sqrt(w[order:, None]) * toeplitz(x[order:], x[order::-1])
        expected = np.append(1.0, -np.linalg.lstsq(rows[:, 1:], rows[:, 0], rcond=None)[0])
        np.testing.assert_allclose(row, expected, atol=1e-9)
        assert energy == pytest.approx(np.sum((rows @ expected) ** 2))


@given(arrays(float, (2, 30), elements=st.floats(-1, 1)), st.integers(0, 15), st.floats(0.01, 100))
def test_equal_weights_are_the_covariance_method(x, order, weight):
    x = x + np.random.default_rng(0).normal(size=x.shape)
    a, error = covariance(x, order)
    b, weighted = weighted_covariance(x, order, np.full(30, weight))
    np.testing.assert_allclose(b, a, atol=1e-6)
    np.testing.assert_allclose(weighted, weight * error, rtol=1e-6, atol=1e-12)


def test_samples_without_weight_do_not_matter():
    x = np.random.default_rng(0).normal(size=60)
    w = np.ones(60)
    w[45:] = 0
    y = x.copy()
    y[45:] = 1e3
    np.testing.assert_allclose(weighted_covariance(y, 4, w)[0], weighted_covariance(x, 4, w)[0], atol=1e-9)
    a, error = weighted_covariance(x, 4, np.zeros(60))
    assert a.tolist() == [1, 0, 0, 0, 0] and error == 0


def test_between_the_pulses_the_filter_is_found_exactly():
    poles = np.array([0.98 * np.exp(0.3j), 0.97 * np.exp(0.9j), 0.96 * np.exp(1.6j)])
    a = np.poly(np.concatenate([poles, poles.conj()])).real
    pulses = np.zeros(400)
    pulses[::55] = 1.0
    x = lfilter([1.0], a, pulses)
    closed = np.ones(400)
    closed[::55] = 0
    np.testing.assert_allclose(weighted_covariance(x[60:], 6, closed[60:])[0], a, atol=1e-7)
    # and weights that only know the energy come closer than none
    off = [np.abs(weighted_covariance(x, 6, w)[0] - a).max() for w in (energy_weights(x, 6), np.ones(400))]
    assert off[0] < 0.95 * off[1]


@given(arrays(float, (2, 25), elements=st.floats(-10, 10)), st.integers(1, 30))
def test_energy_weights_are_moving_sums(x, length):
    kernel = np.append(0.0, np.ones(length))
    np.testing.assert_allclose(energy_weights(x, length, 0.5), lfilter(kernel, [1.0], x**2) + 0.5, atol=1e-9)


def test_broadcasting_and_layouts():
    x = np.random.default_rng(0).normal(size=(3, 4, 40)).astype(np.float32)
    w = np.linspace(0, 1, 40)
    a, error = weighted_covariance(x, 5, w)
    assert a.shape == (3, 4, 6) and error.shape == (3, 4) and a.dtype == np.float64
    other = np.asfortranarray(x)
    other.flags.writeable = False
    np.testing.assert_allclose(weighted_covariance(other, 5, w)[0], a, atol=1e-12)
    many, _ = weighted_covariance(x[0, 0], 5, np.stack([w, w[::-1]]))
    np.testing.assert_allclose(many[0], a[0, 0], atol=1e-12)


def test_refuses_bad_arguments():
    x = np.ones(10)
    cases = [
        (weighted_covariance, (1.0, 1, x), "frames"),
        (weighted_covariance, (x, 6, x), "order"),
        (weighted_covariance, (x, 2, -x), "weights"),
        (weighted_covariance, (x, 2, x[:9]), "weights"),
        (weighted_covariance, (x, 2, [1.0]), "weights"),
        (weighted_covariance, (x, 2, np.nan * x), "weights"),
        (weighted_covariance, (np.ones((3, 10)), 2, np.ones((2, 10))), "weights"),
        (energy_weights, (x, 0), "length"),
        (energy_weights, (x, 2, -1.0), "floor"),
        (energy_weights, ([np.inf], 2), "frames"),
    ]
    for function, arguments, name in cases:
        with pytest.raises(ValueError, match=rf"^`{name}` [^\n]*$"):
            function(*arguments)
