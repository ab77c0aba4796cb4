"""Constants and tables of the formant postfilter, which every runtime needs; they need NumPy only.

Letters: M order, Q step sizes.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lpcnet_cq.speech.analysis import PREEMPHASIS
from lpcnet_cq.speech.config import SpeechConfig

GAMMAS = 0.65, 0.75  # g1 of the strongest filter, and g2
STEPS = 3, 9  # of 17 step indices: up to the first one the filter has no effect, from the second one on its full one
SPREAD = 0.005  # share of a packet in the mean share of lost packets
LOSSES = 0.0051, 0.01  # the same as STEPS for the mean share of lost packets: a single loss has no effect
TAPS, DFT = 32, 64  # 0.75^32 is -80 dB
BLOCKS = 4  # subframes whose energy does not change
FLOOR = 1e-12  # added to energies, full scale 1


class FormantTables(NamedTuple):
    """Hold tables for a configuration, float32.

    Attributes
    ----------
    plain : array (M+2, M+1)
        Matrix that divides A(z) (1 - mu z^-1) by its second factor, the pre-emphasis.
    denominator : array (M+1,)
        g2^k.
    strength : array (Q,)
        Of the filter at each step size, 0 to 1.
    """

    plain: np.ndarray
    denominator: np.ndarray
    strength: np.ndarray


@lru_cache
def formant_tables(c: SpeechConfig) -> FormantTables:
    """Return the tables.

    Examples
    --------
    >>> formant_tables(SpeechConfig()).strength[[0, 6, 16]].tolist()
    [0.0, 0.5, 1.0]
    """
    k = np.arange(c.order + 1)
    lag = k - np.arange(c.order + 2)[:, None]
    first, last = np.array(STEPS) * (c.n_steps - 1) / 16
    strength = ((np.arange(c.n_steps) - first) / (last - first)).clip(0, 1)
    plain = np.where(lag >= 0, PREEMPHASIS ** lag.clip(0), 0.0)
    return FormantTables(*(v.astype(np.float32) for v in (plain, GAMMAS[1] ** k, strength)))
