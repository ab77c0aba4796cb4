"""Linear prediction by Burg's method: no window, no sample beyond the frame, and yet always stable.

Place in the chain: frames in, predictor coefficients out, as `dsp.lpc.levinson_durbin` makes them from an
autocorrelation. Sharp and close peaks in short frames come out better than by the autocorrelation method.

Letters: M order, N frame length, f forward and b backward errors, k reflection coefficients.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, order_in
from dsp.reflection import reflection_to_lpc

_BLOCK = 64  # frames at a time, so that both errors stay in the cache
_SPENT = 1e-28  # share of the energy below which the errors are rounding noise


def burg(frames: ArrayLike, order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the predictors whose lattice stages each leave the least forward and backward error.

    A frame stops where its errors vanish (silence, or perfectly predictable): its remaining reflection
    coefficients are zero.

    Parameters
    ----------
    frames : array (..., N)
        Samples, not windowed.
    order : int, 0..N-1

    Returns
    -------
    a : float64 array (..., M+1)
        Coefficients, a[..., 0] = 1.
    error : float64 array (...)
        Energy of the frame times prod (1 - k^2), in the unit of sum x[n]^2.
    k : float64 array (..., M)
        Reflection coefficients, within [-1, 1]; 1 in size for frames like a constant only.

    Raises
    ------
    ValueError
        If `frames` is not finite or `order` does not fit it.

    Examples
    --------
    >>> a, error, k = burg([1.0, 2.0, 4.0, 8.0], 1)
    >>> a.tolist(), error.round(6).item()
    ([1.0, -0.8], 30.6)

    References
    ----------
    J. P. Burg, "Maximum entropy spectral analysis", PhD thesis, Stanford 1975;
    L. Marple, "A new autoregressive spectrum analysis algorithm", IEEE Trans. ASSP 28 (1980).
    """
    x = finite("frames", frames)
    M = order_in("order", order, 0, x.shape[-1] - 1)
    rows = x.reshape(-1, x.shape[-1])
    k = np.zeros((len(rows), M))
    for i in range(0, len(rows), _BLOCK):
        k[i : i + _BLOCK] = _reflections(rows[i : i + _BLOCK], M)
    k = k.reshape(*x.shape[:-1], M)
    error = np.einsum("...n,...n->...", x, x) * np.prod(1 - k**2, axis=-1)
    return reflection_to_lpc(k), error, k


def _reflections(x, M):
    """Lattice on frames (T, N)."""
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
