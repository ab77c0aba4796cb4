import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import toeplitz
from scipy.signal import ShortTimeFFT, freqz, lfilter

from dsp.metrics import (
    itakura_saito,
    log_likelihood_ratio,
    log_spectral_distance_db,
    segmental_snr_db,
    si_sdr_db,
    snr_db,
)


def from_reflection(k):
    a = np.ones(1)
    for k_m in k:
        a = np.append(a, 0)
        a = a + k_m * a[::-1]
    return a


stable = st.lists(st.floats(-0.8, 0.8), min_size=1, max_size=10).map(from_reflection)


def noise(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


@given(st.floats(-60, 100), st.integers(0, 2**32 - 1))
def test_snr_of_scaled_noise(level_db, seed):
    x, n = noise(seed, 2, 400)
    n *= np.linalg.norm(x) / np.linalg.norm(n) * 10 ** (-level_db / 20)
    np.testing.assert_allclose(snr_db(x, x + n), level_db, atol=1e-6)
    np.testing.assert_allclose(segmental_snr_db(x, x + n, 400, -np.inf, np.inf), level_db, atol=1e-6)


def test_limits_of_snr():
    x = np.ones(4)
    assert snr_db(x, x) == np.inf and snr_db(0 * x, x) == -np.inf and snr_db(0 * x, 0 * x) == np.inf
    assert si_sdr_db(x, 3 * x) == np.inf and si_sdr_db(0 * x, x) == -np.inf
    assert si_sdr_db(x, [1, -1, 1, -1]) == -np.inf and np.isnan(si_sdr_db(0 * x, 0 * x))


def test_segmental_snr_by_hand():
    x = noise(0, 3, 50)
    y = x + noise(1, 3, 50) * np.repeat([0.01, 1.0, 20.0, 0.1, 5.0], 10)
    x[:, 20:30] = 0
    expected = [
        np.mean([np.clip(snr_db(r[i : i + 10], s[i : i + 10]), -10, 35) for i in (0, 10, 30, 40)])
        for r, s in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(segmental_snr_db(x, y, 10), expected, rtol=1e-12)
    np.testing.assert_allclose(segmental_snr_db(x[:, :37], y[:, :37], 10), segmental_snr_db(x[:, :30], y[:, :30], 10))
    assert np.isnan(segmental_snr_db(0 * x, y, 10)).all()


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_si_sdr_ignores_scale_and_is_the_angle(seed, scale):
    x, n = noise(seed, 2, 300)
    y = x + 0.1 * n
    cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    np.testing.assert_allclose(si_sdr_db(x, y), 10 * np.log10(cosine**2 / (1 - cosine**2)), atol=1e-8)
    np.testing.assert_allclose(si_sdr_db(scale * x, y), si_sdr_db(x, y), atol=1e-8)
    np.testing.assert_allclose(si_sdr_db(x, scale * y), si_sdr_db(x, y), atol=1e-8)


def test_log_spectral_distance_is_scipys_stft():
    x, y = noise(2, 2, 2048)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    stft = ShortTimeFFT(hann, 128, 1.0, phase_shift=None)
    power = [np.abs(stft.stft(v, p0=1, p1=16)) ** 2 for v in (x, y)]  # whole windows only
    d = 10 * np.log10(power[0] / power[1])
    expected = np.sqrt(np.mean(d**2, 0)).mean()
    np.testing.assert_allclose(log_spectral_distance_db(x, y, 256, 128, 200), expected, rtol=1e-9)


def test_log_spectral_distance_stops_at_the_floor():
    x = np.sin(0.3 * np.arange(2048))
    assert log_spectral_distance_db(x, x + 1e-8 * noise(3, 2048), range_db=60) < 1e-3
    assert log_spectral_distance_db(0 * x, 0 * x) == 0
    assert log_spectral_distance_db(x, 0 * x, range_db=60) < 60


@given(stable, stable, st.floats(0.1, 10), st.floats(0.1, 10))
def test_itakura_saito_is_its_integral(a, b, g, h):
    w = 2 * np.pi * np.arange(1 << 15) / (1 << 15)  # so dense that the sum is exact for poles up to 0.9995
    ratio = np.abs(g / h * freqz(b, a, worN=w)[1]) ** 2
    expected = np.mean(ratio - np.log(ratio) - 1)
    np.testing.assert_allclose(itakura_saito(a, b, g, h), expected, rtol=1e-5, atol=1e-9)


@given(stable, stable)
def test_distances_are_zero_for_the_same_and_positive_otherwise(a, b):
    for distance in (itakura_saito, log_likelihood_ratio):
        assert abs(distance(a, a)) < 1e-9
        assert abs(distance(a, np.append(a, [0, 0]))) < 1e-9
        assert distance(a, b) >= 0


def test_log_likelihood_ratio_by_matrices():
    a, b = from_reflection([-0.9, 0.6, -0.3]), from_reflection([-0.7, 0.5, 0.2, 0.1])
    h = lfilter([1], a, np.eye(1, 3000)[0])
    R = toeplitz([h[: 3000 - m] @ h[m:] for m in range(5)])
    longer = np.append(a, 0)
    expected = np.log((b @ R @ b) / (longer @ R @ longer))
    np.testing.assert_allclose(log_likelihood_ratio(a, b), expected, rtol=1e-10)
    np.testing.assert_allclose(log_likelihood_ratio([a, a], [b, np.append(a, 0)]), [expected, 0], atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precisions_layouts_and_batches(dtype):
    x, y = noise(4, 2, 3, 1200).astype(dtype)
    x, y = np.asfortranarray(x)[:, ::2], np.asfortranarray(y)[:, ::2]
    x.flags.writeable = y.flags.writeable = False
    for metric in (snr_db, si_sdr_db, log_spectral_distance_db, lambda x, y: segmental_snr_db(x, y, 100)):
        found = metric(x, y)
        assert found.shape == (3,) and found.dtype == np.float64
        np.testing.assert_allclose(found, [metric(r, s) for r, s in zip(x, y, strict=True)], rtol=1e-12)


X = np.zeros(10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: snr_db(X, X[:-1]), "`y` has shape"),
        (lambda: snr_db(X * np.nan, X), "`x` holds NaN"),
        (lambda: si_sdr_db(X, 1j * X), "`y` is of type"),
        (lambda: snr_db(1.0, 1.0), "`x` has shape"),
        (lambda: segmental_snr_db(X, X, 11), "`segment` is 11"),
        (lambda: segmental_snr_db(X, X, 5, 10, 0), "`low_db` is 10"),
        (lambda: segmental_snr_db(X, X, 5, np.nan), "`low_db` is nan"),
        (lambda: segmental_snr_db(X, X, 5, "a"), "^`low_db` is 'a', it must be a number$"),
        (lambda: segmental_snr_db(X, X, 5, 0, None), "^`high_db` is None, it must be a number$"),
        (lambda: log_spectral_distance_db(X, X), "`x` has 10 samples"),
        (lambda: log_spectral_distance_db(X, X, 8, 0), "`hop` is 0"),
        (lambda: log_spectral_distance_db(X, X, 8, 4, -1), "`range_db` is -1"),
        (lambda: itakura_saito([1.0, 0.5], [1.0, 0.5], 0.0), "`gain_a`"),
        (lambda: itakura_saito([1.0, 0.5], [1.0, 0.5], 1.0, np.nan), "`gain_b`"),
        (lambda: itakura_saito([1.0, 1.5], [1.0, 0.5]), "`a` has roots"),
        (lambda: log_likelihood_ratio([1.0, 0.5], [0.5]), "`b` has a first"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
