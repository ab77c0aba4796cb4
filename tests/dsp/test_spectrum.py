import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import freqz, lfilter

from dsp.lpc import levinson_durbin
from dsp.spectrum import (
    distortion_summary,
    envelope_db,
    lpc_to_autocorrelation,
    lpc_to_power,
    power_to_lpc,
    spectral_distortion_amrwb_db,
    spectral_distortion_db,
)


def from_reflection(k):
    a = np.ones(1)
    for k_m in k:
        a = np.append(a, 0)
        a = a + k_m * a[::-1]
    return a


stable = st.lists(st.floats(-0.9, 0.9), min_size=1, max_size=16).map(from_reflection)


@given(stable, st.floats(0.01, 100))
def test_power_is_that_of_the_filter(a, gain):
    w = 2 * np.pi * np.arange(129) / 256
    _, h = freqz([gain], a, worN=w)
    np.testing.assert_allclose(lpc_to_power(a, gain, 256), np.abs(h) ** 2, rtol=1e-8)
    np.testing.assert_allclose(envelope_db(a, gain, 256), 20 * np.log10(np.abs(h)), atol=1e-7)


@given(st.lists(st.floats(-0.7, 0.7), min_size=1, max_size=6).map(from_reflection), st.floats(0.01, 100))
def test_power_and_predictor_are_a_pair(a, gain):
    b, g = power_to_lpc(lpc_to_power(a, gain, 8192), len(a) - 1)
    np.testing.assert_allclose(b, a, atol=1e-8)
    np.testing.assert_allclose(g, gain, rtol=1e-8)


@given(stable, st.floats(0.01, 100))
def test_autocorrelation_and_levinson_are_a_pair(a, error):
    b, E, _ = levinson_durbin(lpc_to_autocorrelation(a, error))
    np.testing.assert_allclose(b, a, atol=1e-7 * np.abs(a).max())
    np.testing.assert_allclose(E, error, rtol=1e-7)


def test_autocorrelation_is_that_of_the_impulse_response():
    a = from_reflection([-0.8, 0.5, -0.2, 0.3])
    h = lfilter([1], a, np.eye(1, 4000)[0])
    expected = [h[: 4000 - m] @ h[m:] for m in range(5)]
    np.testing.assert_allclose(lpc_to_autocorrelation(a), expected, rtol=1e-12)
    both = lpc_to_autocorrelation([a, a], [1.0, 3.0])
    np.testing.assert_allclose(both, [expected, 3 * np.array(expected)], rtol=1e-12)


def test_autocorrelation_of_an_unstable_filter_is_refused():
    with pytest.raises(ValueError, match="`a` has roots on or outside"):
        lpc_to_autocorrelation([1.0, -1.0])


@given(stable, stable)
def test_distortion_is_a_distance(a, b):
    d = spectral_distortion_db(a, b)
    assert spectral_distortion_db(a, a) == 0
    np.testing.assert_allclose(d, spectral_distortion_db(b, a))
    assert d <= spectral_distortion_db(a, [1.0]) + spectral_distortion_db([1.0], b) + 1e-9


def test_distortion_of_one_pole_in_closed_form():
    # Parseval: the mean of (ln|A|^2)^2 is 4 sum c_n^2 / 2 with the cepstrum c_n = p^n / n of one pole.
    for p in (0.1, 0.5, -0.8):
        n = np.arange(1, 400)
        expected = 10 / np.log(10) * np.sqrt(2 * np.sum((p**n / n) ** 2))
        np.testing.assert_allclose(spectral_distortion_db([1, 0], [1, -p], n_fft=1024), expected, rtol=1e-9)


def test_distortion_keeps_to_its_band():
    a, b = from_reflection([-0.9, 0.4, 0.1]), from_reflection([-0.8, 0.3])
    w = np.pi * np.arange(256 + 1) / 256
    difference = 20 * np.log10(np.abs(freqz([1], b, worN=w)[1] / freqz([1], a, worN=w)[1]))
    f = w / np.pi * 8000
    inside = difference[(f >= 50) & (f <= 7000)]
    found = spectral_distortion_db(a, b, 16000, 50, 7000)
    np.testing.assert_allclose(found, np.sqrt(np.mean(inside**2)), rtol=1e-10)
    inside = difference[f <= 6400]
    trapezoid = (np.sum(inside**2) - inside[0] ** 2 / 2) / (len(inside) - 0.5)
    np.testing.assert_allclose(spectral_distortion_amrwb_db(a, b, 16000), np.sqrt(trapezoid), rtol=1e-10)
    np.testing.assert_allclose(spectral_distortion_amrwb_db(a, b), spectral_distortion_db(a, b), rtol=1e-12)


def test_summary_counts_outliers():
    assert distortion_summary([1.0, 2.0, 2.5, 4.0, 4.5]) == (2.8, 40.0, 20.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batches_precisions_and_layouts_agree(dtype):
    a = np.array([from_reflection([-0.5, 0.25]), from_reflection([0.5, -0.25])]).astype(dtype)
    frozen = np.repeat(a, 2, axis=1)[:, ::2]
    frozen.flags.writeable = False
    expected = [lpc_to_power(row) for row in a]
    np.testing.assert_array_equal(lpc_to_power(frozen), expected)
    np.testing.assert_array_equal(lpc_to_power(frozen[None])[0], expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lpc_to_power([2.0, 1.0]), "`a`"),
        (lambda: lpc_to_power([1.0, np.nan]), "`a`"),
        (lambda: lpc_to_power([1.0, 0.5], np.inf), "`gain`"),
        (lambda: lpc_to_power([1.0, 0.5], n_fft=7), "`n_fft` is 7"),
        (lambda: lpc_to_power(np.eye(9)[0], n_fft=8), "`n_fft` is 8"),
        (lambda: power_to_lpc([1.0, -1.0, 1.0], 1), "`power`"),
        (lambda: power_to_lpc([1.0, 1.0, 1.0], 3), "`order` is 3"),
        (lambda: spectral_distortion_db([1.0], [0.5]), "`b`"),
        (lambda: spectral_distortion_db([1.0], [1.0], 16000, 1.0, 2.0), "`low_hz` is 1"),
        (lambda: spectral_distortion_db([1.0], [1.0], 16000, 0.0, 9000.0), "`high_hz` is 9000"),
        (lambda: spectral_distortion_amrwb_db([1.0], [1.0], 8000), "`sample_rate_hz` is 8000"),
        (lambda: distortion_summary([]), "`distortion_db` is empty"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
