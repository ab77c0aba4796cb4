"""The curves of `experiments/plots.py`: bits that are saved at equal quality."""

import doctest
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

pytest.importorskip("matplotlib", reason="the curves need it")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import plots


def test_examples():
    assert doctest.testmod(plots).failed == 0


slopes = st.floats(0.3, 3.0)
offsets = st.floats(-1.0, 1.0)
rates = st.lists(st.floats(6.0, 30.0), min_size=3, max_size=6, unique_by=lambda r: round(r, 1))


def line(kbps, slope, offset):
    """Quality that is a straight line over log(rate), which every interpolation gives back."""
    r = np.sort(kbps)
    return r, slope * np.log(r) + offset


@given(rates, slopes, offsets, st.floats(0.5, 0.99))
def test_same_curve_at_a_share_of_the_bits_saves_the_rest(kbps, slope, offset, share):
    r, q = line(kbps, slope, offset)
    q[1:-1] += 0.02 * slope * np.sin(np.arange(len(q) - 2))  # no straight line either
    r, q = plots.curve(r, q)
    sign, saved = plots.saving((share * r, q), (r, q))
    assert sign == "="
    assert saved == pytest.approx(1 - share, abs=1e-9)


@given(rates, rates, slopes, slopes, offsets, offsets)
def test_saving_is_the_mean_of_log_rates_over_common_qualities(ra, rb, slope_a, slope_b, offset_a, offset_b):
    a, b = line(ra, slope_a, offset_a), line(rb, slope_b, offset_b)
    low, high = max(a[1][0], b[1][0]), min(a[1][-1], b[1][-1])
    assume(low < high - 1e-6)
    sign, saved = plots.saving(a, b)
    middle = (low + high) / 2  # the mean of a line is its value there
    ratio = np.exp((middle - offset_a) / slope_a - (middle - offset_b) / slope_b)
    assert sign == "="
    assert saved == pytest.approx(1 - ratio, rel=1e-6, abs=1e-6)
    assert (1 - saved) * (1 - plots.saving(b, a)[1]) == pytest.approx(1.0)


@given(rates, rates, slopes, slopes, st.floats(0.01, 2))
def test_saving_without_common_qualities_says_which_curve_is_better(ra, rb, slope_a, slope_b, gap):
    worse, (r, q) = line(ra, slope_a, 0.0), line(rb, slope_b, 0.0)
    better = r, q - q[0] + worse[1][-1] + gap
    assert plots.saving(better, worse)[0] == ">"
    assert plots.saving(worse, better)[0] == "<"


def test_bounds_where_no_quality_is_common():
    better, worse = plots.curve([9, 12], [4.0, 4.2]), plots.curve([16, 24], [3.0, 3.9])
    assert plots.saving(better, worse) == (">", pytest.approx(1 - 9 / 24))
    assert plots.saving(worse, better) == ("<", pytest.approx(1 - 24 / 9))


def test_a_single_point_is_compared_where_the_other_curve_has_its_quality():
    lone, other = plots.curve([9.2], [3.0]), plots.curve([8, 16], [2.5, 3.5])
    rate_there = np.sqrt(8 * 16)  # half way, in the logarithm
    assert plots.saving(lone, other) == ("=", pytest.approx(1 - 9.2 / rate_there))


@given(st.lists(st.tuples(st.floats(6, 30), st.floats(1, 5)), min_size=1, max_size=8, unique_by=lambda p: p[0]))
def test_curve_rises_and_keeps_every_point_that_no_cheaper_one_reaches(points):
    r, q = plots.curve(*zip(*points, strict=True))
    assert np.all(np.diff(r) > 0)
    assert np.all(np.diff(q) > 0)
    kept = set(zip(r, q, strict=True))
    for point in points:
        assert (point in kept) == all(other[1] < point[1] for other in points if other[0] < point[0])
