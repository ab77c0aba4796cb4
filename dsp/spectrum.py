"""Spectra of predictors: envelope, autocorrelation, and distances between envelopes.

Place in the chain: from coefficients to plots, measurements and comparisons. The envelope of a predictor with gain g is
the power spectrum P(w) = g^2 / |A(e^jw)|^2; its inverse Fourier transform is the autocorrelation of the impulse
response.

Notation: M order, K+1 bins from 0 to half the sample rate, g gain, P power, r autocorrelation.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, number_in, predictor
from dsp.lpc import levinson_durbin

AMRWB_RATE_HZ = 12800
"""Sample rate of linear prediction in AMR-WB; its envelopes end at half of this rate."""


def lpc_to_power(a: ArrayLike, gain: ArrayLike = 1.0, n_fft: int = 512) -> np.ndarray:
    """Return the power spectrum g^2 / |A|^2 of predictors, on n_fft/2 + 1 equally spaced bins.

    Parameters
    ----------
    a : array (..., M+1)
    gain : array (...)
        g, the square root of the power of the residual; broadcast against the leading axes.
    n_fft : int, even, > M
        Length of the FFT; bin k is at k/n_fft of the sample rate.

    Returns
    -------
    float64 array (..., n_fft/2 + 1)

    Raises
    ------
    ValueError
        If `a` is not a predictor, `gain` is not finite or `n_fft` is odd or too small.

    Examples
    --------
    >>> lpc_to_power([1.0, -0.5], n_fft=4).round(4).tolist()
    [4.0, 0.8, 0.4444]

    References
    ----------
    J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63 (1975).
    """
    a, g = predictor("a", a), finite("gain", gain, 0)
    n_fft = integer_in("n_fft", n_fft, max(2, a.shape[-1]))
    if n_fft % 2:
        raise ValueError(f"`n_fft` is {n_fft}, it must be even")
    A = np.fft.rfft(a, n_fft)
    power = A.real**2 + A.imag**2
    return g[..., None] ** 2 / np.maximum(power, np.finfo(float).tiny)  # finite even for zeros on the unit circle


def power_to_lpc(power: ArrayLike, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictor whose autocorrelation matches that of a power spectrum at lags 0..M.

    It is the inverse of `lpc_to_power` if the bins are dense enough for the narrowest peak of the envelope.

    Parameters
    ----------
    power : array (..., K+1), >= 0
        Bins from 0 to half the sample rate, both included.
    order : int, 0..K

    Returns
    -------
    a : float64 array (..., M+1)
    gain : float64 array (...)

    Raises
    ------
    ValueError
        If `power` has a negative value, has fewer than two bins or is not finite, or `order` is out of range.

    Examples
    --------
    >>> a, gain = power_to_lpc(lpc_to_power([1.0, -0.5], gain=2.0), 1)
    >>> a.round(12).tolist(), float(gain.round(12))
    ([1.0, -0.5], 2.0)

    References
    ----------
    J. Makhoul, "Spectral linear prediction: properties and applications", IEEE Trans. ASSP 23 (1975).
    """
    power = finite("power", power)
    if power.shape[-1] < 2:
        raise ValueError(f"`power` has shape {power.shape}, its last axis must hold at least two bins")
    if (power < 0).any():
        raise ValueError(f"`power` has a value of {power.min():g}, all values must be at least 0")
    order = integer_in("order", order, 0, power.shape[-1] - 1)
    a, error, _ = levinson_durbin(np.fft.irfft(power)[..., : order + 1])
    return a, np.sqrt(np.maximum(error, 0.0))


def envelope_db(a: ArrayLike, gain: ArrayLike = 1.0, n_fft: int = 512) -> np.ndarray:
    """Return the spectral envelope g^2 / |A|^2 in dB.

    Parameters
    ----------
    a : array (..., M+1)
    gain : array (...)
        A gain of 0 is replaced by the smallest normal number, about -6150 dB.
    n_fft : int, even, > M

    Returns
    -------
    float64 array (..., n_fft/2 + 1)

    Raises
    ------
    ValueError
        As `lpc_to_power`.

    Examples
    --------
    >>> envelope_db([1.0, -0.5], n_fft=4).round(2).tolist()
    [6.02, -0.97, -3.52]
    """
    g = np.maximum(np.abs(finite("gain", gain, 0)), np.finfo(float).tiny)
    return 10 * np.log10(lpc_to_power(a, 1.0, n_fft)) + 20 * np.log10(g)[..., None]


def lpc_to_autocorrelation(a: ArrayLike, error: ArrayLike = 1.0) -> np.ndarray:
    """Return lags 0..M of the autocorrelation for which `levinson_durbin` gives these coefficients.

    Parameters
    ----------
    a : array (..., M+1)
        1/A(z) must be stable.
    error : array (...)
        Prediction error power E.

    Returns
    -------
    float64 array (..., M+1)

    Raises
    ------
    ValueError
        If `a` is not a predictor, 1/A(z) is not stable, or `error` is not finite.

    Examples
    --------
    >>> lpc_to_autocorrelation([1.0, -0.5, 0.0], 0.75).tolist()
    [1.0, 0.5, 0.25]

    References
    ----------
    J. Markel and A. Gray, "Linear Prediction of Speech", Springer (1976): inverse Levinson recursion.
    """
    a, error = predictor("a", a), finite("error", error, 0)
    M = a.shape[-1] - 1
    steps = [a]
    for m in range(M, 0, -1):  # step-down recursion: predictors of all lower orders
        k = steps[-1][..., m : m + 1]
        if (np.abs(k) >= 1).any():
            raise ValueError("`a` has roots on or outside the unit circle, 1/A(z) must be stable")
        steps.append(((steps[-1] - k * steps[-1][..., ::-1]) / (1 - k**2))[..., :m])
    steps.reverse()
    r = np.empty(np.broadcast_shapes(a.shape, (*error.shape, 1)))
    r[..., 0] = error / np.prod([1 - s[..., -1] ** 2 for s in steps[1:]], axis=0)
    E = r[..., 0].copy()
    for m in range(1, M + 1):
        k = steps[m][..., -1]
        r[..., m] = -k * E - np.einsum("...j,...j->...", steps[m - 1][..., 1:], r[..., m - 1 : 0 : -1])
        E *= 1 - k**2
    return r


