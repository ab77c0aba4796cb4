"""Running sums of a vector that is being decoded: the context within a vector, for the packet reader.

Place in the chain: between the entropy model, which computes the sums of means and scales from other vectors, and
`vector_reader`. Most integers are zero, and a zero changes no sum. Therefore the sums of all integers up to the next
one that is not zero are known at once, and change only after an integer that is not zero.

Letters: n integers of the vector, H hidden width.
"""

from math import floor
from typing import Protocol

import numpy as np

from lpcnet_cq.bitstream.fixed_point import ACTIVATIONS, HALF, SUM_BITS
from lpcnet_cq.bitstream.frequency_tables import HALF_WIDTH, MEAN_BITS

WINDOW = 16  # integers whose sums are returned at once; more would mostly be returned again behind the next change
FIRST_FLOOR = -HALF_WIDTH - 1  # floor of a mean whose table does not contain zero; it is subtracted from all means
ZERO_MEAN = -FIRST_FLOOR << MEAN_BITS  # a rounded mean of zero
UNITS = np.array([[2.0 ** (MEAN_BITS - SUM_BITS)], [2.0**-SUM_BITS]])  # of sums, in sixteenths and in whole scales
OFFSETS = np.array([[ZERO_MEAN + HALF], [HALF]])
FIXED = np.array(2.0**32)  # of sums in `TriangleSums`: their integer parts are the upper halves, which need no shift
SUMS, HALVES = np.dtype("<i8"), np.dtype("<i4")  # little-endian everywhere: the upper half is the second one


class VectorSums(Protocol):
    """Hold the sums of means and scales of one vector, as far as its decoded integers determine them."""

    def ahead(self, k: int) -> list[list[int]]:
        """Return rounded means and scales of the integers k, k + 1 and so on, if all of them are zero: two lists.

        Means are in units of 1/16 above `FIRST_FLOOR`. At least one integer is ahead, and none beyond the vector.
        """
        ...

    def put(self, k: int, value: int) -> None:
        """Take the value of integer k; zeros need not be put."""
        ...


def rounded_down(sums: np.ndarray) -> np.ndarray:
    """Return numbers whose integer parts are the rounded means and scales of `VectorSums.ahead`, from sums (2, n)."""
    return sums * UNITS + OFFSETS


class Terms(dict):
    """What each value of one integer of a vector adds to its sums, (N,), by the value, computed at the first use.

    Parameters
    ----------
    row : float64 array (N,)
        Per unit of the value.
    row_of_magnitude : float64 array (N,)
        Per unit of its magnitude.
    clip : int
        Largest magnitude that has an effect; the terms of larger values are not kept.
    kind : type
        Of the terms.
    """

    def __init__(self, row: np.ndarray, row_of_magnitude: np.ndarray, clip: int, kind: type | np.dtype):
        super().__init__()
        self._row, self._of_magnitude, self._clip, self._kind = row, row_of_magnitude, clip, kind

    def __missing__(self, value: int) -> np.ndarray:
        """Return the terms of a value for the first time."""
        c = min(max(value, -self._clip), self._clip)
        if c != value:
            return self[c]
        return self.setdefault(c, (c * self._row + abs(c) * self._of_magnitude).astype(self._kind))


def terms_of(rows: np.ndarray, of_magnitude: np.ndarray, clip: int, kind: type | np.dtype) -> list[Terms]:
    """Return the terms of the integers of a vector, given their rows (n, N)."""
    return [Terms(*pair, clip, kind) for pair in zip(rows, of_magnitude, strict=True)]


def triangle_terms(mean: np.ndarray, scale: np.ndarray, clip: int) -> list[Terms]:
    """Return the terms of `TriangleSums`, from triangular terms (n, n) as in `integer_model.Triangle`."""
    units = UNITS * FIXED
    none = np.zeros_like(mean)
    rows, of_magnitude = np.hstack([units[0] * mean, none]), np.hstack([none, units[1] * scale])
    return terms_of(rows, of_magnitude, clip, SUMS)


class TriangleSums:
    """Sums with triangular terms.

    Parameters
    ----------
    first : float64 array (2, n)
        Means and scales from other vectors, from `rounded_down`.
    terms : list of Terms
        From `triangle_terms`.
    """

    def __init__(self, first: np.ndarray, terms: list[Terms]):
        sums, self._terms = (first * FIXED).astype(SUMS), terms
        self._flat, self._rounded = sums.reshape(-1), sums.view(HALVES)[:, 1::2]

    def ahead(self, k: int) -> list[list[int]]:
        """Return rounded means and scales of the integers from k on, see `VectorSums`."""
        return self._rounded[:, k : k + WINDOW].tolist()

    def put(self, k: int, value: int) -> None:
        """Take the value of integer k."""
        flat = self._flat
        flat += self._terms[k][value]


class HiddenSums:
    """Sums with triangular terms and a hidden layer to which every integer adds, as in `side_context.SideNetwork`.

    Parameters
    ----------
    first : float64 array (2 H + 2 n,)
        From other vectors, changed in place: sums of the hidden layer, as for `activate_floats`; a place for its
        activations; pairs of means and scales as of `rounded_down` without those from the hidden layer.
    terms : list of Terms
        Float64, of an array like `first`.
    weights : list of n float64 arrays (H + 2 n, 2)
        From `hidden_weights`.
    """

    def __init__(self, first: np.ndarray, terms: list[Terms], weights: list[np.ndarray]):
        H = len(first) - len(weights[0])
        self._all, self._terms, self._weights = first, terms, weights
        self._hidden, self._activations, self._inputs = first[:H], first[H : 2 * H], first[H:]

    def ahead(self, k: int) -> list[list[int]]:
        """Return rounded mean and scale of integer k, see `VectorSums`."""
        # as `activate_floats`, without its call
        ACTIVATIONS.take(self._hidden.astype(np.intp), None, self._activations, "clip")
        mean, scale = self._inputs.dot(self._weights[k]).tolist()
        return [[floor(mean)], [floor(scale)]]

    def put(self, k: int, value: int) -> None:
        """Take the value of integer k."""
        everything = self._all
        everything += self._terms[k][value]


def hidden_weights(w2: np.ndarray) -> list[np.ndarray]:
    """Return the weights of `HiddenSums`, which also select the pair of an integer, from those of the layer (H, 2, n).

    One product then gives mean and scale.
    """
    H, _, n = w2.shape
    weights = np.zeros((n, H + 2 * n, 2))
    weights[:, :H] = w2.transpose(2, 0, 1)
    pairs = weights[:, H:].reshape(n, n, 2, 2)
    pairs[range(n), range(n)] = np.eye(2)
    return list(weights)
