"""Autocorrelation, its conditioning and the Levinson-Durbin recursion against SciPy, closed forms, a peer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import solve_toeplitz
from scipy.signal import correlate, freqz, lfilter

from dsp.lpc import (
    autocorrelation,
    deemphasis,
    lag_window,
    levinson_durbin,
    preemphasis,
    white_noise_correction,
)

samples = arrays(float, (2, 50), elements=st.floats(-1, 1, width=32))


@given(samples, st.integers(0, 49))
def test_autocorrelation_is_that_of_scipy(x, order):
    for row, r in zip(x, autocorrelation(x, order), strict=True):
        np.testing.assert_allclose(r, correlate(row, row)[49 : 50 + order], atol=1e-12)


@given(samples, st.integers(1, 16))
def test_levinson_durbin_solves_the_normal_equations(x, order):
    x = x + 0.1 * np.random.default_rng(0).normal(size=x.shape)
    r = white_noise_correction(autocorrelation(x, order), 1e-6)
    a, error, k = levinson_durbin(r)
    for row, a_row, E in zip(r, a, error, strict=True):
        expected = solve_toeplitz(row[:-1], -row[1:])
        np.testing.assert_allclose(a_row[1:], expected, atol=1e-7)
        assert E == pytest.approx(a_row @ row, rel=1e-8)
    assert (np.abs(k) < 1).all()


@given(arrays(float, 200, elements=st.floats(-1, 1)), st.integers(1, 32))
def test_result_is_minimum_phase_whatever_the_frame(x, order):
    a, error, k = levinson_durbin(autocorrelation(x, order))
    assert (np.abs(k) < 1).all() and error >= 0
    assert np.isfinite(a).all()


@pytest.mark.parametrize("order", [8, 16, 32])
@pytest.mark.parametrize("window", [np.ones, np.hamming, np.hanning])
def test_difficult_frames_stay_minimum_phase(order, window):
    n = np.arange(480)
    f = np.concatenate([np.geomspace(1e-5, 0.5, 30), [0.1, 0.25]])
    tones = np.sin(2 * np.pi * f[:, None] * n + 0.1)
    frames = np.concatenate([tones, np.clip(100 * tones, -1, 1), tones + tones[::-1], np.zeros((1, 480))])
    _, error, k = levinson_durbin(autocorrelation(frames * window(480), order))
    assert (np.abs(k) < 1).all() and (error >= 0).all()


def test_silence_predicts_nothing():
    a, error, k = levinson_durbin(np.zeros((3, 9)))
    assert np.array_equal(a, np.eye(1, 9).repeat(3, 0))
    assert not error.any() and not k.any()


@pytest.mark.parametrize("w", [0.1, 1.0, 2.9])
def test_sinusoid_is_predicted_by_its_resonator(w):
    a, error, _ = levinson_durbin(np.cos(w * np.arange(7)))
    np.testing.assert_allclose(a, [1, -2 * np.cos(w), 1, 0, 0, 0, 0], atol=1e-9)
    assert error < 1e-12


@pytest.mark.parametrize("order", [2, 4, 10])
def test_finds_the_filter_that_made_the_signal(order):
    radius, angle = 0.9, np.linspace(0.4, 2.7, order // 2)
    poles = radius * np.exp(1j * np.concatenate([angle, -angle]))
    a = np.poly(poles).real
    h = lfilter([1.0], a, np.eye(1, 2000)[0])
    found, error, _ = levinson_durbin(autocorrelation(h, order))
    np.testing.assert_allclose(found, a, atol=1e-9)
    assert error == pytest.approx(1.0)  # the impulse


def test_against_pysptk():
    pysptk = pytest.importorskip("pysptk")
    frames = np.random.default_rng(0).normal(size=(5, 300)) * np.hamming(300)
    a, _, _ = levinson_durbin(autocorrelation(frames, 12))
    for frame, row in zip(frames, a, strict=True):
        np.testing.assert_allclose(row[1:], pysptk.lpc(frame, 12, min_det=0)[1:], atol=1e-9)


def test_known_answer():
    r = autocorrelation([1.0, 2.0, 3.0, 2.0, -1.0], 3)
    assert r.tolist() == [19, 12, 4, 0]
    a, error, k = levinson_durbin(r)
    np.testing.assert_allclose(k[:2], [-12 / 19, 68 / 217])
    np.testing.assert_allclose(a[1:], np.linalg.solve([[19, 12, 4], [12, 19, 12], [4, 12, 19]], [-12, -4, 0]))
    assert error == pytest.approx(a @ r)


def test_lag_window_widens_a_line_into_a_gaussian():
    # Its Fourier transform is a Gaussian of standard deviation f0: at f0 it has fallen to exp(-1/2).
    w = lag_window(4000, 60.0, 16000.0)
    _, W = freqz(np.concatenate([w[:0:-1], w]), worN=2 * np.pi * np.array([0.0, 60.0, 120.0]) / 16000)
    np.testing.assert_allclose(np.abs(W) / np.abs(W[0]), np.exp([0, -0.5, -2]), atol=1e-9)


def test_white_noise_correction_is_a_floor():
    r = np.array([[2.0, 1.0], [0.0, 0.0]])
    assert white_noise_correction(r, 0.5).tolist() == [[3.0, 1.0], [0.0, 0.0]]
    assert r[0, 0] == 2.0
    tone = np.cos(0.3 * np.arange(17))
    _, error, _ = levinson_durbin(white_noise_correction(tone))
    assert 1e-4 < error < 2e-4 * 17


@given(samples, st.floats(0, 1), st.integers(0, 50))
def test_emphasis_there_and_back_in_pieces(x, mu, cut):
    y = preemphasis(x, mu)
    np.testing.assert_allclose(y, lfilter([1, -mu], [1], x), atol=1e-14)
    pieces = [preemphasis(x[:, :cut], mu), preemphasis(x[:, cut:], mu, x[:, cut - 1] if cut else 0.0)]
    assert np.array_equal(np.concatenate(pieces, -1), y)
    np.testing.assert_allclose(deemphasis(y, mu), x, atol=1e-12)
    first = deemphasis(y[:, :cut], mu)
    second = deemphasis(y[:, cut:], mu, first[:, -1] if cut else 0.0)
    np.testing.assert_allclose(np.concatenate([first, second], -1), x, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_any_layout(dtype):
    x = (100 * np.random.default_rng(0).normal(size=(3, 5, 64))).astype(dtype)
    expected = levinson_durbin(autocorrelation(x.astype(float), 8))
    other = np.asfortranarray(x)
    other.flags.writeable = False
    for one, two in zip(levinson_durbin(autocorrelation(other, 8)), expected, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, two, rtol=1e-9)
    strided = np.repeat(x, 2, axis=-1)[:, :, ::2]
    np.testing.assert_allclose(autocorrelation(strided, 8), autocorrelation(x, 8), rtol=1e-12)


def test_batch_is_frame_by_frame():
    r = autocorrelation(np.random.default_rng(0).normal(size=(2100, 40)), 6)  # more than two blocks
    whole = levinson_durbin(r)
    for i in (0, 1023, 1024, 2099):
        for one, many in zip(levinson_durbin(r[i]), whole, strict=True):
            assert np.array_equal(one, many[i])
    assert [v.shape for v in levinson_durbin(np.zeros((0, 4)))] == [(0, 4), (0,), (0, 3)]
    assert levinson_durbin([3.0])[2].shape == (0,)


@pytest.mark.parametrize("bad", [-1, 50, 2.5, None])
def test_refuses_orders(bad):
    with pytest.raises(ValueError, match=r"^`order` is .*, it must be .*0 to 49$"):
        autocorrelation(np.zeros((2, 50)), bad)


def test_refuses_bad_arguments():
    cases = [
        (autocorrelation, (1.0, 0), "frames"),
        (autocorrelation, ([np.nan, 1.0], 1), "frames"),
        (autocorrelation, ([], 0), "frames"),
        (autocorrelation, ([1.0, 2.0], True), "order"),
        (levinson_durbin, (np.zeros((2, 0)),), "r"),
        (levinson_durbin, ([np.inf, 1.0],), "r"),
        (levinson_durbin, ([-1.0, 0.5],), "r"),
        (white_noise_correction, ([1.0], -0.1), "fraction"),
        (lag_window, (-1, 60, 16000), "order"),
        (lag_window, (4, -60, 16000), "bandwidth_hz"),
        (lag_window, (2**70, 60, 16000), "order"),
        (lag_window, (4, 1e300, 16000), "bandwidth_hz"),
        (lag_window, (4, True, 16000), "bandwidth_hz"),
        (lag_window, (4, 60, 0), "sample_rate_hz"),
        (lag_window, (4, 60, [[1], [1, 2]]), "sample_rate_hz"),
        (preemphasis, ([1.0], 1.5), "mu"),
        (preemphasis, ([1.0], 0.5, np.nan), "previous"),
        (preemphasis, ([1.0], 0.5, [1.0]), "previous"),
        (deemphasis, ([1.0], 0.5, [1.0, 2.0]), "previous"),
        (deemphasis, (2.0, 0.5), "y"),
        (deemphasis, ([1.0], np.nan), "mu"),
    ]
    for function, arguments, name in cases:
        with pytest.raises(ValueError, match=rf"^`{name}` [^\n]*$"):
            function(*arguments)
