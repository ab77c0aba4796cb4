"""Argument checks shared by the package: one sentence, naming the argument, its value and what is allowed.

All computation is in double precision, whatever precision comes in: an envelope of order 16 does not survive
single precision.
"""

import operator

import numpy as np
from numpy.typing import ArrayLike


def finite(name: str, x: ArrayLike, min_ndim: int = 1) -> np.ndarray:
    """Return `x` as a double precision array, without a copy where it is one already.

    Raises
    ------
    ValueError
        If `x` is not an array of real numbers, has fewer than `min_ndim` axes, or holds NaN or infinity.

    Examples
    --------
    >>> finite("x", [1, 2]).dtype.name
    'float64'
    """
    try:
        y = np.asarray(x)
    except ValueError:  # nested lists of unequal lengths
        raise ValueError(f"`{name}` is ragged, it must be an array of real numbers") from None
    if y.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` is of type {y.dtype}, it must be an array of real numbers")
    if y.ndim < min_ndim:
        axes = "one axis" if min_ndim == 1 else f"{min_ndim} axes"
        raise ValueError(f"`{name}` has shape {y.shape}, it must have at least {axes}")
    y = y.astype(np.float64, copy=False)
    if not np.isfinite(y).all():
        raise ValueError(f"`{name}` holds NaN or infinity, it must be finite")
    return y


def order_in(name: str, order: int, low: int, high: int | None = None) -> int:
    """Return `order` as an int.

    Raises
    ------
    ValueError
        If `order` is no whole number or not within `low`..`high` (without an upper end if `high` is None).

    Examples
    --------
    >>> order_in("order", np.int64(16), 1, 32)
    16
    """
    allowed = f"at least {low}" if high is None else f"{low} to {high}"
    try:
        value = operator.index(order)
    except TypeError:
        raise ValueError(f"`{name}` is {order!r}, it must be a whole number, {allowed}") from None
    if value < low or (high is not None and value > high):
        raise ValueError(f"`{name}` is {value}, it must be {allowed}")
    return value


def number_in(name: str, value: float, low: float, high: float = np.inf) -> float:
    """Return `value` as a float.

    Raises
    ------
    ValueError
        If `value` is no real number or not within `low`..`high`, ends included; NaN and infinity are not.

    Examples
    --------
    >>> number_in("mu", 0.5, 0, 1)
    0.5
    """
    allowed = f"at least {low:g}" if high == np.inf else f"{low:g} to {high:g}"
    y = np.asarray(value)
    if y.ndim or y.dtype.kind not in "biuf" or not (np.isfinite(y) and low <= y <= high):
        raise ValueError(f"`{name}` is {value!r}, it must be a number, {allowed}")
    return float(y)


def predictor(name: str, a: ArrayLike) -> np.ndarray:
    """Return coefficients (..., M+1) of A(z) in double precision.

    Raises
    ------
    ValueError
        As `finite`, or if the last axis is empty or does not begin with 1.

    Examples
    --------
    >>> predictor("a", [1, -0.9]).tolist()
    [1.0, -0.9]
    """
    y = finite(name, a)
    if y.shape[-1] == 0:
        raise ValueError(f"`{name}` has shape {y.shape}, its last axis must hold a_0 to a_M")
    if not (y[..., 0] == 1).all():
        raise ValueError(f"`{name}` has a first coefficient other than 1, a[..., 0] must be 1")
    return y
