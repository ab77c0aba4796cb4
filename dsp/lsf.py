"""Convert predictors to line spectral frequencies and back.

Place in the chain: the domain in which envelopes are quantised and interpolated. The zeros of
P(z) = A(z) + z^-(M+1) A(1/z) and Q(z) = A(z) - z^-(M+1) A(1/z) lie on the unit circle and alternate if and
only if 1/A(z) is stable.

Notation: M order, w frequencies.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, predictor
from dsp._symmetric import (
    cosine_series,
    divide_minus,
    divide_plus,
    multiply_binomial,
    series_zeros,
    symmetric_polynomial,
)


def lpc_to_lsf(a: ArrayLike) -> np.ndarray:
    """Return the line spectral frequencies of minimum-phase predictors.

    Parameters
    ----------
    a : array (..., M+1)
        a[..., 0] = 1.

    Returns
    -------
    float64 array (..., M)
        Ascending frequencies in (0, pi) rad.

    Raises
    ------
    ValueError
        If `a` is not finite, does not begin with 1, or is not minimum phase.

    Examples
    --------
    >>> (lpc_to_lsf([1.0, 0.0, 0.0]) * 3 / np.pi).round(12).tolist()
    [1.0, 2.0]

    References
    ----------
    F. Soong and B.-H. Juang, "Line spectrum pair (LSP) and speech data compression", ICASSP 1984.
    """
    a = predictor("a", a)
    M = a.shape[-1] - 1
    series = a @ _to_series(M)
    half = (M + 1) // 2 + 1
    if M % 2 == 0:
        w = series_zeros(series.reshape(*a.shape[:-1], 2, half)).reshape(*a.shape[:-1], M)
    else:
        w = np.concatenate([series_zeros(series[..., :half]), series_zeros(series[..., half:])], axis=-1)
    w.sort(axis=-1)  # rounding may swap neighbours if 1/A(z) is almost unstable
    far = np.abs(_predictor_of(w) - a).max(axis=-1) > 1e-6 * np.abs(a).max(axis=-1)
    if far.any():
        raise ValueError("`a` is not minimum phase, all zeros of A(z) must lie inside the unit circle")
    return w


@lru_cache(maxsize=64)
def _to_series(M):
    """Return the matrix from A(z) to the cosine series of P(z), then of Q(z), without their zeros at z = 1 and -1."""
    a = np.eye(M + 1)
    P, Q = multiply_binomial(a, 0.0), multiply_binomial(a, 0.0)
    P[:, 1:] += a[:, ::-1]
    Q[:, 1:] -= a[:, ::-1]
    p, q = (divide_plus(P), divide_minus(Q)) if M % 2 == 0 else (P, divide_plus(divide_minus(Q)))
    return np.concatenate([cosine_series(p), cosine_series(q)], axis=1)


def lsf_to_lpc(lsf: ArrayLike) -> np.ndarray:
    """Return the predictors with given line spectral frequencies; ascending frequencies give minimum phase.

    Parameters
    ----------
    lsf : array (..., M)
        Ascending frequencies in (0, pi) rad.

    Returns
    -------
    float64 array (..., M+1)

    Raises
    ------
    ValueError
        If `lsf` is not finite, not ascending, or out of range.

    Examples
    --------
    >>> lsf_to_lpc([np.pi / 3, np.pi / 2]).round(12).tolist()
    [1.0, -0.5, 0.5]

    References
    ----------
    F. Soong and B.-H. Juang, "Line spectrum pair (LSP) and speech data compression", ICASSP 1984.
    """
    w = finite("lsf", lsf)
    if w.size and not (w.min() >= 0 and w.max() <= np.pi):
        raise ValueError(f"`lsf` spans {w.min():.6g} to {w.max():.6g} rad, it must be from 0 to pi")
    if (np.diff(w, axis=-1) < 0).any():
        raise ValueError("`lsf` is not ascending, the frequencies of each vector must be in ascending order")
    return _predictor_of(w)


def _predictor_of(w):
    if w.shape[-1] % 2 == 0:
        p, q = symmetric_polynomial(np.array([w[..., 0::2], w[..., 1::2]]))
        P, Q = multiply_binomial(p, 1.0), multiply_binomial(q, -1.0)
    else:
        p, q = symmetric_polynomial(w[..., 0::2]), symmetric_polynomial(w[..., 1::2])
        P, Q = p, multiply_binomial(q, -1.0, delay=2)
    return 0.5 * (P + Q)[..., :-1]
