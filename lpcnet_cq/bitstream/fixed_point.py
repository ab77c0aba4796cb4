"""Fixed-point arithmetic of the entropy model: the same integers on every machine.

Activations have 8 fractional bits, weights 12, sums 20. All sums are below 2^53, so that doubles represent them
exactly.
"""

from typing import Any

import numpy as np

Array = Any  # array of NumPy or of the library that is given to `IntegerModel.on`
ACT_BITS, WEIGHT_BITS, SUM_BITS = 8, 12, 20
CLIP = 7  # decoded latents are clipped to +-CLIP before they enter a context
SIDE_CLIP = 31
ACT_MAX = 8.0  # activations are clipped to 0..ACT_MAX, so that fixed-point integers can represent them
SIDE_SCALE = 1 / 8  # scale of side integers as network inputs, because they are larger than latents
UNIT = 2.0 ** (ACT_BITS - SUM_BITS)  # of a sum, in activations
HALF = 0.5  # activation
NONE, MOST = np.array(0.0), np.array(ACT_MAX * (1 << ACT_BITS))
ACTIVATIONS = np.arange(ACT_MAX * (1 << ACT_BITS) + 1)


def fixed_weight(w, factor=1.0) -> np.ndarray:
    """Return weights multiplied by a factor, in the fixed point of weights, int32."""
    return np.round(np.asarray(w, np.float64) * factor * (1 << WEIGHT_BITS)).astype(np.int32)


def fixed_bias(b) -> np.ndarray:
    """Return biases in the fixed point of sums, int64."""
    return np.round(np.asarray(b, np.float64) * (1 << SUM_BITS)).astype(np.int64)


def clip(values: Array, low: int, high: int) -> Array:
    """Clip integers; NumPy's own `clip` checks its limits, which takes longer than to clip a packet."""
    return np.minimum(np.maximum(values, low), high) if isinstance(values, np.ndarray) else values.clip(low, high)


def activate(total: Array) -> Array:
    """Round a sum to an activation and clip it, in integer arithmetic."""
    half = 1 << (SUM_BITS - ACT_BITS - 1)
    return clip((total + half) >> (SUM_BITS - ACT_BITS), 0, int(ACT_MAX) << ACT_BITS)


def activate_floats(total: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Do as `activate`, in float64: faster than with integers, and ready for products.

    Parameters
    ----------
    total : float64 array
        Sums multiplied by `UNIT`, to which `HALF` is added; exact, because `UNIT` is a power of two.
    out : float64 array, optional
        For the result; may be `total`.
    """
    if total.ndim > 1:
        rounded = np.floor(total, out=out)
        return rounded.clip(NONE, MOST, out=rounded)
    return ACTIVATIONS.take(total.astype(np.intp), None, out, "clip")  # faster for few values, slower for many


def product(u: Array, w: Array) -> Array:
    """Multiply integers (..., K) by a matrix (K, N) in float64, which represents every partial sum exactly.

    The sums are below 2^40, so that the result does not depend on the order of summation or on the machine. The arrays
    are reshaped to one product of two matrices, for which BLAS is fast.
    """
    flat = u.reshape(-1, u.shape[-1]).astype(np.float64) @ w.astype(np.float64, copy=False)
    return flat.astype(np.int64).reshape(*u.shape[:-1], w.shape[-1])
