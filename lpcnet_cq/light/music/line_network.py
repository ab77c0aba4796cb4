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
        half = ONE / 2  # rounds an activation, because `activated` rounds down
        first = np.broadcast_to(weights["line_w1"].T * FEATURE, (4, *weights["line_w1"].T.shape))
        self._w1 = np.concatenate([first, biases["line_1_bs"][..., None] + half], axis=2) / ONE  # by kind
        self._w2, self._b2 = weights["line_w2"].T / ONE, (biases["line_2_bs"][..., None] + half) / ONE
        self._skip, self._b3 = biases["line_skip"] * float(FEATURE), biases["line_b3"].astype(np.float64)
        self.below = weights["line_below"].T * (FEATURE / ONE)
        self.w3 = weights["line_w3"][:, 0]

    def base(self, f: np.ndarray, kind: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums before the last hidden layer, (H/2, D), and sums of scales (D,), both from other spectra.

        Parameters
        ----------
        f : float64 array (F + 1, D)
            Features of `line_features`; the last row is 1.
        kind : int
            Index of the biases, see `line_features.Context`.
        """
        base = self._w2 @ activated(self._w1[kind] @ f)
        base += self._b2[kind]
        return base, f[ENERGY] * self._skip[kind] + self._b3[kind]

    def scales(self, f: np.ndarray, kind: int, sizes: np.ndarray) -> np.ndarray:
        """Return the sums of scales (D,) of a known spectrum.

        Parameters
        ----------
        f, kind
            As for `base`.
        sizes : float64 array (max(BELOW) + D,)
            From `padded_sizes`.
        """
        base, offset = self.base(f, kind)
        D = f.shape[1]
        base += self.below @ np.stack([sizes[max(BELOW) - k :][:D] for k in BELOW])
        return self.w3 @ activated(base) + offset


def padded_sizes(n: np.ndarray) -> np.ndarray:
    """Return the sizes 8 log2(1 + |n|) of lines (..., D), float64 (..., max(BELOW) + D), behind zeros."""
    sizes = np.zeros((*n.shape[:-1], max(BELOW) + n.shape[-1]))
    sizes[..., max(BELOW) :] = SIZES.take(np.minimum(abs(n), MAX_MAGNITUDE))
    return sizes
