"""Linear prediction by the autocorrelation method: correlation, conditioning, Levinson-Durbin recursion.

Place in the chain: frames in, predictor coefficients out. Everything is vectorised over frames.

Letters: M order, N window length, r autocorrelation, a coefficients, k reflection coefficients, E error power.
"""

import numpy as np
from numpy.typing import ArrayLike


def autocorrelation(frames: ArrayLike, order: int) -> np.ndarray:
    """Return r[m] = sum_n x[n] x[n+m] of every frame, m = 0..M.

    Parameters
    ----------
    frames : array (..., N)
        Windowed samples.
    order : int, 0..N-1

    Returns
    -------
    float64 array (..., M+1)

    Raises
    ------
    ValueError
        If `order` does not fit the frames.

    Examples
    --------
    >>> autocorrelation([1.0, 2.0, 3.0], 2).tolist()
    [14.0, 8.0, 3.0]
    """
    x = np.asarray(frames, np.float64)
    if x.ndim == 0 or not 0 <= order < x.shape[-1]:
        raise ValueError(f"`order` is {order}, it must be 0 to one less than the frame length")
    N = x.shape[-1]
    return np.stack([np.einsum("...n,...n->...", x[..., : N - m], x[..., m:]) for m in range(order + 1)], axis=-1)


def lag_window(order: int, bandwidth_hz: float, sample_rate_hz: float) -> np.ndarray:
    """Return the Gaussian lag window w[m] = exp(-(2 pi f0 m / fs)^2 / 2), which widens spectral peaks.

    Parameters
    ----------
    order : int >= 0
    bandwidth_hz : float >= 0
        f0.
    sample_rate_hz : float > 0
        fs.

    Returns
    -------
    array (M+1,)

    Examples
    --------
    >>> lag_window(2, 60.0, 16000.0).round(5).tolist()
    [1.0, 0.99972, 0.99889]

    References
    ----------
    Y. Tohkura, F. Itakura and S. Hashimoto, IEEE Trans. ASSP 26 (1978); 3GPP TS 26.190, 5.2.1.
    """
    return np.exp(-0.5 * (2 * np.pi * bandwidth_hz / sample_rate_hz * np.arange(order + 1)) ** 2)


def levinson_durbin(r: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve the normal equations of linear prediction for every frame at once.

    A frame whose error power reaches zero (silence, or perfectly predictable) stops there: its remaining
    coefficients are zero.

    Parameters
    ----------
    r : array (..., M+1)
        Autocorrelation.

    Returns
    -------
    a : array (..., M+1)
        Coefficients, a[..., 0] = 1.
    error : array (...)
        Prediction error power E.
    k : array (..., M)
        Reflection coefficients.

    Examples
    --------
    >>> a, error, k = levinson_durbin([1.0, 0.5, 0.25])
    >>> a.tolist(), float(error)
    ([1.0, -0.5, 0.0], 0.75)

    References
    ----------
    J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63 (1975), eq. 38.
    """
    r = np.asarray(r, np.float64)
    M = r.shape[-1] - 1
    a = np.zeros_like(r)
    a[..., 0] = 1.0
    E = r[..., 0].copy()
    k = np.zeros((*r.shape[:-1], M))
    for m in range(1, M + 1):
        acc = np.einsum("...j,...j->...", a[..., :m], r[..., m:0:-1])
        alive = E > 1e-14 * np.abs(r[..., 0])
        k_m = np.where(alive, -acc / np.where(alive, E, 1.0), 0.0)
        a[..., 1 : m + 1] += k_m[..., None] * a[..., m - 1 :: -1]  # (38c)
        E = E * (1 - k_m**2)  # (38d)
        k[..., m - 1] = k_m
    return a, E, k
