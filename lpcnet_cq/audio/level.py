"""Level normalisation: signals far from the level of the training data are scaled before coding, and back afterwards.

Place in the chain: around the signal model of speech. The encoder multiplies the samples by 2^-L and the decoder its
output by 2^L, so that quality and rate do not depend on the level. L is a whole number, 0 for most speech. It belongs
to the context: it can change only at context resets (`bitstream.level` writes it), and then changes gradually over most
of a packet. The active level is a peak of the short-term power: of a segment of a file its largest one, of a live
signal one that falls slowly. Delay: none.

Letters: N samples, H samples of a packet, L level.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lpcnet_cq.bitstream.level import MAX_LEVEL, MIN_LEVEL

LEVEL_DB = 20 * np.log10(2)  # of one step of L
SMOOTHING_S = 0.1  # time constant of the short-term power
FALL_DB = 5.0  # per second: fall of the active level
NOMINAL_DB = -23.0  # active level that is aimed at; speech at -26 dB RMS, full scale 0 dB, has about -20 dB
RANGE_DB = (-33.0, -12.0)  # active levels that are coded without a change of L
SILENCE_DB = -85.0  # signals below do not change L
LEAST_LIVE = -1  # of live signals: from lower levels, an onset would be far too loud for the codec, and click


class LevelState(NamedTuple):
    """Hold the mean squares of the last sample: short-term power and active level."""

    power: float
    active: float


def start_level() -> LevelState:
    """Return the state before the first sample: the nominal level, so that live signals begin with L = 0."""
    return LevelState(0.0, 10 ** (NOMINAL_DB / 10))


def peak_level(x: np.ndarray, sample_rate_hz: int) -> float:
    """Return the largest short-term power of samples x (N,) or (N, channels), N >= 1: the active level of a segment.

    Examples
    --------
    >>> round(peak_level(np.repeat([0.0, 0.5, 0.0], 16000), 16000), 4)
    0.25
    """
    return float(_short_term_power(0.0, x, sample_rate_hz).max())


def _short_term_power(before: float, x: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    squares = np.square(x, dtype=np.float64)
    squares = squares.mean(axis=1) if squares.ndim > 1 else squares
    return smoothed(before, squares, 1 / (SMOOTHING_S * sample_rate_hz))


def track_level(state: LevelState, x: np.ndarray, sample_rate_hz: int) -> LevelState:
    """Return the state after samples x (N,) or (N, channels)."""
    if not len(x):
        return state
    power = _short_term_power(state.power, x, sample_rate_hz)
    fall = _fall(len(x), sample_rate_hz)
    active = max(state.active * fall[0], float((power * fall[1:]).max()))
    return LevelState(float(power[-1]), active)


@lru_cache(maxsize=8)
def _fall(n: int, sample_rate_hz: int) -> np.ndarray:
    """Return by how much the active level falls from each of the last n samples to the end, (n + 1,)."""
    return 10 ** (-FALL_DB / 10 * np.arange(n, -1, -1) / sample_rate_hz)


def smoothed(before: float, x: np.ndarray, b: float) -> np.ndarray:
    """Return y[n] = b x[n] + (1 - b) y[n-1] for x (N,), N >= 1, where y[-1] is `before`.

    Blocks are sums with weights that grow by less than three within a block. SciPy has this filter, but takes longer to
    import than ten seconds of speech to code.

    Examples
    --------
    >>> smoothed(1.0, np.array([0.0, 2.0]), 0.5).tolist()
    [0.5, 1.25]
    """
    decay = _decay(b)[: len(x)]
    rows = np.zeros((-(-len(x) // len(decay)), len(decay)))
    rows.reshape(-1)[: len(x)] = x
    y = np.cumsum(rows / decay, axis=1)
    y *= b * decay
    for row in y:
        row += before * decay
        before = row[-1]
    return y.reshape(-1)[: len(x)]


@lru_cache(maxsize=8)
def _decay(b: float) -> np.ndarray:
    """Return the weights of `smoothed` over a block, which decrease to a third."""
    return (1 - b) ** np.arange(1, max(1, int(-1 / np.log1p(-b))) + 1)


def choose_level(active: float, before: int, least: int = MIN_LEVEL) -> int:
    """Return L, at least `least`, for an active level (mean square, full scale 1).

    It stays as before where that is good enough.

    Examples
    --------
    >>> choose_level(10 ** -2.6, 0), choose_level(10 ** -0.4, 0), choose_level(10 ** -5.0, 0)
    (0, 3, -4)
    """
    active_db = 10 * np.log10(active + 1e-20)
    if active_db < SILENCE_DB or RANGE_DB[0] <= active_db - before * LEVEL_DB <= RANGE_DB[1]:
        return before
    if RANGE_DB[0] <= active_db <= RANGE_DB[1]:
        return 0
    return int(np.clip(np.rint((active_db - NOMINAL_DB) / LEVEL_DB), least, MAX_LEVEL))


def level_exponents(levels: np.ndarray, hop: int, delay: int, lag: int = 0) -> np.ndarray:
    """Return the exponents of 2 with which samples are scaled, (T*H,).

    In a packet with a new L, the exponent changes linearly over the first `hop - delay` samples.

    Parameters
    ----------
    levels : int array (1 + T,)
        L of the packet before and of T packets.
    hop, delay : int
        Samples of a packet, and delay of the decoder.
    lag : int
        Samples by which the signal lags the packets: 0 before coding, `delay` behind the decoder.
    """
    ramp = np.clip((np.arange(hop) - lag + 1) / (hop - delay), 0, 1)
    levels = np.asarray(levels, np.float64)
    return (levels[:-1, None] + np.diff(levels)[:, None] * ramp).reshape(-1)


def restore(y: np.ndarray, levels: Sequence[int], hop: int, delay: int) -> np.ndarray:
    """Return decoded packets y (T*H,) at the level of the original; see `level_exponents` for `levels` (1 + T,)."""
    return scale(y, level_exponents(np.array(levels), hop, delay, delay)) if any(levels) else y


def scale(x: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """Return samples x (N,) or (N, channels), each multiplied by two to the power of its exponent (N,)."""
    if not exponents.any():
        return x
    factors = np.exp2(exponents).astype(np.float32)
    return x * (factors[:, None] if x.ndim > 1 else factors)
