"""Time-varying prediction filters with state: A(z) and 1/A(z) in direct form and as lattices.

Place in the chain: from signal to residual and back; analysis and synthesis are exact inverses. S rows of coefficients
divide a signal of N samples into S blocks of N/S samples, one row per block. Filtering in parts with the returned state
gives the same samples as filtering the whole signal. Delay: none.

Notation: M order, N samples, S blocks, x signal, e residual, k reflection coefficients.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import blocks, filter_state, finite, predictor

_CHUNK = 1 << 12  # samples per step, so that the banded matrix fits in the cache
_LATTICE_SAMPLES = 16  # samples per matrix product
_LATTICE_BLOCKS = 256  # blocks whose matrices are computed at once


def direct_analysis(x: ArrayLike, a: ArrayLike, state: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the residual e[n] = sum_m a_m x[n-m], with coefficients that change from block to block.

    Parameters
    ----------
    x : array (..., N)
    a : array (M+1,) or (..., S, M+1)
        One predictor, or one per block of N/S samples. Leading axes are broadcast against those of `x`.
    state : array (..., M), optional
        The M samples of the signal before `x`, oldest first; zeros if None.

    Returns
    -------
    e : float64 array (..., N)
    state : float64 array (..., M)
        For the next call.

    Raises
    ------
    ValueError
        If N is not a multiple of S, shapes do not match, or a value is not finite.

    Examples
    --------
    >>> e, state = direct_analysis([1.0, 2.0, 3.0, 4.0], [[1.0, -1.0], [1.0, 1.0]])
    >>> e.tolist(), state.tolist()
    ([1.0, 1.0, 5.0, 7.0], [4.0])

    References
    ----------
    J. Markel and A. Gray, "Linear Prediction of Speech", Springer (1976), chapter 1.
    """
    x, a = blocks("x", x, predictor("a", a), "a")
    N, (S, K) = x.shape[-1], a.shape[-2:]
    past = filter_state("state", state, (*x.shape[:-1], K - 1))
    extended = np.concatenate([past, x], axis=-1)
    if not x.size:
        return x.copy(), past.copy()
    # K windows of each block: the block delayed by M .. 0 samples.
    inputs = np.lib.stride_tricks.sliding_window_view(extended, N // S + K - 1, axis=-1)[..., :: N // S, :]
    delayed = np.lib.stride_tricks.sliding_window_view(inputs, N // S, axis=-1)
    e = np.ascontiguousarray(a[..., None, ::-1]) @ delayed
    return e.reshape(x.shape), extended[..., N:].copy()


def direct_synthesis(e: ArrayLike, a: ArrayLike, state: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal x[n] = e[n] - sum_{m>=1} a_m x[n-m]; the inverse of `direct_analysis`.

    All blocks and signals are solved as one banded triangular system with M subdiagonals.

    Parameters
    ----------
    e : array (..., N)
    a : array (M+1,) or (..., S, M+1)
    state : array (..., M), optional
        The M samples of the signal before the first one, oldest first; zeros if None.

    Returns
    -------
    x : float64 array (..., N)
    state : float64 array (..., M)

    Raises
    ------
    ValueError
        As `direct_analysis`.

    Examples
    --------
    >>> x, state = direct_synthesis([1.0, 1.0, 5.0, 7.0], [[1.0, -1.0], [1.0, 1.0]])
    >>> x.tolist(), state.tolist()
    ([1.0, 2.0, 3.0, 4.0], [4.0])

    References
    ----------
    J. Markel and A. Gray, "Linear Prediction of Speech", Springer (1976), chapter 1.
    """
    e, a = blocks("e", e, predictor("a", a), "a")
    N, K = e.shape[-1], a.shape[-1]
    past = filter_state("state", state, (*e.shape[:-1], K - 1))
    x = np.concatenate([past, e], axis=-1)  # known samples, whose rows of the matrix are those of the identity
    if K > 1 and e.size:
        x = _solve(x, a)
    return x[..., K - 1 :].copy(), x[..., N:].copy()


def _solve(x, a):
    """Return the signals; x holds their first M samples, which are known, and then the residual."""
    from scipy.linalg import get_blas_funcs  # SciPy is slow to import

    (tbsv,) = get_blas_funcs(("tbsv",), dtype=np.float64)
    (S, K), n = a.shape[-2:], x.shape[-1]
    M = K - 1
    # A row of the matrix is a_M .. a_1, 1, up to the diagonal. Rows of known samples have zeros instead of a_m.
    rows = np.concatenate([a[..., ::-1].reshape(-1, K), np.zeros((1, K))])
    y = x.reshape(-1)  # all signals in sequence; the known samples separate them
    row = np.full((*x.shape[:-1], n), len(rows) - 1)
    row[..., M:] = np.repeat(np.arange(len(rows) - 1), (n - M) // S).reshape(*x.shape[:-1], n - M)
    row = row.reshape(-1)
    for start in range(0, y.size, _CHUNK):
        begin, stop = max(0, start - M), min(start + _CHUNK, y.size)
        band = rows.take(row[begin:stop], axis=0)
        band[: start - begin] = 0.0
        y[begin:stop] = tbsv(M, band.T, y[begin:stop], lower=0, trans=1, diag=1)
    return y.reshape(x.shape)


def lattice_analysis(x: ArrayLike, k: ArrayLike, state: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the residual of the lattice filter with reflection coefficients k, which may change from block to block.

    Stage m computes the forward error f_m[n] = f_{m-1}[n] + k_m b_{m-1}[n-1] and the backward error b_m[n] =
    b_{m-1}[n-1] + k_m f_{m-1}[n], with f_0 = b_0 = x and e = f_M. For constant k the result equals that of
    `direct_analysis`.

    Parameters
    ----------
    x : array (..., N)
    k : array (M,) or (..., S, M)
        Reflection coefficients with the sign convention of `dsp.lpc.levinson_durbin`.
    state : array (..., M), optional
        b_0 .. b_{M-1} at the sample before the first one; zeros if None.

    Returns
    -------
    e : float64 array (..., N)
    state : float64 array (..., M)

    Raises
    ------
    ValueError
        As `direct_analysis`.

    Examples
    --------
    >>> e, state = lattice_analysis([1.0, 2.0, 3.0], [-0.5])
    >>> e.tolist(), state.tolist()
    ([1.0, 1.5, 2.0], [3.0])

    References
    ----------
    F. Itakura and S. Saito, "Digital filtering techniques for speech analysis and synthesis", Proc. 7th ICA (1971);
    J. Makhoul, "Stable and efficient lattice methods for linear prediction", IEEE Trans. ASSP 25 (1977).
    """
    x, k = blocks("x", x, finite("k", k), "k")
    N, (S, M) = x.shape[-1], k.shape[-2:]
    past = filter_state("state", state, (*x.shape[:-1], M))
    shape = (*x.shape[:-1], S, N // S)
    f = b = x
    last = []
    for m in range(M):
        b_before = np.concatenate([past[..., m : m + 1], b], axis=-1)
        last.append(b_before[..., -1])
        k_m, b = k[..., m : m + 1], b_before[..., :-1].reshape(shape)
        f, b = f.reshape(shape) + k_m * b, b + k_m * f.reshape(shape)
        f, b = f.reshape(x.shape), b.reshape(x.shape)
    return f.copy(), np.stack(last, axis=-1) if M else past


def lattice_synthesis(e: ArrayLike, k: ArrayLike, state: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal of the all-pole lattice; the inverse of `lattice_analysis`.

    The filter is stable for arbitrary changes of k if every |k| < 1. `direct_synthesis` is several times faster.

    Parameters
    ----------
    e : array (..., N)
    k : array (M,) or (..., S, M)
    state : array (..., M), optional
        b_0 .. b_{M-1} at the sample before the first one; zeros if None.

    Returns
    -------
    x : float64 array (..., N)
    state : float64 array (..., M)

    Raises
    ------
    ValueError
        As `direct_analysis`.

    Examples
    --------
    >>> x, state = lattice_synthesis([1.0, 1.5, 2.0], [-0.5])
    >>> x.tolist(), state.tolist()
    ([1.0, 2.0, 3.0], [3.0])

    References
    ----------
    J. Makhoul, "Stable and efficient lattice methods for linear prediction", IEEE Trans. ASSP 25 (1977).
    """
    e, k = blocks("e", e, finite("k", k), "k")
    N, (S, M) = e.shape[-1], k.shape[-2:]
    b = filter_state("state", state, (*e.shape[:-1], M)).copy()
    if M == 0 or not e.size:
        return e.copy(), b
    L = N // S
    step = max(d for d in range(1, min(L, _LATTICE_SAMPLES) + 1) if L % d == 0)
    x = np.empty(e.shape)
    for s in range(S):
        if s % _LATTICE_BLOCKS == 0:
            G = _lattice_steps(k[..., s : s + _LATTICE_BLOCKS, :], step)
        for start in range(s * L, (s + 1) * L, step):
            v = np.concatenate([b, e[..., start : start + step]], axis=-1)
            v = (G[..., s % _LATTICE_BLOCKS, :, :] @ v[..., None])[..., 0]
            b, x[..., start : start + step] = v[..., :M], v[..., M:]
    return x, b.copy()


def _lattice_steps(k, n_steps):
    """Return matrices that map b and n_steps samples of e to b and n_steps samples of x."""
    M = k.shape[-1]
    unit = np.eye(M + n_steps)
    k = k[..., None, :]
    b = np.broadcast_to(unit[:, :M], (*k.shape[:-2], M + n_steps, M)).copy()
    x = []
    for n in range(n_steps):
        # f_{m-1} = f_m - k_m b_{m-1} from e = f_M to x = f_0: a cumulative sum from the last stage to the first.
        f = unit[:, M + n, None] - np.cumsum((k * b)[..., ::-1], axis=-1)[..., ::-1]
        b[..., 1:] = b[..., :-1] + k[..., :-1] * f[..., :-1]
        b[..., 0] = f[..., 0]
        x.append(f[..., 0])
    return np.ascontiguousarray(np.swapaxes(np.concatenate([b, np.stack(x, axis=-1)], axis=-1), -1, -2))
