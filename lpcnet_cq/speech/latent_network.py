"""Network of the entropy model of latents in NumPy: the integers of `integer_model`, stored as floats.

Place in the chain: part of `integer_model`, for encoders and packet readers without JAX. All values are integers times
a power of two. Doubles represent every sum exactly; the first layer of latents is in single precision where its sums
are below 2^24. Results are rounded down, so that biases include a half.

Letters: T packets, K side integers, S vectors of latents per packet, D latents per vector, H hidden width.
"""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import (
    ACT_BITS,
    CLIP,
    HALF,
    SIDE_CLIP,
    SUM_BITS,
    UNIT,
    activate_floats,
    clip,
)
from lpcnet_cq.bitstream.frequency_tables import MEAN_BITS, Expected, expected_of_rounded
from lpcnet_cq.bitstream.vector_sums import ZERO_MEAN
from lpcnet_cq.speech.windows import windows

OF_ACTIVATIONS = UNIT * (1 << ACT_BITS)  # of a weight, so that integers give sums in units of activations
CENTRE = np.array(CLIP)
EXACT = {np.float32: 1 << 24, np.float64: 1 << 53}  # below these, sums of integers are exact


class LatentNetwork:
    """Compute what the entropy model predicts for vectors of latents.

    Parameters
    ----------
    w, b, tri : dicts
        Weights (float64), biases and triangular terms (int64) of an `IntegerModel`.
    K, context : int
        Side integers of a packet, and earlier vectors on which a vector depends.
    """

    def __init__(self, w: dict[str, np.ndarray], b: dict[str, np.ndarray], tri: dict[str, np.ndarray], K: int, context):
        self._K, self._context = K, context
        self._side = _SideLayers(w, b, "latent_")
        self._side_reset = _SideLayers(w, b, "latent_reset_") if "latent_reset_ws" in w else None
        self._wy = _exact(w["latent_wy"], CLIP) * np.float32(OF_ACTIVATIONS)
        # clipped integers by their distance from the first
        self._clipped = np.arange(-CLIP, CLIP + 1, dtype=self._wy.dtype)
        self._w2, self._b2 = w["latent_w2"] * UNIT, b["latent_b2"] * UNIT + HALF
        D = w["latent_w3"].shape[1] // 2
        units = np.repeat([2.0 ** (MEAN_BITS - SUM_BITS), 2.0**-SUM_BITS], D)  # sixteenths of means, whole scales
        self._w3, self._b3 = w["latent_w3"] * units, b["latent_b3"] * units + 0.5
        self._b3_of_zeros = self._b3 + np.repeat([float(ZERO_MEAN), 0.0], D)
        self._tri_mean, self._tri_scale = tri["latent_tri_mean"] * units[0], tri["latent_tri_scale"] * units[-1]

    def first_layer(self, before: np.ndarray, side: np.ndarray, step: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return the sums that side integers add to the first layer, in units of activations, float64 (T*S, H).

        Parameters
        ----------
        before : array (T, 2, K)
            The two side vectors before, oldest first.
        side : array (T, K)
        step, known : arrays (T,)
        """
        u = np.concatenate([side, before[:, 1]], axis=1).astype(np.float64)
        u = clip(u, -SIDE_CLIP, SIDE_CLIP)
        total = self._side(u, step)
        if self._side_reset and not known.all():
            reset = np.flatnonzero(known == 0)
            total[reset] = self._side_reset(u[reset, : self._K], step[reset])
        return total.reshape(-1, self._w2.shape[0])

    def latents(self, first: np.ndarray, vectors: np.ndarray) -> Expected:
        """Return what is predicted for vectors of latents, (T*S, D).

        Parameters
        ----------
        first : array (T*S, H)
            From `first_layer`.
        vectors : int array (context + T*S, D)
            The vectors before, and those themselves.
        """
        c = self._clipped.take(vectors + CENTRE, mode="clip")
        before = windows(c.reshape(-1), len(self._wy), c.shape[1])[: len(first)]
        out = self._last_layer(first + before.copy().dot(self._wy), self._b3)
        c, D = c[self._context :].astype(np.float64), c.shape[1]
        out[:, :D] += c.dot(self._tri_mean)
        out[:, D:] += np.abs(c, out=c).dot(self._tri_scale)
        np.floor(out, out=out)
        return expected_of_rounded(out[:, :D], out[:, D:])

    def first_layer_of_one(self, before: np.ndarray, side: np.ndarray, step: int, known: int) -> np.ndarray:
        """Do as `first_layer` for one packet, given the side integers before and its own, (K,); faster for one."""
        reset = self._side_reset if known == 0 else None
        u = side if reset else np.concatenate([side, before])
        layers = reset or self._side
        return layers(clip(u.astype(np.float64), -SIDE_CLIP, SIDE_CLIP), step).reshape(-1, self._w2.shape[0])

    def of_zeros(self, first: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Return means and scales of one vector of zeros, float64 (2, D), as `vector_sums.rounded_down` does.

        Parameters
        ----------
        first : array (H,)
            From `first_layer_of_one`.
        before : int array (context, D)
        """
        y = self._clipped.take(before.ravel() + CENTRE, mode="clip")
        return self._last_layer(first + y.dot(self._wy), self._b3_of_zeros).reshape(2, -1)

    def _last_layer(self, total: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Return means and scales in units of their rounding, (..., 2 D); `bias` has a half, `total` is changed."""
        h = activate_floats(total, total).dot(self._w2)
        h += self._b2
        out = activate_floats(h, h).dot(self._w3)
        out += bias
        return out


class _SideLayers:
    """Map side integers to what they add to the first layer; `prefix` names the tensors."""

    def __init__(self, w: dict[str, np.ndarray], b: dict[str, np.ndarray], prefix: str):
        self._ws, self._bs = w[f"{prefix}ws"] * OF_ACTIVATIONS, b[f"{prefix}bs"] * UNIT + HALF
        self._wp, self._bp = w["latent_wp"] * UNIT, b[f"{prefix}bp"] * UNIT + HALF

    def __call__(self, u: np.ndarray, step: np.ndarray | int) -> np.ndarray:
        """Return the sums (..., S*H) of side integers u (..., any)."""
        h = u.dot(self._ws)
        h += self._bs[step]
        out = activate_floats(h, h).dot(self._wp)
        out += self._bp
        return out


def _exact(weights: np.ndarray, largest: int) -> np.ndarray:
    """Return integer weights in the narrowest type that represents all sums of products with inputs up to `largest`."""
    most = largest * np.abs(weights).sum(axis=0).max()
    return weights.astype(next(kind for kind, limit in EXACT.items() if most < limit))
