"""Signals that are no speech: their kinds, levels and frequencies."""

import numpy as np
import pytest

from lpcnet_cq.training import tones
from lpcnet_cq.training.tones import DTMF_HZ, FLOOR_DBOV, KINDS, LEVELS_DBOV, draw_tones

RATE_HZ = 16000


def test_signals_depend_on_the_generator_only():
    first, again = (draw_tones(np.random.default_rng(3), 4000, RATE_HZ) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_levels_are_in_their_range(kind, monkeypatch):
    monkeypatch.setattr(tones, "KINDS", {kind: 1.0})
    for seed in range(20):
        x = draw_tones(np.random.default_rng(seed), 8000, RATE_HZ)
        level_dbov = 10 * np.log10(np.mean(x**2))
        assert LEVELS_DBOV[0] - 12 < level_dbov < LEVELS_DBOV[1] + 1, "bursts are lower on average"
        assert np.abs(x).max() <= 1


def test_digits_have_the_frequencies_of_the_standard(monkeypatch):
    monkeypatch.setattr(tones, "KINDS", {"dtmf": 1.0})
    monkeypatch.setattr(tones, "_bursts", lambda *args: 1.0)
    for seed in range(10):
        x = draw_tones(np.random.default_rng(seed), RATE_HZ, RATE_HZ)
        power = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2  # bins of 1 Hz
        peaks = sorted(np.argsort([power[int(f) - 2 : int(f) + 3].sum() for f in sum(DTMF_HZ, ())])[-2:])
        assert peaks[0] < 4 <= peaks[1], "one of the low and one of the high group"
        both = sum(power[int(f) - 4 : int(f) + 5].sum() for f in np.array(sum(DTMF_HZ, ()))[peaks])
        assert both > 0.99 * power.sum() * (1 - 10 ** ((FLOOR_DBOV[1] - LEVELS_DBOV[0]) / 10))
