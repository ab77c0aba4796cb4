"""What is said of a recording: tones and noise whose description is known."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import worst

FS = worst.RATE_HZ
TIME = np.arange(2 * FS) / FS
BANDS = len(worst.OFF)


def buzz(f0_hz):
    """Return harmonics for half of every second, and a floor 40 dB below them."""
    x = sum(np.sin(2 * np.pi * k * f0_hz * TIME) / k for k in range(1, 12)) * (TIME % 1 < 0.5)
    floor = np.random.default_rng(0).standard_normal(len(x)) * 0.01 * np.std(x)
    return 0.1 * (x + floor)


def test_level_pitch_and_background():
    x = buzz(125.0)
    level, background, pitch_hz, high, *off = worst.describe(x, x)
    assert level == pytest.approx(10 * np.log10(np.mean(x**2)))
    assert pitch_hz == pytest.approx(125.0, rel=0.01)
    assert 38 < background < 48
    assert high < -30
    assert off == pytest.approx([0] * BANDS)


@pytest.mark.parametrize("gain_db", [-6.0, 3.0])
def test_a_louder_or_softer_copy_is_off_by_its_gain_everywhere(gain_db):
    x = np.random.default_rng(1).standard_normal(FS)
    assert worst.describe(x, x * 10 ** (gain_db / 20))[-BANDS:] == pytest.approx([abs(gain_db)] * BANDS, abs=1e-3)


def test_table_has_a_row_per_recording():
    text = worst.table("9 kbps", [("median of all", [-20.0, 40.0, 125.0, -20.0, *[1.0] * BANDS])])
    assert text.splitlines()[2].startswith("| median of all | -20 | 40 | 125 | -20 | 1.0 ")
