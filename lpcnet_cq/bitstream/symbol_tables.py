"""Frequency tables as the range decoder of vectors uses them: lists of Python integers, and the slots of zero.

Place in the chain: between the tables of the entropy model and `vector_reader`.
"""

from collections.abc import Callable

import numpy as np

from lpcnet_cq.bitstream.frequency_tables import ESCAPE, HALF_WIDTH, MEAN_BITS, N_SCALES, TOTAL
from lpcnet_cq.bitstream.vector_sums import FIRST_FLOOR

N_MEANS = (1 - 2 * FIRST_FLOOR) << MEAN_BITS  # rounded means whose floors are FIRST_FLOOR..-FIRST_FLOOR
MOST_KEPT = 256
FRACTION_MASK = (1 << MEAN_BITS) - 1

Slots = list[tuple[int, int]]  # begin and frequency of a symbol, by rounded means above FIRST_FLOOR


class SymbolTables:
    """Hold the frequency tables in the form in which `VectorReader` uses them; each scale is made at its first use.

    Parameters
    ----------
    cumulative : int array (scales, fractions, symbols + 1)
        Cumulative frequencies, see `frequency_tables`.

    Attributes
    ----------
    rows : mapping
        Cumulative frequencies by scale, then by fraction.
    middles : mapping
        `Slots` by scale: of zero among -1, 0 and 1.
    zeros : dict
        `Slots` of the symbol of zero by scale, only of those that `add_zeros` has added: a plain dict is the fastest
        mapping.
    """

    def __init__(self, cumulative: np.ndarray):
        self.rows = ByScale(lambda scale: cumulative[scale].tolist())
        self.middles = ByScale(lambda scale: middle_slots(cumulative[scale]))
        self.zeros: dict[int, Slots] = {}
        self._slots = ByScale(lambda scale: zero_slots(cumulative[scale]))

    def add_zeros(self, scale: int) -> bool:
        """Add the slots of zero of a scale; return False if they are there, or the scale is not kept."""
        if scale in self.zeros or abs(scale) > MOST_KEPT:
            return False
        self.zeros[scale] = self._slots[scale]
        return True


class ByScale(dict):
    """Compute a value for each scale when it is first asked for; other integers are clipped to the scales.

    Most scales of silent latents are slightly below zero: integers up to `MOST_KEPT` are kept, too. Others are not, so
    that packets with any integers need no more memory.
    """

    def __init__(self, make: Callable[[int], list]):
        super().__init__()
        self._make = make

    def __missing__(self, scale: int) -> list:
        """Return the value of a scale for the first time."""
        if 0 <= scale < N_SCALES:
            return self.setdefault(scale, self._make(scale))
        value = self[min(max(scale, 0), N_SCALES - 1)]
        return self.setdefault(scale, value) if abs(scale) <= MOST_KEPT else value


def zero_slots(cumulative: np.ndarray) -> Slots:
    """Return the slots of the symbol of zero, given the tables of a scale, (fractions, symbols + 1).

    Means below the first one are found from the end of the list.
    """
    floor, fraction = _means()
    begin = cumulative[fraction, HALF_WIDTH - floor]
    slots = _in_list(begin, cumulative[fraction, HALF_WIDTH - floor + 1] - begin)
    return slots + len(slots) * [(0, 0)]


def middle_slots(cumulative: np.ndarray) -> Slots:
    """Return the slots of zero among -1, 0 and 1: the symbol of an enhancement layer where the coarser one has zero."""
    floor, fraction = _means()
    symbol = HALF_WIDTH - floor[:, None] + np.arange(-1, 2)
    at = symbol.clip(0, ESCAPE - 1)
    f = cumulative[fraction[:, None], at + 1] - cumulative[fraction[:, None], at]
    f = np.where(symbol == at, f, 1)
    f = 1 + f * (TOTAL - 3) // f.sum(axis=-1, keepdims=True)
    return _in_list(f[:, 0], TOTAL - f[:, 0] - f[:, 2])


def _means() -> tuple[np.ndarray, np.ndarray]:
    """Return floors and fractions of all rounded means whose tables contain zero."""
    rounded = np.arange(-HALF_WIDTH << MEAN_BITS, (HALF_WIDTH + 1) << MEAN_BITS)
    return rounded >> MEAN_BITS, rounded & FRACTION_MASK


def _in_list(begin: np.ndarray, frequency: np.ndarray) -> Slots:
    """Return pairs of Python integers, with frequency 0 for means beyond the tables."""
    beyond = [(0, 0)] * (1 << MEAN_BITS)
    return [*beyond, *zip(begin.tolist(), frequency.tolist(), strict=True), *beyond]
