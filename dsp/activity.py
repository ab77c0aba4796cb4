"""Detect voice activity: which frames of 20 ms contain speech or music, and which only background noise.

Place in the chain: before an encoder that does not transmit pauses. Delay: none; the spectrum of a frame is that of the
frame and the one before it.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, instance
from dsp.signals import checked_rate

__all__ = ["ActivityState", "detect_activity", "start_activity"]

_FRAME_S = 0.02
_RATES_HZ = (8000, 768000)
_EDGES_HZ = (100, 300, 600, 1000, 1500, 2200, 3200, 4800, 8000)  # of the bands
_THRESHOLD_DB = 3.5  # mean signal-to-noise ratio of the bands from which a frame is active
_MOST_DB = 20.0  # signal-to-noise ratio of a band, at most: one band alone does not decide
_TONE_DB = 9.0  # signal-to-noise ratio of a band, from which tones are active
_SMOOTHING = 0.7  # per frame, of band powers before their minimum is taken
_BIAS = 10**0.15  # ratio of the mean power of noise to its minimum
_RUN, _RUNS = 10, 10  # frames per minimum, minima: the background is the minimum of the last two seconds
_HANGOVER = 10  # frames that remain active after activity: ends of words
_FIRST = 15  # frames that are active at the start, while the background is not known
_FLOOR = 1e-8  # mean square, full scale 1: quieter frames are background
_PEAKS_HZ = (300, 4000)  # range in which tones are searched: hum is background
_PEAK_DB = 9.0  # height of a tone above the spectrum beside it
_PEAK_SHARE = 0.3  # of the power in this range that tones have in tonal frames
_PEAK_FLOOR = 1e-6  # mean square of tones: quieter ones are background
_SPECTRUM_SMOOTHING = 0.8  # per frame, of the spectrum in which tones are searched


class ActivityState(NamedTuple):
    """Hold the state of the detector between frames.

    Attributes
    ----------
    sample_rate_hz : int
    frame : array (n,)
        Last frame.
    spectrum : array (bins,)
        Running mean of the power spectrum, without the correction of its start at 0.
    smoothed : array (bands,)
        Smoothed powers of the bands.
    minima : array (10, bands)
        Minima of the last runs of frames, the newest last; infinite where there were none.
    hangover : int
        Frames that remain active.
    count : int
        Frames processed.
    """

    sample_rate_hz: int
    frame: np.ndarray
    spectrum: np.ndarray
    smoothed: np.ndarray
    minima: np.ndarray
    hangover: int
    count: int

    @property
    def background(self) -> np.ndarray:
        """Estimated power of the background in each band, mean square with full scale 1."""
        least = self.minima.min(axis=0)
        return np.maximum(np.where(np.isinf(least), 0.0, _BIAS * least), _FLOOR / len(least))


def start_activity(sample_rate_hz: int) -> ActivityState:
    """Return the state before the first frame.

    Parameters
    ----------
    sample_rate_hz : int
        8000 to 768000.

    Raises
    ------
    ValueError
        If the sample rate is not a whole number or out of range.
    """
    sample_rate_hz = checked_rate("sample_rate_hz", sample_rate_hz, *_RATES_HZ)
    n = round(_FRAME_S * sample_rate_hz)
    bands = sum(edge <= sample_rate_hz / 2 for edge in _EDGES_HZ) - 1
    minima = np.full((_RUNS, bands), np.inf)
    return ActivityState(sample_rate_hz, np.zeros(n), np.zeros(n + 1), np.zeros(bands), minima, 0, 0)


def detect_activity(state: ActivityState, x: ArrayLike) -> tuple[ActivityState, np.ndarray]:
    """Return in which frames of 20 ms there is speech, music or another sound that is no background noise.

    The background is the minimum of the smoothed power of each band over two seconds: it falls at once and rises
    slowly. A frame is active if the mean signal-to-noise ratio of the bands is high, and in the ten frames after it.
    Frames whose power is in tones do not change the background, so that steady tones and music remain active. Frames
    below -80 dB of full scale are background. At the start, where the background is not known, others are active.

    Parameters
    ----------
    state : ActivityState
        From `start_activity` or from the previous call.
    x : array_like, shape (n_samples,)
        Complete frames of 20 ms; full scale is 1.

    Returns
    -------
    state : ActivityState
    active : ndarray of bool, shape (n_frames,)

    Raises
    ------
    ValueError
        If `x` does not consist of complete frames or of finite real numbers, or `state` is of another type.

    References
    ----------
    3GPP TS 26.194, "AMR-WB; Voice activity detector", for bands, tones and hangover; R. Martin, "Noise power spectral
    density estimation based on optimal smoothing and minimum statistics", IEEE TSAP 9 (2001), for the background.

    Examples
    --------
    >>> x = 0.001 * np.random.default_rng(0).standard_normal(32000)
    >>> x[16000:24000] += np.sin(np.arange(8000))
    >>> state, active = detect_activity(start_activity(16000), x)
    >>> np.flatnonzero(np.diff(active)).tolist()  # the start, the tone and the hangover
    [14, 49, 85]
    """
    instance("state", state, ActivityState)
    x, n = finite("x", x, min_ndim=0), len(state.frame)
    if x.ndim != 1 or len(x) % n:
        raise ValueError(f"`x` has shape {x.shape}, it must be (n,) with n a multiple of a frame, {n}")
    active = np.zeros(len(x) // n, bool)
    for i, frame in enumerate(x.reshape(-1, n)):
        state, active[i] = _detect_frame(state, frame)
    return state, active


def _detect_frame(state: ActivityState, frame: np.ndarray) -> tuple[ActivityState, bool]:
    """Return the next state and whether the frame is active."""
    power = _power_spectrum(np.concatenate([state.frame, frame]))
    spectrum = _SPECTRUM_SMOOTHING * state.spectrum + (1 - _SPECTRUM_SMOOTHING) * power
    bands = _sums(power, [edge * 2 * _FRAME_S for edge in _EDGES_HZ[: len(state.smoothed) + 1]])
    is_tonal = _is_tonal(spectrum / (1 - _SPECTRUM_SMOOTHING ** (state.count + 1)))
    smoothed = _SMOOTHING * state.smoothed + (1 - _SMOOTHING) * bands if state.count > 1 else bands
    minima = state.minima
    if state.count and state.count % _RUN == 0:
        minima = np.concatenate([minima[1:], np.full((1, len(bands)), np.inf)])
        minima = state.minima if np.isinf(minima).all() else minima  # tones leave the background as it was
    if not is_tonal and state.count:  # the first frame has no frame before it
        minima = np.concatenate([minima[:-1], np.minimum(minima[-1:], smoothed)])
    after = state._replace(frame=frame, spectrum=spectrum, smoothed=smoothed, minima=minima, count=state.count + 1)
    snr_db = 10 * np.log10(np.maximum(bands / after.background, 1.0)).clip(max=_MOST_DB)
    found = snr_db.mean() > _THRESHOLD_DB or (is_tonal and snr_db.max() > _TONE_DB) or state.count < _FIRST
    found = found and np.mean(frame**2) >= _FLOOR
    hangover = _HANGOVER if found and state.count >= _FIRST else max(state.hangover - 1, 0)
    return after._replace(hangover=hangover), bool(found or state.hangover > 0)


def _power_spectrum(x: np.ndarray) -> np.ndarray:
    """Return the power of a windowed signal at each frequency; its sum is the mean square."""
    n = len(x)
    window = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
    power = np.abs(np.fft.rfft(window * x)) ** 2 / (n * np.sum(window**2))
    return power * np.where(np.arange(n // 2 + 1) % (n // 2) == 0, 1, 2)


def _sums(power: np.ndarray, edges: list[float]) -> np.ndarray:
    """Return sums over the bins from each edge to the next one."""
    bins = np.round(edges).astype(int)
    return np.array([power[a:b].sum() for a, b in pairwise(bins)])


def _is_tonal(power: np.ndarray) -> bool:
    """Say whether a mean spectrum has its power in peaks: each higher than bins on both sides, in dB."""
    low, high = (round(edge * 2 * _FRAME_S) for edge in _PEAKS_HZ)
    high = min(high, len(power) - 7)
    level = 10 * np.log10(power + 1e-14)
    k = np.arange(low, high)
    beside = sum(level[k - i] + level[k + i] for i in (3, 4, 5, 6)) / 8
    peaks = power[k][level[k] > beside + _PEAK_DB].sum()
    return bool(peaks > _PEAK_FLOOR and peaks > _PEAK_SHARE * power[k].sum())
