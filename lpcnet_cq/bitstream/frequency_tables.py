"""Frequency tables of the discretised logistic distribution, one per scale and fraction of the mean.

Place in the chain: between the entropy model, which predicts a mean and a scale, and the range coder. The mean is
rounded to 1/16, the scale to 1/8 octave; the pair selects one of 64 x 16 tables. Every table sums to 2^16.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.bitstream.fixed_point import SUM_BITS, Array, clip

MEAN_BITS = 4  # means are rounded to 1/16
N_SCALES = 64
SCALES_PER_OCTAVE = 8
LOG2_SCALE_MIN = -4.0
HALF_WIDTH = 40  # tables contain distances up to this value; other integers are coded as escapes
ESCAPE = 2 * HALF_WIDTH + 1  # symbol of an integer outside its table
TOTAL = 1 << 16
TABLES_SHAPE = (N_SCALES, 1 << MEAN_BITS, ESCAPE + 2)
SCALES = np.array(0.0), np.array(N_SCALES - 1.0)  # first and last; `clip` is fastest with limits that are arrays
SHIFT, FRACTION = np.array(MEAN_BITS, np.int32), np.array((1 << MEAN_BITS) - 1, np.int32)  # arrays, as above
PER_LOG_GAIN = SCALES_PER_OCTAVE / np.log(2)


class Expected(NamedTuple):
    """Hold what is predicted for integers, arrays of one shape.

    Attributes
    ----------
    table : int array
        Index of the frequency table among all tables: scale index * 16 + fraction of the mean in sixteenths.
    floor : int array
        Integer part of the mean.
    """

    table: np.ndarray
    floor: np.ndarray

    def sixteenths(self) -> np.ndarray:
        """Return the rounded means in sixteenths."""
        return (self.floor << MEAN_BITS) + (self.table & (1 << MEAN_BITS) - 1)


def logistic_table(scale: float, fraction: float) -> np.ndarray:
    """Return cumulative frequencies of n - floor(mean), shape (2 * HALF_WIDTH + 3,); the last symbol is the escape.

    Parameters
    ----------
    scale : float
        Logistic scale s.
    fraction : float
        mean - floor(mean), 0..1.
    """
    edges = np.arange(-HALF_WIDTH, HALF_WIDTH + 2) - 0.5
    cdf = 0.5 * (1 + np.tanh(0.5 * (edges - fraction) / scale))
    p = np.append(np.diff(cdf), cdf[0] + 1 - cdf[-1])
    n_symbols = len(p)
    frequency = 1 + np.floor(p * (TOTAL - n_symbols)).astype(np.int64)
    frequency[np.argmax(frequency)] += TOTAL - frequency.sum()
    return np.concatenate([[0], np.cumsum(frequency)])


def frequency_tables() -> np.ndarray:
    """Return all cumulative tables, int32, shape (N_SCALES, 16, 2 * HALF_WIDTH + 3)."""
    scales = 2.0 ** (LOG2_SCALE_MIN + np.arange(N_SCALES) / SCALES_PER_OCTAVE)
    fractions = np.arange(1 << MEAN_BITS) / (1 << MEAN_BITS)
    return np.array([[logistic_table(s, f) for f in fractions] for s in scales], np.int32)


def locate(mean: Array, scale: Array) -> tuple[Array, Array, Array]:
    """Return scale index and fraction index of the table, and the integer part of the mean, from sums."""
    m = (mean + (1 << (SUM_BITS - MEAN_BITS - 1))) >> (SUM_BITS - MEAN_BITS)
    s = clip((scale + (1 << (SUM_BITS - 1))) >> SUM_BITS, 0, N_SCALES - 1)
    return s, m & ((1 << MEAN_BITS) - 1), m >> MEAN_BITS


def expected(mean: np.ndarray, scale: np.ndarray) -> Expected:
    """Return what `locate` returns, from sums.

    Examples
    --------
    >>> expected(np.array([5 << SUM_BITS - 1]), np.array([3 << SUM_BITS]))
    Expected(table=array([56]), floor=array([2]))
    """
    s, fraction, floor = locate(mean, scale)
    return Expected((s << MEAN_BITS) + fraction, floor)


def expected_of_rounded(mean: np.ndarray, scale: np.ndarray) -> Expected:
    """Return what is predicted, as int32, from rounded means in sixteenths and rounded scales, stored as floats."""
    sixteenths = mean.astype(np.int32)
    table = scale.clip(*SCALES).astype(np.int32)
    table <<= SHIFT
    table += sixteenths & FRACTION
    sixteenths >>= SHIFT
    return Expected(table, sixteenths)
