"""Levels of frequency bands, to measure whether a codec changes the colour of a sound.

Place in the chain: at the end, beside `dsp.metrics`. All functions process the last axis and keep the leading axes.

Notation: N samples, K samples per window, B bands, P(f) long-term power spectrum.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, positive

__all__ = ["band_level_differences_db", "band_levels_db"]

_WINDOW_S = 0.032
_FLOOR = 1e-12  # mean square added to each band, full scale 1: -120 dB


def band_levels_db(x: ArrayLike, sample_rate_hz: float, edges_hz: ArrayLike) -> np.ndarray:
    """Return the long-term level of each band: the mean square of the part of a signal within the band, in dB.

    The power spectrum is the mean over Hann windows of 32 ms that overlap by half. Its resolution is 31 Hz, and a band
    contains the bins from its lower edge up to, but without, its upper edge.

    Parameters
    ----------
    x : array (..., N)
        N at least one window, 32 ms.
    sample_rate_hz : float > 0
    edges_hz : array (B+1,)
        Ascending band edges, 0 to half of the sample rate; each band contains at least one bin.

    Returns
    -------
    float64 array (..., B)
        dB relative to a mean square of 1, at least -120.

    Raises
    ------
    ValueError
        If the signal is shorter than a window or not finite, the edges do not ascend within the band, or a band
        contains no bin.

    Examples
    --------
    >>> x = np.sqrt(2) * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    >>> band_levels_db(x, 16000, [100, 800, 1200, 7000]).round(2).clip(-60).tolist()
    [-60.0, 0.0, -60.0]

    References
    ----------
    P. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. AU 15 (1967).
    """
    x = finite("x", x)
    n = int(_WINDOW_S * positive("sample_rate_hz", sample_rate_hz))
    if x.shape[-1] < n or n < 2:
        raise ValueError(f"`x` has {x.shape[-1]} samples, it must have at least those of a window, {max(n, 2)}")
    bins = np.ceil(_edges(edges_hz, sample_rate_hz) * n / sample_rate_hz - 1e-9).astype(int)
    if (np.diff(bins) < 1).any():
        least_hz = sample_rate_hz / n
        raise ValueError(f"`edges_hz` has a band without a bin, bands must be at least {least_hz:.0f} Hz wide")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    spectrum = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(x, n, axis=-1)[..., :: n // 2, :] * hann)
    power = (spectrum.real**2 + spectrum.imag**2).mean(-2) / (n * (hann**2).sum())
    power[..., 1 : (n + 1) // 2] *= 2  # negative frequencies
    total = np.concatenate([np.zeros_like(power[..., :1]), np.cumsum(power, -1)], axis=-1)
    return 10 * np.log10(np.maximum(np.diff(total[..., np.minimum(bins, n // 2 + 1)], axis=-1), 0) + _FLOOR)


def band_level_differences_db(x: ArrayLike, y: ArrayLike, sample_rate_hz: float, edges_hz: ArrayLike) -> np.ndarray:
    """Return by how much the level of each band of y exceeds that of x.

    Parameters
    ----------
    x : array (..., N)
        Reference.
    y : array (..., N)
    sample_rate_hz : float > 0
    edges_hz : array (B+1,)
        As for `band_levels_db`.

    Returns
    -------
    float64 array (..., B)
        dB.

    Raises
    ------
    ValueError
        As for `band_levels_db`, or if shapes differ.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=16000)
    >>> band_level_differences_db(x, x / 2, 16000, [100, 1000, 7000]).round(2).tolist()
    [-6.02, -6.02]
    """
    x, y = finite("x", x), finite("y", y)
    if x.shape != y.shape:
        raise ValueError(f"`y` has shape {y.shape}, it must have the shape of `x`, {x.shape}")
    return band_levels_db(y, sample_rate_hz, edges_hz) - band_levels_db(x, sample_rate_hz, edges_hz)


def _edges(edges_hz: ArrayLike, sample_rate_hz: float) -> np.ndarray:
    edges = finite("edges_hz", edges_hz)
    if edges.ndim != 1 or len(edges) < 2 or (np.diff(edges) <= 0).any() or edges[0] < 0:
        raise ValueError(f"`edges_hz` is {edges.tolist()}, it must have at least two ascending frequencies from 0 on")
    if edges[-1] > sample_rate_hz / 2:
        raise ValueError(f"`edges_hz` ends at {edges[-1]:g}, it must end at half of the sample rate at most")
    return edges
