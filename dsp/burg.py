"""Linear prediction by Burg's method, which is always stable and needs no window.

Place in the chain: from frames to predictor coefficients, as `dsp.lpc.levinson_durbin`. In short frames it resolves
narrow and close spectral peaks better than the autocorrelation method. It uses only samples inside the frame.

Notation: M order, N frame length, f forward and b backward errors, k reflection coefficients.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in
from dsp.lpc import autocorrelation
from dsp.reflection import reflection_to_lpc

_BLOCK = 64  # frames per step, so that both errors fit in the cache
_EXACT = 1e-4  # error energy relative to the frame, above which the recursion on correlations is exact to eight digits
_SPENT = 1e-28  # error energy relative to the frame, below which the errors are rounding noise


def burg(frames: ArrayLike, order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the predictors whose lattice stages minimise the sum of forward and backward error energy.

    If the errors of a frame become zero (silence, or a perfectly predictable signal), its remaining reflection
    coefficients are zero.

    Parameters
    ----------
    frames : array (..., N)
        Samples without a window.
    order : int, 0..N-1

    Returns
    -------
    a : float64 array (..., M+1)
        Coefficients, a[..., 0] = 1.
    error : float64 array (...)
        Energy of the frame times prod (1 - k^2), in the same unit as sum x[n]^2.
    k : float64 array (..., M)
        Reflection coefficients, within [-1, 1]; the magnitude is 1 only for perfectly predictable frames.

    Raises
    ------
    ValueError
        If `frames` is not finite or `order` is out of range.

    Examples
    --------
    >>> a, error, k = burg([1.0, 2.0, 4.0, 8.0], 1)
    >>> a.tolist(), error.round(6).item()
    ([1.0, -0.8], 30.6)

    References
    ----------
    J. P. Burg, "Maximum entropy spectral analysis", PhD thesis, Stanford 1975;
    K. Vos, "A fast implementation of Burg's method" (2013), the recursion on correlations.
    """
    x = finite("frames", frames)
    M = integer_in("order", order, 0, x.shape[-1] - 1)
    k = _reflections(x.reshape(-1, x.shape[-1]), M).reshape(*x.shape[:-1], M)
    error = np.einsum("...n,...n->...", x, x) * np.prod(1 - k**2, axis=-1)
    return reflection_to_lpc(k), error, k


def _reflections(x, M):
    """Return k (T, M) of frames (T, N)."""
    k, exact = _by_correlation(x, M)
    rest = np.flatnonzero(~exact)
    for i in range(0, len(rest), _BLOCK):
        some = rest[i : i + _BLOCK]
        k[some] = _by_lattice(x[some], M)
    return k


def _by_correlation(x, M):
    """Return k (T, M) from correlations, and for which frames (T,) they are exact to eight digits.

    The error of order m+1 is a' R a with R[j, l] = sum_{n>m} x[n-j] x[n-l] + x[n-m-1+j] x[n-m-1+l]. With each
    order, two products at the ends of the frame are subtracted from R, and a last row r is added. Only g = R [a, 0] is
    computed. If the error is much smaller than the signal, it is the difference of large numbers and not exact.
    """
    N = x.shape[-1]
    c = autocorrelation(x, M).T
    first, last = np.ascontiguousarray(x[:, : M + 1].T), np.ascontiguousarray(x[:, N - 1 - M :].T)[::-1]
    a, k = np.zeros((M + 2, len(x))), np.zeros((M, len(x)))
    a[0] = 1.0
    exact = c[0] > 0
    r = 2 * c[1:2]
    g = np.concatenate([2 * c[:1] - first[:1] ** 2 - last[:1] ** 2, r])
    for m in range(M):
        energy = (a[: m + 1] * g[: m + 1]).sum(0)
        exact &= energy > _EXACT * c[0]
        k_m = k[m] = np.where(exact, -(a[: m + 1] * g[m + 1 : 0 : -1]).sum(0) / np.where(exact, energy, 1.0), 0.0)
        a[1 : m + 2] += k_m * a[m::-1]
        if m + 1 < M:
            A, u, v = a[: m + 2], first[m + 1 :: -1], last[m + 1 :: -1]
            h = g + k_m * g[::-1] - u * (u * A).sum(0) - v * (v * A).sum(0)
            r = np.concatenate([2 * c[m + 2 : m + 3], r - last[m + 1] * last[: m + 1] - first[m + 1] * first[: m + 1]])
            g = np.concatenate([h, (r * A).sum(0, keepdims=True)])
    return k.T.copy(), exact


def _by_lattice(x, M):
    """Return k (T, M) from the forward and backward error signals of a lattice."""
    f, b = x[:, 1:].copy(), x[:, :-1].copy()
    k = np.zeros((len(x), M))
    spent = _SPENT * np.einsum("tn,tn->t", x, x)
    alive = np.ones(len(x), bool)
    for m in range(M):
        energy = np.einsum("tn,tn->t", f, f) + np.einsum("tn,tn->t", b, b)
        alive &= energy > spent
        k_m = -2 * np.einsum("tn,tn->t", f, b) / np.where(alive, energy, 1.0)
        k_m = k[:, m] = np.where(alive, np.clip(k_m, -1.0, 1.0), 0.0)
        f, b = f[:, 1:] + k_m[:, None] * b[:, 1:], b[:, :-1] + k_m[:, None] * f[:, :-1]
    return k