def spectral_distortion_db(
    a: ArrayLike,
    b: ArrayLike,
    sample_rate_hz: float = 2.0,
    low_hz: float = 0.0,
    high_hz: float | None = None,
    n_fft: int = 512,
) -> np.ndarray:
    """Return the root mean square difference in dB between two envelopes of unit gain, over a frequency band.

    Parameters
    ----------
    a, b : array (..., M+1)
        Predictors; their orders may differ.
    sample_rate_hz : float > 0
        Unit of `low_hz` and `high_hz` only.
    low_hz, high_hz : float, 0 <= low_hz < high_hz <= sample_rate_hz / 2
        Ends of the band, both included; None stands for half the sample rate.
    n_fft : int, even, > M

    Returns
    -------
    float64 array (...)

    Raises
    ------
    ValueError
        If `a` or `b` is not a predictor or the band contains no bin.

    Examples
    --------
    >>> float(spectral_distortion_db([1.0, 0.0], [1.0, -0.1]).round(3))
    0.615

    References
    ----------
    K. Paliwal and B. Atal, "Efficient vector quantization of LPC parameters at 24 bits/frame", IEEE Trans.
    SAP 1 (1993).
    """
    fs = number_in("sample_rate_hz", sample_rate_hz, np.finfo(float).tiny)
    high_hz = number_in("high_hz", fs / 2 if high_hz is None else high_hz, 0, fs / 2)
    low_hz = number_in("low_hz", low_hz, 0, high_hz)
    difference_db = _level_db(a, "a", n_fft) - _level_db(b, "b", n_fft)
    f_hz = np.arange(difference_db.shape[-1]) * fs / n_fft
    weight = np.where((f_hz >= low_hz) & (f_hz <= high_hz), 1.0, 0.0)
    if not weight.any():
        raise ValueError(f"`low_hz` is {low_hz:g} and `high_hz` is {high_hz:g}, the band must contain a bin of `n_fft`")
    weight[[0, -1]] *= 0.5  # the first and the last bin are half as wide
    return np.sqrt(difference_db**2 @ (weight / weight.sum()))


def spectral_distortion_amrwb_db(
    a: ArrayLike, b: ArrayLike, sample_rate_hz: float = AMRWB_RATE_HZ, n_fft: int = 512
) -> np.ndarray:
    """Return the spectral distortion over 0 to 6400 Hz, the band of linear prediction in AMR-WB.

    At 12.8 kHz, the rate of AMR-WB, this is the full band. At higher rates, frequencies that AMR-WB does not transmit
    are ignored, so that quantisers at different sample rates can be compared.

    Parameters
    ----------
    a, b : array (..., M+1)
    sample_rate_hz : float >= 12800
    n_fft : int, even, > M

    Returns
    -------
    float64 array (...)

    Raises
    ------
    ValueError
        As `spectral_distortion_db`, and if the sample rate is below 12.8 kHz.

    Examples
    --------
    >>> float(spectral_distortion_amrwb_db([1.0, 0.0], [1.0, -0.1]).round(3))
    0.615

    References
    ----------
    3GPP TS 26.190, 5.2.5; S. So and K. Paliwal, "A comparative study of LPC parameter representations and
    quantisation schemes for wideband speech coding", Digital Signal Processing 17 (2007).
    """
    fs = number_in("sample_rate_hz", sample_rate_hz, AMRWB_RATE_HZ)
    return spectral_distortion_db(a, b, fs, 0.0, AMRWB_RATE_HZ / 2, n_fft)


def distortion_summary(distortion_db: ArrayLike) -> tuple[float, float, float]:
    """Return mean and outlier percentages of spectral distortion, as used to compare envelope quantisers.

    The usual conditions for transparent quality are a mean of about 1 dB, fewer than 2 % of frames from 2 to 4 dB, and
    no frames above 4 dB.

    Parameters
    ----------
    distortion_db : array (T, ...), not empty

    Returns
    -------
    mean_db : float
    percent_2_to_4 : float
        Percentage of frames above 2 and up to 4 dB.
    percent_above_4 : float
        Percentage of frames above 4 dB.

    Raises
    ------
    ValueError
        If there is no frame.

    Examples
    --------
    >>> distortion_summary([0.5, 1.5, 3.0, 5.0])
    (2.5, 25.0, 25.0)

    References
    ----------
    K. Paliwal and B. Atal, IEEE Trans. SAP 1 (1993).
    """
    sd = finite("distortion_db", distortion_db)
    if sd.size == 0:
        raise ValueError("`distortion_db` is empty, it must hold at least one frame")
    return float(sd.mean()), float(100 * ((sd > 2) & (sd <= 4)).mean()), float(100 * (sd > 4).mean())


def _level_db(a, name, n_fft):
    return envelope_db(predictor(name, a), 1.0, n_fft)
