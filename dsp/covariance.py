"""Linear prediction by the covariance methods, which are exact on short frames but not always stable.

Place in the chain: from frames to predictor coefficients. Only samples inside the frame are used, without a window
and without zeros around it. Therefore sums of sinusoids and decaying resonances are predicted without error. If a
stable filter is needed, apply `dsp.reflection.minimum_phase` to the result.

Notation: M order, N frame length, T frames.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in

_BLOCK = 64  # frames per step, so that their rows fit in the cache
_SINGULAR = 1e-12  # singular values below this fraction of the largest one are rounding noise


def covariance(frames: ArrayLike, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictors that minimise the energy of e[n] = sum_k a_k x[n-k], n = M..N-1.

    If there are several, as for silence or fewer than M/2 sinusoids, the result is the one with the smallest norm.

    Parameters
    ----------
    frames : array (..., N)
        Samples without a window.
    order : int, 0..N/2

    Returns
    -------
    a : float64 array (..., M+1)
        Coefficients, a[..., 0] = 1; 1/A(z) may be unstable.
    error : float64 array (...)
        Energy of the error, in the same unit as sum x[n]^2.

    Raises
    ------
    ValueError
        If `frames` is not finite or `order` is out of range.

    Examples
    --------
    >>> a, error = covariance([1.0, 2.0, 4.0, 8.0], 1)
    >>> a.round(9).tolist(), error.round(9).item()
    ([1.0, -2.0], 0.0)

    References
    ----------
    B. S. Atal and S. L. Hanauer, J. Acoust. Soc. Am. 50 (1971); J. Makhoul, Proc. IEEE 63 (1975), II-C.
    """
    x, M = _frames_and_order(frames, order)
    return fit(M, lambda part: forward(part, M), x)


def modified_covariance(frames: ArrayLike, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictors that minimise the sum of forward and backward error energy.

    Among the methods of this package, it has the smallest bias for the frequencies of sinusoids in noise.

    Parameters
    ----------
    frames : array (..., N)
        Samples without a window.
    order : int, 0..N/2

    Returns
    -------
    a : float64 array (..., M+1)
        Coefficients, a[..., 0] = 1; 1/A(z) may be unstable.
    error : float64 array (...)
        Mean of the energies of both errors, in the same unit as sum x[n]^2.

    Raises
    ------
    ValueError
        If `frames` is not finite or `order` is out of range.

    Examples
    --------
    >>> a, error = modified_covariance(np.cos(0.5 * np.arange(20)), 2)
    >>> a.round(9).tolist() == [1, round(-2 * np.cos(0.5), 9), 1], error.round(9).item()
    (True, 0.0)

    References
    ----------
    L. Marple, "A new autoregressive spectrum analysis algorithm", IEEE Trans. ASSP 28 (1980).
    """
    x, M = _frames_and_order(frames, order)
    a, energy = fit(M, lambda part: np.concatenate([forward(part, M), forward(part[:, ::-1], M)], axis=1), x)
    return a, 0.5 * energy


def forward(x: np.ndarray, M: int) -> np.ndarray:
    """Return the rows x[n], x[n-1] .. x[n-M] for n = M..N-1, shape (T, N) to (T, N-M, M+1)."""
    return np.lib.stride_tricks.sliding_window_view(x, M + 1, axis=-1)[..., ::-1]


def fit(M: int, rows_of: Callable[..., np.ndarray], *arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the a (..., M+1) that minimises |rows a|^2, and this minimum (...), for every frame.

    `rows_of` returns the rows (T, n, M+1) of T frames; its arguments are T frames (T, N) of each array (..., N).
    """
    flat = [v.reshape(-1, v.shape[-1]) for v in arrays]
    a, energy = np.ones((len(flat[0]), M + 1)), np.zeros(len(flat[0]))
    for i in range(0, len(a), _BLOCK):
        block = slice(i, i + _BLOCK)
        rows = rows_of(*(v[block] for v in flat))
        a[block, 1:] = _least_squares(rows)
        energy[block] = np.square(rows @ a[block, :, None]).sum((1, 2))
    return a.reshape(*arrays[0].shape[:-1], M + 1), energy.reshape(arrays[0].shape[:-1])


def _frames_and_order(frames, order):
    x = finite("frames", frames)
    return x, integer_in("order", order, 0, x.shape[-1] // 2)


def _least_squares(rows):
    """Return the coefficients a_1..a_M that minimise |rows a|, where a = (1, a_1, .., a_M).

    The QR decomposition is used because normal equations would square the condition number.
    """
    M = rows.shape[-1] - 1
    R = np.asarray(np.linalg.qr(np.roll(rows, -1, axis=-1), mode="r"))
    R, y = R[:, :M, :M], -R[:, :M, M]
    size = np.abs(np.diagonal(R, axis1=-2, axis2=-1))
    hard = (size <= 1e3 * _SINGULAR * size.max(-1, keepdims=True, initial=0)).any(-1)
    found = np.zeros((len(rows), M))
    found[~hard] = np.linalg.solve(R[~hard], y[~hard, :, None])[..., 0]
    if hard.any():
        found[hard] = (np.linalg.pinv(R[hard], rcond=_SINGULAR) @ y[hard, :, None])[..., 0]
    return found
