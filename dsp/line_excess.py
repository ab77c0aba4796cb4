"""Spectral lines at the multiples of one frequency, which a codec adds to noise if it repeats in every subframe.

Place in the chain: at the end, beside `dsp.metrics`. All functions process the last axis and keep the leading axes.

Notation: N samples, K samples per window, T windows, L(f) long-term level in dB, f0 the frequency `step_hz`.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, number_in, positive

__all__ = ["line_excess_db", "pause_line_excess_db"]

_FLOOR = 1e-14  # added to power spectra of windows, full scale 1
_REACH = 2  # bins beside a frequency in which its peak is searched: half of a Hann window's main lobe
_BINS_PER_STEP = 8  # bins from line to line, at least, so that a line does not reach half-way to the next
_BAND = 0.97  # share of the band in which lines are searched
_FIRST = 2  # multiple of f0 that is searched first: below it, rumble and high-pass filters decide


def line_excess_db(y: ArrayLike, sample_rate_hz: float, step_hz: float, window_s: float = 0.256) -> np.ndarray:
    """Return by how much the levels at multiples of a frequency exceed those half-way between them.

    The value is the mean of L(m f0) - L((m + 1/2) f0) over m from 2 to 97 % of the band. L is the largest level within
    two bins, of the mean power spectrum of Hann windows that overlap by three quarters.

    Parameters
    ----------
    y : array (..., N)
        N at least one window.
    sample_rate_hz : float > 0
    step_hz : float > 0
        Frequency f0: for a codec, the rate of its subframes or blocks.
    window_s : float > 0
        Duration of a window, at least 8 periods of f0. The level of a line above noise grows by 3 dB for every
        doubling.

    Returns
    -------
    float64 array (...)
        dB; 0 for silence, and on average for noise with a smooth spectrum.

    Raises
    ------
    ValueError
        If the signal is shorter than a window or not finite, or a number is out of range.

    Examples
    --------
    >>> y = np.random.default_rng(0).normal(size=80000)
    >>> y[::64] += 4.0
    >>> float(line_excess_db(y, 16000, 250.0).round(1))
    9.9

    References
    ----------
    P. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. AU 15 (1967).
    """
    y = finite("y", y)
    n = _window("y", y, sample_rate_hz, step_hz, window_s)
    return _excess_db(_power(_frames(y, n)).mean(-2), n, sample_rate_hz, step_hz)


def pause_line_excess_db(
    x: ArrayLike, y: ArrayLike, sample_rate_hz: float, step_hz: float, window_s: float = 0.256, share: float = 0.12
) -> np.ndarray:
    """Return the `line_excess_db` of y in those windows in which x is quietest.

    Parameters
    ----------
    x : array (..., N)
        Original, which determines the pauses; N at least one window.
    y : array (..., N)
        Decoded signal, aligned with x. With y = x the result is the excess that the original has, from hum for example.
    sample_rate_hz : float > 0
    step_hz : float > 0
    window_s : float > 0
        As for `line_excess_db`.
    share : float, 0..1
        Share of the windows that count as pauses; at least one window is used.

    Returns
    -------
    float64 array (...)
        dB.

    Raises
    ------
    ValueError
        If shapes differ, the signals are shorter than a window or not finite, or a number is out of range.

    Examples
    --------
    >>> x = np.repeat([1.0, 0.01], 16000) * np.random.default_rng(0).normal(size=32000)
    >>> y = x + 0.05 * (np.arange(32000) % 64 == 0)
    >>> float(pause_line_excess_db(x, y, 16000, 250.0).round(1)), float(line_excess_db(y, 16000, 250.0).round(1))
    (11.1, 0.2)
    """
    x, y = finite("x", x), finite("y", y)
    if x.shape != y.shape:
        raise ValueError(f"`y` has shape {y.shape}, it must have the shape of `x`, {x.shape}")
    number_in("share", share, 0, 1)
    n = _window("x", x, sample_rate_hz, step_hz, window_s)
    energy, power = (_frames(x, n) ** 2).sum(-1), _power(_frames(y, n))
    quietest = np.argsort(energy, axis=-1, kind="stable")[..., : max(1, round(share * energy.shape[-1]))]
    mean = np.take_along_axis(power, quietest[..., None], axis=-2).mean(-2)
    return _excess_db(mean, n, sample_rate_hz, step_hz)


def _window(name: str, x: np.ndarray, sample_rate_hz: float, step_hz: float, window_s: float) -> int:
    """Return the samples K of a window, after all checks."""
    positive("sample_rate_hz", sample_rate_hz)
    number_in("step_hz", step_hz, 0, _BAND * sample_rate_hz / 2 / (_FIRST + 1))
    number_in("window_s", window_s, _BINS_PER_STEP / max(step_hz, 1e-9))
    n = int(window_s * sample_rate_hz)
    if x.shape[-1] < n:
        raise ValueError(f"`{name}` has {x.shape[-1]} samples, it must have at least those of a window, {n}")
    return n


def _frames(x: np.ndarray, n: int) -> np.ndarray:
    """Return windows (..., T, K) that overlap by three quarters."""
    return np.lib.stride_tricks.sliding_window_view(x, n, axis=-1)[..., :: n // 4, :]


def _power(frames: np.ndarray) -> np.ndarray:
    """Return the power spectra (..., T, K // 2 + 1) of Hann-weighted windows."""
    spectrum = np.fft.rfft(frames * np.hanning(frames.shape[-1]))
    return spectrum.real**2 + spectrum.imag**2


def _excess_db(power: np.ndarray, n: int, sample_rate_hz: float, step_hz: float) -> np.ndarray:
    """Return the mean difference of peak levels at and between lines, from a power spectrum (..., K // 2 + 1)."""
    level_db = 10 * np.log10(power + _FLOOR)
    multiples = np.arange(_FIRST, int(_BAND * sample_rate_hz / 2 / step_hz))
    reach = np.arange(-_REACH, _REACH + 1)

    def peaks(f_hz: np.ndarray) -> np.ndarray:
        return level_db[..., np.round(f_hz * n / sample_rate_hz).astype(int)[:, None] + reach].max(-1)

    return (peaks(multiples * step_hz) - peaks((multiples + 0.5) * step_hz)).mean(-1)
