"""Argument checks that several modules share; every error is one sentence that names the argument.

All computations are in double precision for every type of input, because single precision is not sufficient for an
envelope of order 16.
"""

import operator

import numpy as np
from numpy.typing import ArrayLike

_MAX_SHOWN = 60  # characters of a value in a message
_MAX_COUNT = 1 << 24  # largest whole number without another limit; arrays of this length fit in memory


def shown(value: object) -> str:
    """Return a value as messages show it: on one line, and not long.

    Examples
    --------
    >>> shown("9k"), shown(np.zeros((2, 2)))
    ("'9k'", 'array([[0., 0.], [0., 0.]])')
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def instance(name: str, value: object, kind: type) -> None:
    """Refuse a value of another type than `kind`."""
    if not isinstance(value, kind):
        raise ValueError(f"`{name}` is of type {type(value).__name__}, it must be a {kind.__name__}")


def real(name: str, x: ArrayLike, min_ndim: int = 1) -> np.ndarray:
    """Return `x` as a float64 array, which may hold NaN and infinity; a float64 array is not copied."""
    return real_array(name, x, min_ndim).astype(np.float64, copy=False)


def real_array(name: str, x: ArrayLike, min_ndim: int = 1) -> np.ndarray:
    """Return `x` as an array of real numbers of its own type, which may hold NaN and infinity."""
    try:
        y = np.asarray(x)
    except ValueError:  # nested lists of unequal lengths
        raise ValueError(f"`{name}` has rows of unequal lengths, it must be an array of real numbers") from None
    if y.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` is of type {y.dtype}, it must be an array of real numbers")
    if y.ndim < min_ndim:
        raise ValueError(f"`{name}` has shape {y.shape}, it must have at least {min_ndim} axes")
    return y


def finite(name: str, x: ArrayLike, min_ndim: int = 1) -> np.ndarray:
    """Return `x` as a finite float64 array; a float64 array is not copied."""
    y = real(name, x, min_ndim)
    if not np.isfinite(y).all():
        raise ValueError(f"`{name}` holds NaN or infinity, it must be finite")
    return y


def integer_in(name: str, order: int, low: int, high: int | None = None) -> int:
    """Return a whole number within `low`..`high`, both included, as an int; truth values are not numbers."""
    allowed = "a whole number " + (f"of at least {low}" if high is None else f"from {low} to {high}")
    try:
        value = None if isinstance(order, bool) else operator.index(order)
    except TypeError:
        value = None
    if value is None:
        raise ValueError(f"`{name}` is {shown(order)}, it must be {allowed}")
    if high is None and value > _MAX_COUNT:
        allowed = f"a whole number from {low} to {_MAX_COUNT}"
    if not low <= value <= (_MAX_COUNT if high is None else high):
        raise ValueError(f"`{name}` is {value}, it must be {allowed}")
    return value


def number_in(name: str, value: float, low: float, high: float = np.inf) -> float:
    """Return a finite number within `low`..`high`, both included, as a float."""
    y = number(value)
    if not (np.isfinite(y) and low <= y <= high):
        allowed = f"of at least {low:g}" if high == np.inf else f"from {low:g} to {high:g}"
        raise ValueError(f"`{name}` is {shown(value)}, it must be a number {allowed}")
    return y


def positive(name: str, value: float) -> float:
    """Return a finite number above 0 as a float."""
    y = number(value)
    if not (np.isfinite(y) and y > 0):
        raise ValueError(f"`{name}` is {shown(value)}, it must be a finite number above 0")
    return y


def number(value: float) -> float:
    """Return a real number as a float; NaN for all other values, also for truth values and arrays."""
    try:
        y = np.asarray(value)
    except ValueError:  # nested lists of unequal lengths
        return np.nan
    return np.nan if y.ndim or y.dtype.kind not in "iuf" else float(y)


def predictor(name: str, a: ArrayLike, min_ndim: int = 1) -> np.ndarray:
    """Return the coefficients (..., M+1) of A(z) in double precision; the first one must be 1."""
    y = finite(name, a, min_ndim)
    if y.shape[-1] == 0:
        raise ValueError(f"`{name}` has shape {y.shape}, its last axis must hold a_0 to a_M")
    if not (y[..., 0] == 1).all():
        bad = y[..., 0][y[..., 0] != 1][0]
        raise ValueError(f"`{name}` has a first coefficient of {bad:g}, all first coefficients must be 1")
    return y


def blocks(name: str, x: ArrayLike, rows: np.ndarray, rows_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a signal (..., N) and its filters (..., S, K) with equal leading axes, where N is a multiple of S.

    A single filter (K,) applies to the whole signal.
    """
    x = finite(name, x)
    rows = rows[None] if rows.ndim == 1 else rows
    S = rows.shape[-2]
    if S == 0 or x.shape[-1] % S:
        raise ValueError(f"`{name}` has {x.shape[-1]} samples, a multiple of the {S} rows of `{rows_name}` is needed")
    try:
        lead = np.broadcast_shapes(x.shape[:-1], rows.shape[:-2])
    except ValueError:
        raise ValueError(
            f"`{name}` has leading axes {x.shape[:-1]}, they must broadcast with {rows.shape[:-2]} of `{rows_name}`"
        ) from None
    return np.broadcast_to(x, (*lead, x.shape[-1])), np.broadcast_to(rows, (*lead, *rows.shape[-2:]))


def filter_state(name: str, state: ArrayLike | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return the state of a filter in double precision; None stands for zeros."""
    if state is None:
        return np.zeros(shape)
    y = finite(name, state)
    if y.shape != shape:
        raise ValueError(f"`{name}` has shape {y.shape}, it must be {shape}")
    return y
