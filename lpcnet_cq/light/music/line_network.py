"""Network of the entropy model of lines in NumPy, spectrum by spectrum: the integers of `music.integer_model`, faster.

Place in the chain: part of `music.integer_model`, for encoders and for the packet reader. All values are integers, or
multiples of 2^-12, in float64, which represents every sum exactly. Rounding, biases and shifts are part of the weights,
so that an activation is floor and clip only. The last axis holds the lines, as the products need it.

Letters: D lines, F features, H hidden width, M magnitudes.
"""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import ACT_BITS, ACT_MAX, SUM_BITS
from lpcnet_cq.music.line_features import BELOW, ENERGY, LOG8, MAX_MAGNITUDE, UNIT

FEATURE = (1 << ACT_BITS) // UNIT  # a feature or size of 1, as activation
ONE = 2.0 ** (SUM_BITS - ACT_BITS)  # an activation of 1, as sum
SIZES = LOG8[1:]  # by magnitude
NONE, MOST = np.array(0.0), np.array(ACT_MAX * (1 << ACT_BITS))  # range of activations


def activated(total: np.ndarray) -> np.ndarray:
    """Round sums in units of activations down, and clip them, in place."""
    np.floor(total, out=total)
    return np.clip(total, NONE, MOST, out=total)


def with_biases(weights: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Return a layer in units of activations for each kind: weights (O, I), and biases (4, O) as the last column.

    Half an activation is added to the biases, because `activated` rounds down.
    """
    return np.stack([np.column_stack([weights, b + ONE / 2]) for b in biases]) / ONE


class LineNetwork:
    """Compute the sums of scales of the lines of one spectrum.

    Parameters
    ----------
    weights, biases : dict
        Integer tensors of `music.freeze`, by name.

    Attributes
    ----------
    below : float64 array (H/2, len(BELOW))
        What the size of a lower line adds to the sums before the last hidden layer, in units of activations.
    w3 : float64 array (H/2,)
    """

    def __init__(self, weights: dict[str, np.ndarray], biases: dict[str, np.ndarray]):
        below = weights["line_below"].T * FEATURE
        first, second = weights["line_w1"].T * FEATURE, np.concatenate([weights["line_w2"].T, below], axis=1)
        self._w1, self._w2 = with_biases(first, biases["line_1_bs"]), with_biases(second, biases["line_2_bs"])
        self._skip, self._b3 = biases["line_skip"] * float(FEATURE), biases["line_b3"].astype(np.float64)
        self.below = below / ONE
        self.w3 = weights["line_w3"][:, 0]

    def base(self, f: np.ndarray, kind: int, sizes: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the sums before the last hidden layer, (H/2, D), in units of activations.

        Parameters
        ----------
        f : float64 array (F + 1, D)
            Features of `line_features`; the last row is 1.
        kind : int
            Index of the biases, see `line_features.Context`.
        sizes : float64 array (len(BELOW), D)
            Sizes of the lower lines, from `sizes_below`; 0 if they are not known yet.
        """
        H = self._w1.shape[1]
        h = np.empty((self._w2.shape[2], f.shape[1]))
        activated(np.matmul(self._w1[kind], f, out=h[:H]))
        h[H:-1], h[-1] = sizes, 1.0
        return self._w2[kind] @ h

    def offset(self, f: np.ndarray, kind: int) -> np.ndarray:
        """Return what is added to the sums of scales, (D,)."""
        return f[ENERGY] * self._skip[kind] + self._b3[kind]

    def scales(self, f: np.ndarray, kind: int, sizes: np.ndarray) -> np.ndarray:
        """Return the sums of scales (D,) of a known spectrum; parameters as for `base`."""
        return self.w3 @ activated(self.base(f, kind, sizes)) + self.offset(f, kind)


def sizes_below(n: np.ndarray) -> np.ndarray:
    """Return the sizes 8 log2(1 + |n|) of the lower lines of all lines, (..., len(BELOW), D), for lines n (..., D)."""
    sizes = SIZES.take(np.minimum(abs(n), MAX_MAGNITUDE))
    below = np.zeros((*n.shape[:-1], len(BELOW), n.shape[-1]))
    for i, k in enumerate(BELOW):
        below[..., i, k:] = sizes[..., :-k]
    return below
