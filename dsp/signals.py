"""Check signals and sample rates from the caller: shape, type, scale, finite values.

Place in the chain: before every function that takes a signal. Delay: none.
"""

import warnings

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from dsp._arguments import number, shown

MAX_CHANNELS = 8
CLIPPED_UP_TO = 4.0
"""Floats beyond full scale are clipped with a warning up to this value, and refused above it."""
_INT_SCALES = {2: 2.0**15, 4: 2.0**31}  # of signed integers, by their bytes
_MAX_SHORT_SAMPLES, _MAX_SIGNALS_PER_SAMPLE = 64, 8  # beyond both, the axes are probably swapped


def checked_signal(
    name: str,
    x: ArrayLike,
    *,
    channels_last: bool = True,
    max_channels: int = MAX_CHANNELS,
    length: int | None = None,
    limit: float | None = CLIPPED_UP_TO,
    dtype: DTypeLike = np.float64,
) -> np.ndarray:
    """Return a signal as floats with full scale 1, or raise an error that names the argument and what is allowed.

    Parameters
    ----------
    name : str
        Name of the argument in the caller.
    x : array (n,) or (n, channels), or (..., n) if not `channels_last`
        Floats; int16 or int32, which are divided by 2^15 or 2^31.
    channels_last : bool
        True: time is the first axis, as in audio files. More columns than `max_channels` are refused, because the axes
        are probably swapped. False: time is the last axis, as in `dsp`. Arrays with at most 64 samples and more than 8
        times as many signals, such as (48000, 2), are refused for the same reason.
    max_channels : int
        Largest number of channels, if `channels_last`; with 1, (n, 1) is treated as (n,).
    length : int, optional
        Number of samples that the signal must have.
    limit : float, optional
        Largest peak of floats: values between full scale and this limit are clipped with a warning. None allows every
        scale and does not clip.
    dtype : float type
        Type of the result.

    Returns
    -------
    array of `dtype`, of the shape of `x`
        `x` itself if no change is needed.

    Raises
    ------
    ValueError
        If shape, type, length or scale is not allowed, or a value is not finite.

    Examples
    --------
    >>> checked_signal("x", np.array([16384, -32768], np.int16)).tolist()
    [0.5, -1.0]
    >>> checked_signal("x", np.zeros((2, 48000)))
    Traceback (most recent call last):
    ValueError: `x` has shape (2, 48000), it must be (n,) or (n, channels) with at most 8 channels: pass its transpose
    """
    try:
        y = np.asarray(x)
    except ValueError:  # nested lists of unequal lengths
        raise ValueError(f"`{name}` has rows of unequal lengths, it must be an array of samples") from None
    if y.ndim == 0 and y.dtype.kind in "SUO":
        raise ValueError(f"`{name}` is of type {type(x).__name__}, it must be an array of samples")
    if np.ma.is_masked(x):
        raise ValueError(f"`{name}` has masked samples, it must have none")
    _check_shape(name, y.shape, channels_last, max_channels)
    y = y[:, 0] if channels_last and max_channels == 1 and y.ndim == 2 else y
    n = len(y) if channels_last else y.shape[-1]
    if length is not None and n != length:
        raise ValueError(f"`{name}` has {n} samples, it must have {length}")
    if y.dtype.kind == "i" and y.dtype.itemsize in _INT_SCALES:
        return (y / _INT_SCALES[y.dtype.itemsize]).astype(dtype)
    if y.dtype.kind != "f":
        raise ValueError(f"`{name}` is of type {y.dtype}, it must be of floats in [-1, 1], int16 or int32")
    if not np.isfinite(y).all():
        raise ValueError(f"`{name}` holds NaN or infinity, it must be finite")
    peak = max(float(y.max(initial=0)), -float(y.min(initial=0)))
    if limit is not None and peak > limit:
        raise ValueError(too_loud(f"`{name}`", peak, limit))
    if limit is not None and peak > 1:
        warnings.warn(f"`{name}` has a peak of {peak:g}, it is clipped to full scale, which is 1", stacklevel=3)
        y = np.clip(y, -1, 1)
    return y.astype(dtype, copy=False)


def too_loud(name: str, peak: float, limit: float = CLIPPED_UP_TO) -> str:
    """Return the sentence that refuses floats with a peak beyond a limit."""
    hint = ": divide by 32768 if its samples have the range of int16" if 100 < peak <= 32768 else ""
    return f"{name} has a peak of {peak:g}, it must be at most {limit:g}, full scale is 1{hint}"


def checked_rate(name: str, rate_hz: float, low: int, high: int) -> int:
    """Return a sample rate within `low`..`high` as an int; every numeric type that holds a whole number is allowed.

    Raises
    ------
    ValueError
        If the rate is not a whole number or out of range.

    Examples
    --------
    >>> checked_rate("sample_rate_hz", np.float32(16000), 1000, 768000)
    16000
    """
    value = number(rate_hz)
    if not low <= value <= high or not value.is_integer():
        raise ValueError(f"`{name}` is {shown(rate_hz)}, it must be a whole number from {low} to {high}")
    return int(value)


def _check_shape(name: str, shape: tuple[int, ...], channels_last: bool, max_channels: int) -> None:
    n_dims = len(shape)
    if channels_last:
        wanted = "(n,)" if max_channels == 1 else f"(n,) or (n, channels) with at most {max_channels} channels"
        swapped = n_dims == 2 and shape[1] > max_channels
        wrong = n_dims not in (1, 2) or (n_dims == 2 and shape[1] == 0)
    else:
        wanted = "(..., n), with time as the last axis"
        swapped = n_dims > 1 and 0 < shape[-1] <= _MAX_SHORT_SAMPLES and shape[-2] > _MAX_SIGNALS_PER_SAMPLE * shape[-1]
        wrong = n_dims == 0
    if swapped or wrong:
        hint = ": pass its transpose" if swapped and (not channels_last or shape[:1] <= (max_channels,)) else ""
        raise ValueError(f"`{name}` has shape {shape}, it must be {wanted}{hint}")
