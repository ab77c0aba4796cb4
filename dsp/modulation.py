"""Modulation spectra: how fast and how much the envelopes of frequency bands fluctuate.

Place in the chain: at the end, beside `dsp.metrics`. A codec that smears onsets lowers fast modulations; one that adds
roughness, or whose noise comes and goes with its frames, raises them. All functions process the last axis and keep the
leading axes.

Notation: N samples, B frequency bands, F modulation bands, e(t) envelope of a band, m(f) modulation index.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, positive

__all__ = ["modulation_distance_db", "modulation_levels_db"]

_WINDOW_S, _HOP_S = 0.008, 0.002  # of the envelopes: sampled at 500 Hz
_SECTION_S = 1.0  # of the modulation spectra: 1 Hz resolution
_BANDS_HZ = (150.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)  # frequency bands, up to half of the sample rate
_MODULATIONS_HZ = (3.0, 6.0, 12.0, 24.0, 48.0, 96.0)  # octaves: syllables, onsets, roughness
_FLOOR = 1e-6  # squared modulation index, -60 dB
_SILENCE = 1e-16  # power of a band, full scale 1, below which it does not fluctuate


def modulation_levels_db(x: ArrayLike, sample_rate_hz: float) -> np.ndarray:
    """Return the modulation levels of five modulation bands in each of up to five frequency bands.

    The envelope of a frequency band is its power in Hann windows of 8 ms every 2 ms. Sections of one second that
    overlap by half are divided by their mean and transformed; the level is 10 log10 of half of the squared modulation
    index, summed over an octave and averaged over sections, which are weighted by their mean envelope. An envelope
    1 + m cos(2 pi f t) has the level 10 log10(m^2 / 2).

    Parameters
    ----------
    x : array (..., N)
        At least one section, 1 s.
    sample_rate_hz : float, at least 2000
        The frequency bands begin at 150, 500, 1000, 2000 and 4000 Hz and end at 8000 Hz; those that begin above half
        of the sample rate are left out.

    Returns
    -------
    float64 array (..., B, F)
        dB, at least -60; modulations of 3 to 96 Hz, one octave each.

    Raises
    ------
    ValueError
        If the signal is shorter than a section or not finite, or the sample rate is too low.

    Examples
    --------
    >>> t = np.arange(32000) / 16000
    >>> x = np.sqrt(1 + 0.5 * np.cos(2 * np.pi * 8 * t)) * np.sin(2 * np.pi * 1500 * t)
    >>> modulation_levels_db(x, 16000)[2].round(1).tolist()
    [-60.0, -9.0, -60.0, -60.0, -60.0]

    References
    ----------
    T. Houtgast and H. Steeneken, "A review of the MTF concept in room acoustics", JASA 77 (1985); S. Greenberg and
    B. Kingsbury, "The modulation spectrogram", ICASSP 1997.
    """
    x = finite("x", x)
    if positive("sample_rate_hz", sample_rate_hz) < 2000:
        raise ValueError(f"`sample_rate_hz` is {sample_rate_hz:g}, it must be at least 2000")
    envelopes = _envelopes(x, sample_rate_hz)
    n = round(_SECTION_S / _HOP_S)
    if envelopes.shape[-1] < n:
        least = int(np.ceil((_SECTION_S + _WINDOW_S) * sample_rate_hz))
        raise ValueError(f"`x` has {x.shape[-1]} samples, it must have at least those of a section, {least}")
    sections = np.lib.stride_tricks.sliding_window_view(envelopes, n, axis=-1)[..., :: n // 2, :]
    mean = sections.mean(-1, keepdims=True)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    # A section with the modulation index m(f) has the power m^2 / 2 in its main lobe, whatever the window.
    spectrum = np.fft.rfft((sections / np.maximum(mean, _SILENCE) - 1) * hann)
    power = 2 * (spectrum.real**2 + spectrum.imag**2) / (n * (hann**2).sum())
    weights = np.where(mean > _SILENCE, mean, _SILENCE)
    power = (power * weights).sum(-2) / weights.sum(-2)
    bins = np.ceil(np.asarray(_MODULATIONS_HZ) * _SECTION_S).astype(int)
    octaves = np.add.reduceat(power[..., : bins[-1]], bins[:-1], axis=-1)
    return 10 * np.log10(np.maximum(octaves, _FLOOR))


def modulation_distance_db(x: ArrayLike, y: ArrayLike, sample_rate_hz: float) -> np.ndarray:
    """Return the mean absolute difference of the modulation levels of two signals.

    Parameters
    ----------
    x : array (..., N)
        Reference.
    y : array (..., N)
    sample_rate_hz : float

    Returns
    -------
    float64 array (...)
        dB; the gains of whole frequency bands do not matter.

    Raises
    ------
    ValueError
        As for `modulation_levels_db`, or if shapes differ.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=32000)
    >>> float(modulation_distance_db(x, 2 * x, 16000).round(6))
    0.0
    """
    x, y = finite("x", x), finite("y", y)
    if x.shape != y.shape:
        raise ValueError(f"`y` has shape {y.shape}, it must have the shape of `x`, {x.shape}")
    return np.abs(modulation_levels_db(y, sample_rate_hz) - modulation_levels_db(x, sample_rate_hz)).mean((-2, -1))


def _envelopes(x: np.ndarray, sample_rate_hz: float) -> np.ndarray:
    """Return the powers (..., B, T) of frequency bands every 2 ms."""
    n, hop = round(_WINDOW_S * sample_rate_hz), round(_HOP_S * sample_rate_hz)
    if x.shape[-1] < n:
        return np.zeros((*x.shape[:-1], len(_BANDS_HZ) - 1, 0))
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    spectrum = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(x, n, axis=-1)[..., ::hop, :] * hann)
    power = (spectrum.real**2 + spectrum.imag**2) / hann.sum() ** 2
    starts = [f for f in _BANDS_HZ[:-1] if f < sample_rate_hz / 2]
    edges = np.minimum([*starts, _BANDS_HZ[len(starts)]], sample_rate_hz / 2)
    bins = np.ceil(edges * n / sample_rate_hz - 1e-9).astype(int)
    return np.moveaxis(np.add.reduceat(power[..., : bins[-1] + 1], bins[:-1], axis=-1), -1, -2)
