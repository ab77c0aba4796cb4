"""Linear prediction by the autocorrelation method: pre-emphasis, autocorrelation, lag window, Levinson-Durbin.

Place in the chain: from frames to predictor coefficients. All functions are vectorised over frames. `dsp.analysis`
calls the whole chain; `dsp.filters` has the analysis and synthesis filters.

Notation: M order, N window length, T frames, r autocorrelation, a coefficients, k reflection coefficients,
E error power.
"""

from importlib import import_module
from operator import mul

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, number_in, positive

_BLOCK = 1024  # frames per step, so that they fit in the cache


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
        If `order` is out of range, or `frames` is not finite or has no samples.

    Examples
    --------
    >>> autocorrelation([1.0, 2.0, 3.0], 2).tolist()
    [14.0, 8.0, 3.0]

    References
    ----------
    J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63 (1975), eq. 22.
    """
    x = finite("frames", frames)
    N = x.shape[-1]
    if N == 0:
        raise ValueError(f"`frames` has shape {x.shape}, its last axis must hold at least one sample")
    M = integer_in("order", order, 0, N - 1)
    padded = np.zeros((*x.shape[:-1], N + M))
    padded[..., :N] = x
    # x[n+m] of every lag m: a view, because `sliding_window_view` takes as long as all else for one frame
    delayed = np.ndarray((*x.shape[:-1], M + 1, N), padded.dtype, padded, 0, (*padded.strides, padded.itemsize))
    return np.vecdot(delayed, x[..., None, :])


def lag_window(order: int, bandwidth_hz: float, sample_rate_hz: float) -> np.ndarray:
    """Return the Gaussian lag window w[m] = exp(-(2 pi f0 m / fs)^2 / 2), which widens spectral peaks.

    Parameters
    ----------
    order : int >= 0
    bandwidth_hz : float, 0..fs
        f0, by which spectral peaks are widened.
    sample_rate_hz : float > 0
        Sample rate fs.

    Returns
    -------
    float64 array (M+1,)
        Multiply the autocorrelation by it.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> lag_window(2, 60.0, 16000.0).round(5).tolist()
    [1.0, 0.99972, 0.99889]

    References
    ----------
    Y. Tohkura, F. Itakura and S. Hashimoto, IEEE Trans. ASSP 26 (1978); 3GPP TS 26.190, 5.2.1.
    """
    M = integer_in("order", order, 0)
    fs = positive("sample_rate_hz", sample_rate_hz)
    f0 = number_in("bandwidth_hz", bandwidth_hz, 0, fs)
    return np.exp(-0.5 * (2 * np.pi * f0 / fs * np.arange(M + 1)) ** 2)


def white_noise_correction(r: ArrayLike, fraction: float = 1e-4) -> np.ndarray:
    """Return r with r[0] multiplied by 1 + fraction, which adds a white noise floor to the spectrum.

    Parameters
    ----------
    r : array (..., M+1)
        Autocorrelation.
    fraction : float >= 0
        Ratio of the noise power to the power of the frame; 1e-4 is -40 dB.

    Returns
    -------
    float64 array (..., M+1)

    Raises
    ------
    ValueError
        If `r` is not finite or has an empty last axis, or `fraction` is negative.

    Examples
    --------
    >>> white_noise_correction([2.0, 1.0], 0.01).tolist()
    [2.02, 1.0]

    References
    ----------
    3GPP TS 26.190, 5.2.1 (1e-4).
    """
    r = _correlation(r).copy()
    r[..., 0] *= 1 + number_in("fraction", fraction, 0)
    return r


def levinson_durbin(r: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve the normal equations of linear prediction for all frames by the Levinson-Durbin recursion.

    If the error power of a frame becomes zero (silence, or a perfectly predictable signal), or so small that rounding
    makes a reflection coefficient larger than 1, the remaining coefficients of this frame are zero.

    Parameters
    ----------
    r : array (..., M+1)
        Autocorrelation.

    Returns
    -------
    a : float64 array (..., M+1)
        Coefficients, a[..., 0] = 1.
    error : float64 array (...)
        Prediction error power E, in the same unit as r[..., 0].
    k : float64 array (..., M)
        Reflection coefficients, within [-1, 1]; the magnitude is 1 only for a singular autocorrelation.

    Raises
    ------
    ValueError
        If `r` is not finite, has an empty last axis, or a negative r[..., 0].

    Examples
    --------
    >>> a, error, k = levinson_durbin([1.0, 0.5, 0.25])
    >>> a.tolist(), float(error)
    ([1.0, -0.5, 0.0], 0.75)

    References
    ----------
    J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63 (1975), eq. 38.
    """
    r = _correlation(r)
    rows = r.reshape(-1, r.shape[-1])
    if len(rows) == 1 and (found := _levinson_single(rows[0].tolist())):
        a, E, k = map(np.array, found)
        return a.reshape(r.shape), E.reshape(r.shape[:-1]), k.reshape(*r.shape[:-1], -1)
    a, E, k = np.empty_like(rows), np.empty(len(rows)), np.empty((len(rows), rows.shape[-1] - 1))
    for i in range(0, len(rows), _BLOCK):
        block = slice(i, i + _BLOCK)
        A, E[block], K = _levinson(np.ascontiguousarray(rows[block].T))
        a[block], k[block] = A.T, K.T
    return a.reshape(r.shape), E.reshape(r.shape[:-1]), k.reshape(*r.shape[:-1], k.shape[-1])


