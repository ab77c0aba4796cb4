"""Estimate pitch and voicing by open-loop analysis: fundamental frequency and periodicity of each frame.

Place in the chain: from frames of the signal or of its residual to fundamental frequencies, for instance as the start
of a search for long-term prediction. The measure is the normalised cross-correlation of the start of a frame with its
end,

    c(t) = sum_n x[n] x[n+t] / sqrt(sum_n x[n]^2 sum_n x[n+t]^2),    n = 0..N-1-t,

which is 1 for a periodic frame at every multiple of the period. Delay: the frame.

Notation: N frame length, T frames, t lag, K candidates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, instance, integer_in, number_in, positive

_LAG_WEIGHT = 0.15  # reduction of the score at the longest lag, so that the period is preferred to its multiples
_FINEST_LAGS = 40  # minimum number of lag steps in the shortest period, so that no peak is missed
_CHUNK = 128  # frames per step, so that their spectra fit in the cache
_JUMP_COST = 0.35  # cost of a pitch change from frame to frame, per octave
_ONSET_COST = 0.14  # cost of a change between voiced and unvoiced
_SILENCE = 1e-6  # power relative to the loudest frame, below which a frame is unvoiced
_MAX_BYTE = 127  # largest number of candidates whose indices fit in a byte


def open_loop_pitch(
    frames: ArrayLike, sample_rate_hz: float, low_hz: float = 60.0, high_hz: float = 600.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best fundamental frequency and the periodicity of every frame, voiced or unvoiced.

    Parameters
    ----------
    frames : array (..., N)
        Samples without a window, at least one and a half periods of `low_hz`; two periods are better.
    sample_rate_hz : float > 0
    low_hz, high_hz : float, 0 < low_hz < high_hz <= sample_rate_hz / 4
        Range of the search.

    Returns
    -------
    f0_hz : float64 array (...)
        NaN if no lag has a positive peak, for instance in silence.
    voicing : float64 array (...)
        Correlation at this lag, 0 to 1; a frame with more than 0.5 is most likely voiced.

    Raises
    ------
    ValueError
        If the frames are too short, not finite, or the range is empty.

    Examples
    --------
    >>> x = np.sin(2 * np.pi * 120 * np.arange(480) / 16000)
    >>> f0_hz, voicing = open_loop_pitch(x, 16000)
    >>> float(f0_hz.round()), float(voicing.round(3))
    (120.0, 1.0)

    References
    ----------
    D. Talkin, "A robust algorithm for pitch tracking (RAPT)", in Speech Coding and Synthesis, Elsevier (1995).
    """
    f0_hz, c, _ = _candidates(frames, sample_rate_hz, low_hz, high_hz, 1)
    return f0_hz[..., 0], c[..., 0]


