"""Running sums of a vector that is being decoded: the context within a vector, for the packet reader.

Place in the chain: between the entropy model, which computes the sums of means and scales from other vectors, and
`vector_reader`. Most integers are zero, and a zero changes no sum. Therefore the sums of all integers up to the next
one that is not zero are known at once, and change behind an integer that is not zero only.

Letters: n integers of the vector, H hidden width.
"""

from typing import Protocol

import numpy as np

from lpcnet_cq.bitstream.fixed_point import SUM_BITS, activate_floats
from lpcnet_cq.bitstream.frequency_tables import HALF_WIDTH, MEAN_BITS

WINDOW = 16  # integers whose sums are returned at once; more would mostly be returned again behind the next change
SIDE_WINDOW = 3  # of side integers, of which few are zero and whose sums cost more
FIRST_FLOOR = -HALF_WIDTH - 1  # floor of a mean whose table does not contain zero; it is subtracted from all means
MEAN_SHIFT = SUM_BITS - MEAN_BITS
SHIFTS = np.array([[MEAN_SHIFT], [SUM_BITS]])  # of sums of means and scales, to rounded ones
ROUNDING = np.array([[(1 << MEAN_SHIFT - 1) - (FIRST_FLOOR << SUM_BITS)], [1 << SUM_BITS - 1]])


class VectorSums(Protocol):
    """Hold the sums of means and scales of one vector, as far as its decoded integers determine them.

    Sums in arrays include `ROUNDING`, so that a shift gives rounded means above `FIRST_FLOOR`, and rounded scales.
    """

    def ahead(self, k: int) -> list[list[int]]:
        """Return rounded means and scales of the integers k, k + 1 and so on, if all of them are zero: two lists.

        Means are in units of 1/16 above `FIRST_FLOOR`. At least one integer is ahead, and none beyond the vector.
        """
        ...

    def put(self, k: int, value: int) -> None:
        """Take the value of integer k; zeros need not be put."""
        ...


class Terms:
    """What each value of each integer of a vector adds to the integers behind it, computed at the first use.

    Parameters
    ----------
    mean, scale : int64 arrays (n, n)
        Triangular terms per unit of the value and of its magnitude, as in `integer_model.Triangle`.
    clip : int
        Largest magnitude that has an effect.
    """

    def __init__(self, mean: np.ndarray, scale: np.ndarray, clip: int):
        self._mean, self._scale, self._clip = mean, scale, clip
        self._sums: dict[tuple[int, int], np.ndarray] = {}

    def sums(self, k: int, value: int) -> np.ndarray:
        """Return the terms of means and scales, int64 (2, n)."""
        c = self.clipped(value)
        found = self._sums.get((k, c))
        if found is None:
            found = self._sums[k, c] = np.array((c * self._mean[k], abs(c) * self._scale[k]))
        return found

    def clipped(self, value: int) -> int:
        """Return a value within -clip..clip."""
        return -self._clip if value < -self._clip else self._clip if value > self._clip else value


class TriangleSums:
    """Sums with triangular terms.

    Parameters
    ----------
    sums : int64 array (2, n)
        Means and scales from other vectors, without rounding; changed in place.
    terms : Terms
    """

    def __init__(self, sums: np.ndarray, terms: Terms):
        sums += ROUNDING
        self._sums, self._terms = sums, terms

    def ahead(self, k: int) -> list[list[int]]:
        """Return rounded means and scales of the integers from k on, see `VectorSums`."""
        return (self._sums[:, k : k + WINDOW] >> SHIFTS).tolist()

    def put(self, k: int, value: int) -> None:
        """Take the value of integer k."""
        self._sums += self._terms.sums(k, value)


def windows_of_weights(weights: np.ndarray) -> list[np.ndarray]:
    """Return the columns (H, 2 w) of weights (H, 2 n) for the `SIDE_WINDOW` integers from each one on."""
    both = weights.reshape(len(weights), 2, -1)
    parts = (both[:, :, k : k + SIDE_WINDOW] for k in range(both.shape[2]))
    return [np.ascontiguousarray(part.reshape(len(weights), -1)) for part in parts]


class HiddenSums:
    """Sums with triangular terms and a hidden layer to which every integer adds, as in `side_context.SideNetwork`.

    Parameters
    ----------
    sums : int64 array (2, n)
        As for `TriangleSums`, without those from the hidden layer.
    terms : Terms
    hidden : float64 array (H,)
        Sums of the hidden layer from other vectors, as for `activate_floats`; changed in place.
    within : float64 array (n, H)
        Terms of the hidden layer per unit of an integer.
    weights : list of n float64 arrays (H, 2 w)
        From the hidden layer to means and scales of the next w integers: of `windows_of_weights`.
    """

    def __init__(
        self, sums: np.ndarray, terms: Terms, hidden: np.ndarray, within: np.ndarray, weights: list[np.ndarray]
    ):
        sums += ROUNDING
        self._sums, self._terms = sums, terms
        self._hidden, self._within, self._weights = hidden, within, weights

    def ahead(self, k: int) -> list[list[int]]:
        """Return rounded means and scales of the integers from k on, see `VectorSums`."""
        out = (activate_floats(self._hidden) @ self._weights[k]).astype(np.int64).reshape(2, -1)
        out += self._sums[:, k : k + SIDE_WINDOW]
        out >>= SHIFTS
        return out.tolist()

    def put(self, k: int, value: int) -> None:
        """Take the value of integer k."""
        self._sums += self._terms.sums(k, value)
        self._hidden += self._terms.clipped(value) * self._within[k]
