from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import firwin, freqz, lfilter

from dsp.band_levels import band_level_differences_db, band_levels_db

RATE_HZ = 16000
EDGES_HZ = (100, 1000, 2000, 4000, 7000)
MIDDLES_HZ = np.array([500.0, 1500.0, 3000.0, 5500.0])


def noise(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def tones(amplitudes, n=16000):
    return amplitudes @ np.sin(2 * np.pi * MIDDLES_HZ[:, None] * np.arange(n) / RATE_HZ)


amplitudes = st.lists(st.floats(0.03, 1.0), min_size=4, max_size=4).map(np.array)


@given(amplitudes)
def test_level_of_a_sine_is_that_of_its_mean_square(a):
    np.testing.assert_allclose(band_levels_db(tones(a), RATE_HZ, EDGES_HZ), 10 * np.log10(a**2 / 2), atol=0.05)


@given(amplitudes, amplitudes)
def test_differences_are_the_gains_of_the_bands(a, gains):
    found = band_level_differences_db(tones(a), tones(a * gains), RATE_HZ, EDGES_HZ)
    np.testing.assert_allclose(found, 20 * np.log10(gains), atol=0.1)


def test_bands_together_have_the_power_of_the_signal():
    x = 0.1 * noise(0, 160000)
    whole = 10 ** (band_levels_db(x, RATE_HZ, [0, 300, 1000, 3400, 8000]) / 10)
    assert 10 * np.log10(whole.sum()) == pytest.approx(-20, abs=0.1)
    np.testing.assert_allclose(whole / whole.sum(), np.diff([0, 300, 1000, 3400, 8000]) / 8000, rtol=0.05)


def test_a_filter_changes_levels_by_its_mean_power_response():
    h = firwin(101, 2500, fs=RATE_HZ)
    x = noise(1, 160000)
    f, response = freqz(h, worN=4096, fs=RATE_HZ)
    expected = [
        10 * np.log10(np.mean(np.abs(response[(f >= low) & (f < high)]) ** 2)) for low, high in pairwise(EDGES_HZ[:4])
    ]
    found = band_level_differences_db(x, lfilter(h, 1, x), RATE_HZ, EDGES_HZ)
    np.testing.assert_allclose(found[:3], expected, atol=0.2)


def test_silence_is_at_the_floor_and_rows_are_batches():
    x = noise(2, 2, 3, 4000)
    found = band_levels_db(x, RATE_HZ, EDGES_HZ)
    assert found.shape == (2, 3, 4)
    np.testing.assert_allclose(found[1, 2], band_levels_db(x[1, 2], RATE_HZ, EDGES_HZ))
    assert band_levels_db(0 * x, RATE_HZ, EDGES_HZ) == pytest.approx(-120)


@pytest.mark.parametrize(
    ("n", "edges_hz", "message"),
    [
        (511, EDGES_HZ, "`x` has 511 samples, .* window, 512"),
        (4000, (1000, 100), "`edges_hz` is .* ascending"),
        (4000, (1000,), "`edges_hz` is .* at least two"),
        (4000, (100, 9000), "`edges_hz` ends at 9000, .* half of the sample rate"),
        (4000, (100, 101), "band without a bin, bands must be at least 31 Hz"),
    ],
)
def test_wrong_arguments_are_named(n, edges_hz, message):
    with pytest.raises(ValueError, match=message):
        band_levels_db(np.zeros(n), RATE_HZ, edges_hz)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"`y` has shape \(801,\)"):
        band_level_differences_db(np.zeros(800), np.zeros(801), RATE_HZ, EDGES_HZ)
