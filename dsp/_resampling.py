"""Lower the sample rate of a signal that comes in blocks, with the result of one filter over the whole signal.

Place in the chain: before the analysis of recordings. Delay: none, the filter is symmetric.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

_BLOCK_SAMPLES = 1 << 17
_LARGEST_FACTOR = 50_000  # larger ones are approximated, or the filter would have millions of coefficients
_SPAN = 10  # half of the filter's length, in samples of the lower rate: the default of `resample_poly`


def resampled(blocks: Iterable[np.ndarray], from_hz: int, to_hz: int) -> Iterator[np.ndarray]:
    """Yield a signal at a lower sample rate, block by block.

    Parameters
    ----------
    blocks : iterable of float arrays (n,)
        The signal, cut anywhere.
    from_hz, to_hz : int
        to_hz <= from_hz.

    Yields
    ------
    float arrays (m,), ceil(n to_hz / from_hz) samples in all

    Examples
    --------
    >>> np.concatenate(list(resampled([np.ones(500), np.ones(500)], 32000, 16000)))[100:103].round(3).tolist()
    [1.0, 1.0, 1.0]
    """
    if from_hz == to_hz:
        yield from blocks
        return
    from scipy.signal import resample_poly

    ratio = Fraction(to_hz, from_hz).limit_denominator(_LARGEST_FACTOR)
    up, down = ratio.numerator, ratio.denominator
    n = np.arange(-_SPAN * down, _SPAN * down + 1)
    window = np.kaiser(len(n), 5.0) * np.sinc(n / down)
    window /= window.sum()
    margin = -(-_SPAN // up) * down  # a multiple of `down`, which is a whole number of samples at either rate
    step = -(-_BLOCK_SAMPLES // down) * down
    for before, part, after in _overlapping(blocks, step, margin):
        x = np.concatenate([before, part, after])
        y = resample_poly(x, up, down, window=window.astype(x.dtype))
        first = len(before) // down * up
        yield y[first : first - (-len(part) * up // down)]


def _overlapping(
    blocks: Iterable[np.ndarray], step: int, margin: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield parts of `step` samples, the last one shorter, with the `margin` samples before and behind each."""
    before, waiting, n = np.zeros(0, np.float32), [], 0
    for block in blocks:
        waiting.append(block)
        n += len(block)
        if n >= step + margin:
            x, at = np.concatenate(waiting), 0
            while n - at >= step + margin:
                part = x[at : at + step]
                yield before, part, x[at + step : at + step + margin]
                before, at = np.concatenate([before, part])[-margin:], at + step
            waiting, n = [x[at:].copy()], n - at
    x = np.concatenate(waiting) if waiting else before
    if len(x):
        yield before.astype(x.dtype), x, x[:0]
