"""Signals that are no speech: tones, signalling, square waves, pulses and sweeps, at random levels.

Place in the chain: training only, a small share of the crops, so that the decoder keeps the level of such signals.

References
----------
ITU-T Q.23 (DTMF frequencies), Q.35 (call progress tones), V.25 (2100 Hz answer tone).
"""

import numpy as np
from scipy.signal import square

LEVELS_DBOV = (-40.0, -14.0)  # RMS
FLOOR_DBOV = (-96.0, -66.0)  # noise under the signal
DTMF_HZ = (697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0, 1633.0)
PROGRESS_HZ = (350.0, 440.0), (440.0, 480.0), (480.0, 620.0), (425.0,), (1100.0,), (2100.0,), (1400.0,), (2600.0,)
RANGE_HZ = (60.0, 7400.0)
KINDS = {"tone": 0.4, "dtmf": 0.15, "progress": 0.15, "square": 0.1, "pulses": 0.1, "sweep": 0.1}  # probabilities


def draw_tones(rng: np.random.Generator, n: int, sample_rate_hz: int) -> np.ndarray:
    """Draw a signal of a random kind, continuous or in bursts, with a little noise.

    Parameters
    ----------
    rng : Generator
    n : int
        Samples.
    sample_rate_hz : int

    Returns
    -------
    float32 array (n,)
        In [-1, 1].

    Examples
    --------
    >>> x = draw_tones(np.random.default_rng(0), 16000, 16000)
    >>> x.shape, bool(np.abs(x).max() <= 1)
    ((16000,), True)
    """
    kind = rng.choice(list(KINDS), p=list(KINDS.values()))
    x = _signal(kind, rng, np.arange(n) / sample_rate_hz)
    x = x * 10 ** (rng.uniform(*LEVELS_DBOV) / 20) / np.sqrt(np.mean(x**2))
    if rng.random() < 0.4:
        x = x * _bursts(rng, n, sample_rate_hz)
    x = x + rng.standard_normal(n) * 10 ** (rng.uniform(*FLOOR_DBOV) / 20)
    return np.clip(x, -1, 1).astype(np.float32)


def _signal(kind: str, rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    """Return a signal of a kind at times t in seconds, with any level."""
    if kind == "dtmf":
        low, high = (rng.choice(group) for group in DTMF_HZ)
        return _sine(rng, low, t) + 10 ** (rng.uniform(0, 2) / 20) * _sine(rng, high, t)
    if kind == "progress":
        return sum((_sine(rng, f, t) for f in PROGRESS_HZ[rng.integers(len(PROGRESS_HZ))]), np.zeros(len(t)))
    f = float(np.exp(rng.uniform(*np.log(RANGE_HZ))) if rng.random() < 0.5 else rng.uniform(*RANGE_HZ))
    if kind == "square":
        return square(2 * np.pi * min(f, 2000.0) * t)
    if kind == "pulses":
        period = rng.integers(6, 200)
        return (np.arange(len(t)) % period == rng.integers(period)).astype(np.float64)
    if kind == "sweep":
        end = rng.uniform(*RANGE_HZ)
        return np.sin(2 * np.pi * (f * t + 0.5 * (end - f) * t**2 / t[-1]))
    return _sine(rng, f, t)


def _sine(rng: np.random.Generator, f: float, t: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * (f * t + rng.random()))


def _bursts(rng: np.random.Generator, n: int, sample_rate_hz: int) -> np.ndarray:
    """Return a gate (n,) of ones and zeros: bursts of 50 to 500 ms with pauses of the same range."""
    gate, at, on = np.zeros(n), 0, True
    while at < n:
        end = at + int(rng.uniform(0.05, 0.5) * sample_rate_hz)
        gate[at:end], at, on = on, end, not on
    return gate
