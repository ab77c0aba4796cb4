import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.modulation import modulation_distance_db, modulation_levels_db

RATE_HZ = 16000
TIME_S = np.arange(2 * RATE_HZ) / RATE_HZ
CARRIERS_HZ = (300.0, 750.0, 1500.0, 3000.0, 6000.0)  # one in the middle of each band
OCTAVES_HZ = (4.0, 8.0, 16.0, 32.0, 64.0)


def modulated(index, f_hz, carrier_hz, time_s=TIME_S):
    """Make a tone whose power is 1 + m cos(2 pi f t)."""
    return np.sqrt(1 + index * np.cos(2 * np.pi * f_hz * time_s)) * np.sin(2 * np.pi * carrier_hz * time_s)


@settings(max_examples=20)
@given(st.floats(0.05, 0.9), st.integers(0, 2), st.integers(1, 4))
def test_level_is_that_of_half_the_squared_index(index, octave, band):
    found = modulation_levels_db(modulated(index, OCTAVES_HZ[octave], CARRIERS_HZ[band]), RATE_HZ)
    assert found.shape == (5, 5)
    assert found[band, octave] == pytest.approx(10 * np.log10(index**2 / 2), abs=0.4)
    assert np.delete(found[band], octave).max() < found[band, octave] - 15


def test_faster_modulations_lose_what_the_window_smooths():
    levels = [modulation_levels_db(modulated(0.5, f_hz, 1500), RATE_HZ)[2] for f_hz in (8, 32, 64)]
    found = [levels[0][1], levels[1][3], levels[2][4]]
    assert found[0] > found[1] > found[2] > -20


@pytest.mark.parametrize("gain", [1e-2, 3.0])
def test_gains_do_not_matter(gain):
    x = modulated(0.5, 4, 1500) + 0.1 * modulated(0.3, 8, 3000)
    assert modulation_distance_db(x, gain * x, RATE_HZ) == pytest.approx(0, abs=1e-6)


def test_distance_is_the_mean_difference_of_levels():
    x, y = (modulated(index, 8, 1500) for index in (0.2, 0.4))
    levels = [modulation_levels_db(v, RATE_HZ) for v in (x, y)]
    assert levels[1][2, 1] - levels[0][2, 1] == pytest.approx(20 * np.log10(2), abs=0.1)
    assert modulation_distance_db(x, y, RATE_HZ) == pytest.approx(np.abs(levels[1] - levels[0]).mean())
    assert modulation_distance_db(x, y, RATE_HZ) == pytest.approx(modulation_distance_db(y, x, RATE_HZ))


def test_loud_sections_decide():
    """The quiet second has another modulation, 40 dB below."""
    x = np.concatenate([modulated(0.5, 8, 1500), 0.01 * modulated(0.5, 3.9, 1500)])
    found = modulation_levels_db(x, RATE_HZ)[2]
    assert found[1] == pytest.approx(modulation_levels_db(modulated(0.5, 8, 1500), RATE_HZ)[2, 1], abs=1.5)
    assert found[1] > found[0] + 10


def test_silence_does_not_fluctuate():
    assert modulation_levels_db(np.zeros(20000), RATE_HZ).max() <= 0
    assert modulation_distance_db(np.zeros(20000), np.zeros(20000), RATE_HZ) == 0


def test_rows_are_batches_and_low_rates_have_fewer_bands():
    x = np.random.default_rng(0).normal(size=(2, 3, 20000))
    found = modulation_levels_db(x, RATE_HZ)
    assert found.shape == (2, 3, 5, 5)
    np.testing.assert_allclose(found[1, 2], modulation_levels_db(x[1, 2], RATE_HZ))
    assert modulation_levels_db(x[0, 0], 8000).shape == (4, 5)
    assert modulation_levels_db(x[0, 0], 2000).shape == (2, 5)


@pytest.mark.parametrize(
    ("n", "rate_hz", "message"),
    [
        (16000, RATE_HZ, "`x` has 16000 samples, .* section, 16128"),
        (10, RATE_HZ, "`x` has 10 samples"),
        (30000, 1000, "`sample_rate_hz` is 1000, it must be at least 2000"),
    ],
)
def test_wrong_arguments_are_named(n, rate_hz, message):
    with pytest.raises(ValueError, match=message):
        modulation_levels_db(np.zeros(n), rate_hz)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"`y` has shape \(20001,\)"):
        modulation_distance_db(np.zeros(20000), np.zeros(20001), RATE_HZ)