def pitch_track(
    frames: ArrayLike,
    sample_rate_hz: float,
    low_hz: float = 60.0,
    high_hz: float = 600.0,
    threshold: float = 0.5,
    n_candidates: int = 6,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fundamental frequency of voiced frames as a smooth track, by dynamic programming over frames.

    Parameters
    ----------
    frames : array (..., T, N)
        Consecutive frames, as in `open_loop_pitch`.
    sample_rate_hz : float > 0
    low_hz, high_hz : float
        As in `open_loop_pitch`.
    threshold : float, 0..1
        Correlation above which a frame is likely to be classified as voiced.
    n_candidates : int >= 1
        K, candidate lags per frame.

    Returns
    -------
    f0_hz : float64 array (..., T)
        NaN in unvoiced frames.
    voicing : float64 array (..., T)
        Correlation at the chosen lag, in unvoiced frames at the best lag, 0 to 1.

    Raises
    ------
    ValueError
        As `open_loop_pitch`, and if another argument is out of range.

    Examples
    --------
    >>> x = np.sin(2 * np.pi * 120 * np.arange(480) / 16000)
    >>> f0_hz, voicing = pitch_track([x, x, 0 * x], 16000)
    >>> f0_hz.round().tolist()
    [120.0, 120.0, nan]

    References
    ----------
    P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
    sampled sound", Proc. IFA 17 (1993), section 2.2 (path and costs).
    """
    return track_of(pitch_candidates(frames, sample_rate_hz, low_hz, high_hz, n_candidates), threshold)


@dataclass(frozen=True)
class PitchCandidates:
    """Hold what a track is chosen from, so that it can be measured on parts of a long signal.

    Attributes
    ----------
    f0_hz, correlation, score : float64 arrays (..., T, K)
        Of the K best lags of each frame, best first; NaN, 0 and -inf where there are fewer.
    power : float64 array (..., T)
        Variance of each frame.
    """

    f0_hz: np.ndarray
    correlation: np.ndarray
    score: np.ndarray
    power: np.ndarray


def pitch_candidates(
    frames: ArrayLike, sample_rate_hz: float, low_hz: float = 60.0, high_hz: float = 600.0, n_candidates: int = 6
) -> PitchCandidates:
    """Return the candidates of `pitch_track`, whose arguments these are; it raises as that does."""
    frames = finite("frames", frames, 2)
    K = integer_in("n_candidates", n_candidates, 1)
    return PitchCandidates(*_candidates(frames, sample_rate_hz, low_hz, high_hz, K), _power(frames))


def track_of(candidates: PitchCandidates, threshold: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Return what `pitch_track` does, of the candidates of all frames.

    Raises
    ------
    ValueError
        If `candidates` is of another type, or `threshold` is out of range.
    """
    instance("candidates", candidates, PitchCandidates)
    threshold = number_in("threshold", threshold, 0, 1)
    f0_hz, c, score = candidates.f0_hz, candidates.correlation, candidates.score
    T, K = f0_hz.shape[-2:]
    if T == 0:
        return f0_hz[..., 0], c[..., 0]
    silent = candidates.power <= _SILENCE * candidates.power.max(-1, keepdims=True)
    score = np.where(np.isnan(f0_hz) | silent[..., None], -np.inf, score)
    unvoiced = np.full((*score.shape[:-1], 1), threshold * (1 - _LAG_WEIGHT / 2))
    path = _best_path(np.concatenate([score, unvoiced], axis=-1), np.log2(f0_hz))
    taken = np.minimum(path, K - 1)[..., None]
    voiced = path < K
    f0_hz = np.where(voiced, np.take_along_axis(f0_hz, taken, -1)[..., 0], np.nan)
    return f0_hz, np.where(voiced, np.take_along_axis(c, taken, -1)[..., 0], c[..., 0])


def _power(frames):
    """Return the variance of every frame, computed in chunks of frames."""
    power = np.empty(frames.shape[:-1])
    for t in range(0, frames.shape[-2], _CHUNK):
        power[..., t : t + _CHUNK] = np.var(frames[..., t : t + _CHUNK, :], axis=-1)
    return power


def _correlation(x, last, up):
    """Return c(t) of frames x for t = 0..last in steps of 1 / up."""
    N = x.shape[-1]
    n_fft = (N + last) // 64 * 64 + 64  # even, usually with small prime factors
    X = np.fft.rfft(x, n_fft)
    r = up * np.fft.irfft(X.real**2 + X.imag**2, n_fft * up)[..., : last * up + 1]
    energy = np.concatenate([np.zeros((*x.shape[:-1], 1)), np.cumsum(x**2, axis=-1)], axis=-1)
    start = energy[..., N - last :][..., ::-1]  # energy of x[0..N-1-t]
    end = energy[..., -1:] - energy[..., : last + 1]  # energy of x[t..N-1]
    start, end = _interpolated(start, up), _interpolated(end, up)
    floor = 1e-9 * energy[..., -1:] + np.finfo(float).tiny  # no high correlation if half of the frame is silent
    return r / (np.sqrt(np.maximum(start, floor)) * np.sqrt(np.maximum(end, floor)))


def _interpolated(v, up):
    """Return values v, given at whole lags, with linear interpolation in steps of 1 / up."""
    if up == 1:
        return v
    part = np.arange(up) / up
    lines = (1 - part) * v[..., :-1, None] + part * v[..., 1:, None]
    return np.concatenate([lines.reshape(*v.shape[:-1], -1), v[..., -1:]], axis=-1)


def _candidates(frames, sample_rate_hz, low_hz, high_hz, K):
    """Return frequency, correlation and weighted score of the K best peaks of c(t), best first."""
    x, fs = finite("frames", frames), positive("sample_rate_hz", sample_rate_hz)
    high = number_in("high_hz", high_hz, np.finfo(float).tiny, fs / 4)
    low = positive("low_hz", low_hz)
    if low >= high:
        raise ValueError(f"`low_hz` is {low:g}, it must be below `high_hz`, {high:g}")
    first, last = int(fs // high), int(-(-fs // low))
    if 2 * x.shape[-1] < 3 * (last + 1):
        needed = -(-3 * (last + 1) // 2)
        raise ValueError(f"`frames` has {x.shape[-1]} samples, it must have at least {needed} for `low_hz` of {low:g}")
    K = min(K, last - first + 1)
    rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])  # no copy of overlapping frames
    parts = [_peaks(rows[i : i + _CHUNK], first, last, K) for i in range(0, len(rows), _CHUNK)]
    lag, c, score = np.concatenate([np.zeros((3, 0, K)), *parts], axis=1).reshape(3, *x.shape[:-1], K)
    return fs / lag, c, score


def _peaks(x, first, last, K):
    """Return lag, height and score of the K peaks with the highest scores in lags first..last of frames (T, N)."""
    up = -(-_FINEST_LAGS // first)
    c = _correlation(x - x.mean(-1, keepdims=True), last + 1, up)[:, first * up - 1 : last * up + 2]
    left, middle, right = c[:, :-2], c[:, 1:-1], c[:, 2:]
    # Peak of the parabola through three points: position relative to the middle point, -1/2..1/2, and height.
    peak = (middle > 0) & (middle >= left) & (middle > right)
    curvature = np.where(peak, left - 2 * middle + right, -1.0)
    offset = np.where(peak, 0.5 * (left - right) / curvature, 0.0)
    height = np.where(peak, np.clip(middle - 0.25 * (left - right) * offset, 0.0, 1.0), 0.0)
    lag = np.where(peak, (np.arange(first * up, last * up + 1) + offset) / up, np.nan)
    score = np.where(peak, height * (1 - _LAG_WEIGHT * lag / last), -np.inf)
    best = np.argpartition(-score, K - 1, axis=-1)[:, :K]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(score, best, -1), axis=-1), -1)
    return np.stack([np.take_along_axis(v, best, -1) for v in (lag, height, score)])


