"""Time-varying A(z) and 1/A(z) with explicit state, in double precision: `lpcnet_cq.speech.filters` in NumPy.

The functions compute what `direct_analysis` and `direct_synthesis` of `dsp.filters` compute, for one signal and without
checks of arguments: a packet of a live stream takes about ten microseconds each.

Letters: S subframes, L samples per subframe, M order, N = S L samples.
"""

import numpy as np
from scipy.linalg import get_blas_funcs

from lpcnet_cq.light.windows import windows

BLOCK = 64  # subframes whose recursion is solved at once, so that the banded matrix fits in the cache
(_solve_banded,) = get_blas_funcs(("tbsv",), dtype=np.float64)


def residual(state: np.ndarray, x: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Filter speech by A(z), one set of coefficients per subframe, e[n] = sum_k a_k x[n-k].

    Parameters
    ----------
    state : float64 array (M,)
        The M samples before `x`, oldest first; zeros at the start of a signal.
    x : array (N,)
        Speech, N a multiple of the number of subframes.
    a : float64 array (S, M+1)
        LPC coefficients with a[..., 0] = 1.

    Returns
    -------
    state : float64 array (M,)
        The last M samples of `x`.
    e : float64 array (N,)
        Residual.

    References
    ----------
    J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63 (1975), eq. 3.
    """
    M = len(state)
    xs = np.concatenate([state, x])
    e = np.einsum("slk,sk->sl", windows(xs, M + 1).reshape(len(a), -1, M + 1), a[:, ::-1])
    return xs[len(x) :].copy(), e.reshape(-1)


def synthesise(state: np.ndarray, e: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Filter an excitation by 1/A(z), y[n] = e[n] - sum_k a_k y[n-k], the inverse of `residual`.

    The recursion is the solution of a triangular system with M subdiagonals. The first M rows are those of the
    identity: there the solution is the state.

    Parameters
    ----------
    state : float64 array (M,)
        The M output samples before `e`, oldest first; zeros at the start of a signal.
    e : array (N,)
        Excitation, N a multiple of the number of subframes.
    a : float64 array (S, M+1)
        LPC coefficients with a[..., 0] = 1.

    Returns
    -------
    state : float64 array (M,)
        The last M samples of `y`.
    y : float64 array (N,)
        Speech.
    """
    M, S, L = len(state), len(a), len(e) // len(a)
    y = np.concatenate([state, e])
    for s in range(0, S, BLOCK):
        rows = a[s : s + BLOCK, None, ::-1]
        band = np.zeros((M + len(rows) * L, M + 1))
        band[M:].reshape(len(rows), L, M + 1)[:] = rows
        part = slice(s * L, s * L + len(band))
        y[part] = _solve_banded(M, band.T, y[part], lower=0, trans=1, diag=1)
    return y[len(e) :].copy(), y[M:]
