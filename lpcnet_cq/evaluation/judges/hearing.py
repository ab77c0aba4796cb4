"""HASPI and HASQI: intelligibility and quality by a model of the cochlea, here with normal hearing.

Place in the chain: none; judges of the benchmark.
"""

import importlib
from collections.abc import Callable

import numpy as np

AUDIOGRAM_HZ = (250, 500, 1000, 2000, 4000, 6000)
EXCERPT_S = 3.0  # from the middle: the indices were fitted to sentences of this length, and take their time
LEVEL_DB = 65.0  # SPL at which the original is heard


def haspi(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Return HASPI version 2 of y (n,) with the original x (n,), 0 to 1: the share of words understood.

    References
    ----------
    J. Kates and K. Arehart, "The hearing-aid speech perception index (HASPI) version 2", Speech Communication 131
    (2021).
    """
    return _index(importlib.import_module("clarity.evaluator.haspi").haspi_v2, x, y, sample_rate_hz)


def hasqi(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Return HASQI version 2 of y (n,) with the original x (n,), 0 to 1.

    References
    ----------
    J. Kates and K. Arehart, "The hearing-aid speech quality index (HASQI) version 2", J. Audio Eng. Soc. 62 (2014).
    """
    return _index(importlib.import_module("clarity.evaluator.hasqi").hasqi_v2, x, y, sample_rate_hz)


def _index(index: Callable, x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Return an index of excerpts, at the level at which the original has `LEVEL_DB`."""
    n = min(len(x), round(EXCERPT_S * sample_rate_hz))
    begin = (len(x) - n) // 2
    x, y = x[begin : begin + n], y[begin : begin + n]
    gain = 1 / max(np.sqrt(np.mean(x**2)), 1e-6)  # the package takes an RMS of 1 for the level
    audiogram = importlib.import_module("clarity.utils.audiogram").Audiogram
    normal = audiogram(levels=np.zeros(len(AUDIOGRAM_HZ)), frequencies=np.array(AUDIOGRAM_HZ))
    return float(index(gain * x, sample_rate_hz, gain * y, sample_rate_hz, normal, level1=LEVEL_DB)[0])