def _best_path(score, octave):
    """Return the candidate of every frame, (..., T), by the Viterbi algorithm; the last candidate is unvoiced."""
    T, K = octave.shape[-2:]
    octave = np.where(np.isfinite(octave), octave, 0.0)  # candidates with a score of minus infinity
    total = score[..., 0, :]
    back = np.zeros((T, *total.shape), np.intp if K > _MAX_BYTE else np.int8)
    for first in range(1, T, _CHUNK):
        end = min(first + _CHUNK, T)
        cost = np.full((*octave.shape[:-2], end - first, K + 1, K + 1), _ONSET_COST)
        before, after = octave[..., first - 1 : end - 1, :, None], octave[..., first:end, None, :]
        cost[..., :K, :K] = _JUMP_COST * np.abs(before - after)
        cost[..., K, K] = 0.0
        for t in range(first, end):
            path = total[..., None] - cost[..., t - first, :, :]
            back[t] = path.argmax(-2)
            total = path.max(-2) + score[..., t, :]
    rows = np.empty((T, *total.shape[:-1]), np.intp)
    rows[-1] = total.argmax(-1)
    for t in range(T - 1, 0, -1):
        rows[t - 1] = np.take_along_axis(back[t], rows[t][..., None], -1)[..., 0]
    return np.moveaxis(rows, 0, -1)