def _levinson(r):
    """Return A, E and K from r (M+1, T); the frames are the last axis, so that every step processes long rows.

    The first recursion assumes that all frames are regular; others are computed again.
    """
    a, E, k = np.zeros_like(r), np.empty_like(r), np.empty_like(r[1:])
    a[0], E[0] = 1.0, r[0]
    with np.errstate(all="ignore"):
        for m in range(1, len(r)):
            k[m - 1] = np.einsum("mt,mt->t", a[:m], r[m:0:-1]) / -E[m - 1]  # (38a)
            a[1 : m + 1] += k[m - 1] * a[m - 1 :: -1]  # (38c)
            E[m] = E[m - 1] * (1 - k[m - 1] ** 2)  # (38d)
        regular = (E[:-1] > 1e-14 * r[0]).all(0) & (np.abs(k) <= 1).all(0)
    if not regular.all():
        a[:, ~regular], E[-1, ~regular], k[:, ~regular] = _levinson_singular(r[:, ~regular])
    return a, E[-1], k


def _levinson_single(r: list[float]) -> tuple[list[float], float, list[float]] | None:
    """Return a, E and k of one frame, or None if it is not regular; calls of NumPy would take longer."""
    a, E, k = [1.0], r[0], []
    for m in range(1, len(r)):
        if not E > 1e-14 * r[0]:
            return None
        k_m = sum(map(mul, a, r[m:0:-1])) / -E  # (38a)
        if abs(k_m) > 1:
            return None
        a.append(0.0)
        a = [v + k_m * w for v, w in zip(a, reversed(a), strict=True)]  # (38c)
        E *= 1 - k_m**2  # (38d)
        k.append(k_m)
    return a, E, k


def _levinson_singular(r):
    """Return A, E and K of frames whose error power may become zero or rounding noise."""
    a, k = np.zeros_like(r), np.zeros_like(r[1:])
    a[0] = 1.0
    E = r[0].copy()
    alive = np.ones(E.shape, bool)
    for m in range(1, len(r)):
        alive &= E > 1e-14 * r[0]
        k_m = -(a[:m] * r[m:0:-1]).sum(0) / np.where(alive, E, 1.0)  # (38a)
        alive &= np.abs(k_m) < 1 + 1e-9  # for larger values, E is rounding noise
        k_m = np.where(alive, np.clip(k_m, -1.0, 1.0), 0.0)
        a[1 : m + 1] += k_m * a[m - 1 :: -1]  # (38c)
        E *= 1 - k_m**2  # (38d)
        k[m - 1] = k_m
    return a, E, k


def _correlation(r):
    r = finite("r", r)
    if r.shape[-1] == 0:
        raise ValueError(f"`r` has shape {r.shape}, its last axis must hold r[0] to r[M]")
    if (r[..., 0] < 0).any():
        raise ValueError(f"`r` has a power r[..., 0] of {r[..., 0].min():g}, it must be at least 0")
    return r


def preemphasis(x: ArrayLike, mu: float, previous: ArrayLike = 0.0) -> np.ndarray:
    """Return y[n] = x[n] - mu x[n-1], which compensates the spectral tilt of speech.

    Parameters
    ----------
    x : array (..., n_samples)
    mu : float, 0..1
    previous : array (...)
        x[-1], the sample before the first one. To continue a signal, pass the last sample of the previous `x`.

    Returns
    -------
    float64 array (..., n_samples)

    Raises
    ------
    ValueError
        If `x` or `previous` is not finite, `previous` has another shape, or `mu` is out of range.

    Examples
    --------
    >>> preemphasis([1.0, 1.0, 2.0], 0.5).tolist()
    [1.0, 0.5, 1.5]

    References
    ----------
    3GPP TS 26.190, 5.1 (mu = 0.68 at 12.8 kHz).
    """
    x, mu = finite("x", x), number_in("mu", mu, 0, 1)
    y = x.copy()
    y[..., 1:] -= mu * x[..., :-1]
    y[..., :1] -= mu * _before(x, "x", previous)[..., None]
    return y


def deemphasis(y: ArrayLike, mu: float, previous: ArrayLike = 0.0) -> np.ndarray:
    """Return x[n] = y[n] + mu x[n-1]; the inverse of `preemphasis`.

    Parameters
    ----------
    y : array (..., n_samples)
    mu : float, 0..1
    previous : array (...)
        x[-1], the sample before the first one. To continue a signal, pass the last sample of the previous result.

    Returns
    -------
    float64 array (..., n_samples)

    Raises
    ------
    ValueError
        If `y` or `previous` is not finite, `previous` has another shape, or `mu` is out of range.

    Examples
    --------
    >>> deemphasis([1.0, 0.5, 1.5], 0.5).tolist()
    [1.0, 1.0, 2.0]

    References
    ----------
    3GPP TS 26.190, 5.1.
    """
    from scipy.signal import lfilter  # slow to import

    y, mu = finite("y", y), number_in("mu", mu, 0, 1)
    return lfilter([1.0], [1.0, -mu], y, zi=mu * _before(y, "y", previous)[..., None])[0]


def _before(x: np.ndarray, name: str, previous: ArrayLike) -> np.ndarray:
    """Return the samples before the first ones of signals x (..., n_samples), one each."""
    value = finite("previous", previous, min_ndim=0)
    try:
        return np.broadcast_to(value, x.shape[:-1])
    except ValueError:
        raise ValueError(
            f"`previous` has shape {value.shape}, it must be {x.shape[:-1]} because `{name}` has shape {x.shape}"
        ) from None


_ELSEWHERE = {
    "Analysis": "dsp.analysis",
    "analyze": "dsp.analysis",
    "burg": "dsp.burg",
    "covariance": "dsp.covariance",
    "modified_covariance": "dsp.covariance",
    "synthesize": "dsp.analysis",
    "weighted_covariance": "dsp.weighted",
}


def __getattr__(name: str) -> object:
    """Return another method of linear prediction, which is imported on first use."""
    if name in _ELSEWHERE:
        return getattr(import_module(_ELSEWHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
