"""Distances between signals and between spectral envelopes, to measure the error of a block or of a whole codec.

Place in the chain: at the end. All functions process the last axis and keep the leading axes. The reference is the
first argument. None of the functions measures perceived quality.

Notation: N samples, M order, x reference, y estimate, P power spectrum, g gain.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, number, number_in, predictor, shown
from dsp.spectrum import lpc_to_autocorrelation


def snr_db(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the signal-to-noise ratio 10 log10(sum x^2 / sum (x - y)^2).

    Parameters
    ----------
    x : array (..., N)
        Reference.
    y : array (..., N)

    Returns
    -------
    float64 array (...)
        dB; infinity if y equals x, minus infinity if only x is silent.

    Raises
    ------
    ValueError
        If shapes differ or a value is not finite.

    Examples
    --------
    >>> float(snr_db([3.0, 4.0], [3.0, 4.5]))
    20.0

    References
    ----------
    N. Jayant and P. Noll, "Digital Coding of Waveforms", Prentice-Hall (1984), appendix E.
    """
    x, y = _pair(x, y)
    return _ratio_db(np.sum(x**2, -1), np.sum((x - y) ** 2, -1))


def segmental_snr_db(
    x: ArrayLike, y: ArrayLike, segment: int, low_db: float = -10.0, high_db: float = 35.0
) -> np.ndarray:
    """Return the mean of the signal-to-noise ratios of segments; each ratio is limited to a range.

    Parameters
    ----------
    x : array (..., N)
        Reference.
    y : array (..., N)
    segment : int, 1..N
        Samples per segment, usually 15 to 25 ms. An incomplete segment at the end is ignored.
    low_db, high_db : float, low_db <= high_db
        Limits of each ratio, so that silence does not dominate the mean.

    Returns
    -------
    float64 array (...)
        dB; mean over the segments in which x is not silent, NaN if there is none.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or a number is out of range.

    Examples
    --------
    >>> float(segmental_snr_db([3.0, 4.0, 1.0, 1.0], [3.0, 4.5, 1.0, 1.0], 2))
    27.5

    References
    ----------
    S. Quackenbush, T. Barnwell and M. Clements, "Objective Measures of Speech Quality", Prentice-Hall (1988); limits
    of J. Hansen and B. Pellom, ICSLP 1998.
    """
    x, y = _pair(x, y)
    L = integer_in("segment", segment, 1, max(1, x.shape[-1]))
    for name, value in (("low_db", low_db), ("high_db", high_db)):
        if np.isnan(number(value)):
            raise ValueError(f"`{name}` is {shown(value)}, it must be a number")
    if not low_db <= high_db:
        raise ValueError(f"`low_db` is {low_db:g}, it must be at most `high_db`, {high_db:g}")
    S = x.shape[-1] // L
    x, y = (v[..., : S * L].reshape(*v.shape[:-1], S, L) for v in (x, y))
    ratio_db = np.clip(snr_db(x, y), low_db, high_db)
    audible = (x != 0).any(-1)
    n = audible.sum(-1)
    total = np.where(audible, ratio_db, 0.0).sum(-1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def si_sdr_db(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the scale-invariant signal-to-distortion ratio: the reference is scaled to the estimate by least squares.

    Parameters
    ----------
    x : array (..., N)
        Reference.
    y : array (..., N)

    Returns
    -------
    float64 array (...)
        dB; infinity if y is a multiple of x, minus infinity if x and y are orthogonal, NaN if both are silent.

    Raises
    ------
    ValueError
        If shapes differ or a value is not finite.

    Examples
    --------
    >>> float(si_sdr_db([1.0, 0.0], [2.0, 0.2]).round(9))
    20.0

    References
    ----------
    J. Le Roux, S. Wisdom, H. Erdogan and J. Hershey, "SDR - half-baked or well done?", ICASSP 2019.
    """
    x, y = _pair(x, y)
    power = np.sum(x**2, -1, keepdims=True)
    scale = np.sum(x * y, -1, keepdims=True) / np.where(power > 0, power, 1.0)
    target = scale * x
    return _ratio_db(np.sum(target**2, -1), np.sum((target - y) ** 2, -1), nothing=np.nan)


def log_spectral_distance_db(
    x: ArrayLike, y: ArrayLike, window: int = 512, hop: int = 256, range_db: float = 60.0
) -> np.ndarray:
    """Return the mean over frames of the root mean square difference of log spectra.

    Parameters
    ----------
    x : array (..., N)
        Reference; N at least `window`.
    y : array (..., N)
    window : int >= 2
        Length in samples of the Hann window and of the FFT.
    hop : int >= 1
    range_db : float > 0
        Dynamic range: lower levels, relative to the loudest bin of x, are raised to this limit.

    Returns
    -------
    float64 array (...)
        dB; 0 if x and y are silent.

    Raises
    ------
    ValueError
        If shapes differ, signals are not finite or shorter than a window, or a number is out of range.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=1024)
    >>> float(log_spectral_distance_db(x, 2 * x).round(2))
    6.02

    References
    ----------
    A. Gray and J. Markel, "Distance measures for speech processing", IEEE Trans. ASSP 24 (1976).
    """
    x, y = _pair(x, y)
    window, hop = integer_in("window", window, 2), integer_in("hop", hop, 1)
    number_in("range_db", range_db, 0)
    if x.shape[-1] < window:
        raise ValueError(f"`x` has {x.shape[-1]} samples, it must have at least `window`, {window}")
    Px, Py = (_power_spectra(v, window, hop) for v in (x, y))
    floor = Px.max((-2, -1), keepdims=True) * 10 ** (-range_db / 10) + np.finfo(float).tiny
    difference_db = 10 * np.log10(np.maximum(Px, floor)) - 10 * np.log10(np.maximum(Py, floor))
    return np.sqrt(np.mean(difference_db**2, -1)).mean(-1)


def itakura_saito(a: ArrayLike, b: ArrayLike, gain_a: ArrayLike = 1.0, gain_b: ArrayLike = 1.0) -> np.ndarray:
    """Return the Itakura-Saito distance of two all-pole envelopes, the mean of P/Q - ln(P/Q) - 1.

    With P = g_a^2 / |A|^2 and Q = g_b^2 / |B|^2 it is computed in closed form from the autocorrelation of P.

    Parameters
    ----------
    a : array (..., M+1)
        Reference; 1/A(z) must be stable.
    b : array (..., M+1)
        1/B(z) must be stable; the order may differ from that of `a`.
    gain_a, gain_b : array (...)
        Gains g_a and g_b, above 0.

    Returns
    -------
    float64 array (...)
        At least 0; the distance is not symmetric.

    Raises
    ------
    ValueError
        If a predictor is not stable or not finite, or a gain is not above 0.

    Examples
    --------
    >>> float(itakura_saito([1.0, -0.5], [1.0, 0.0]).round(6))
    0.333333

    References
    ----------
    F. Itakura and S. Saito, "Analysis synthesis telephony based on the maximum likelihood method", Proc. 6th ICA
    (1968).
    """
    g, h = (finite(name, v, 0) for name, v in (("gain_a", gain_a), ("gain_b", gain_b)))
    for name, v in (("gain_a", g), ("gain_b", h)):
        if not (v > 0).all():
            raise ValueError(f"`{name}` has a value of {v.min():g}, all gains must be above 0")
    ratio = (g / h) ** 2
    # The mean of ln |A|^2 is 0 for minimum phase, so the mean of ln(P/Q) is ln(g_a^2 / g_b^2).
    return np.maximum(ratio * _filtered_power(a, b) - np.log(ratio) - 1, 0.0)


def log_likelihood_ratio(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Return ln(b' R b / a' R a), the log ratio of the prediction error powers of B(z) and A(z) for a signal of 1/A(z).

    Parameters
    ----------
    a : array (..., M+1)
        Reference; 1/A(z) must be stable. R is its autocorrelation matrix.
    b : array (..., M+1)
        The order may differ from that of `a`.

    Returns
    -------
    float64 array (...)
        Natural logarithm of a power ratio, at least 0; independent of gains.

    Raises
    ------
    ValueError
        If 1/A(z) is not stable or a value is not finite.

    Examples
    --------
    >>> float(log_likelihood_ratio([1.0, -0.5], [1.0, 0.0]).round(6))
    0.287682

    References
    ----------
    F. Itakura, "Minimum prediction residual principle applied to speech recognition", IEEE Trans. ASSP 23 (1975).
    """
    return np.maximum(np.log(_filtered_power(a, b)), 0.0)


def _pair(x, y):
    x, y = finite("x", x), finite("y", y)
    if x.shape != y.shape:
        raise ValueError(f"`y` has shape {y.shape}, it must have the shape of `x`, {x.shape}")
    return x, y


def _ratio_db(signal, noise, nothing=np.inf):
    """Return 10 log10(signal / noise), infinite if one of them is 0, and `nothing` if both are 0."""
    both = (signal > 0) & (noise > 0)
    levels = [10 * np.log10(np.where(both, v, 1.0)) for v in (signal, noise)]
    silent = np.where(noise > 0, -np.inf, np.where(signal > 0, np.inf, nothing))
    return np.where(both, levels[0] - levels[1], silent)


def _power_spectra(x, window, hop):
    """Return Hann-weighted power spectra (..., T, window // 2 + 1)."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    X = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(x, window, axis=-1)[..., ::hop, :] * hann)
    return X.real**2 + X.imag**2


def _filtered_power(a, b):
    """Return b' R b, the power of white noise of unit power filtered by B(z) / A(z)."""
    a, b = predictor("a", a), predictor("b", b)
    K = max(a.shape[-1], b.shape[-1])
    a, b = (np.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, K - v.shape[-1])]) for v in (a, b))
    r = lpc_to_autocorrelation(a)
    # Autocorrelation of the coefficients of B.
    lags = np.stack([np.sum(b[..., : K - m] * b[..., m:], -1) for m in range(K)], axis=-1)
    return lags[..., 0] * r[..., 0] + 2 * np.sum(lags[..., 1:] * r[..., 1:], -1)
