"""Measure pitch, formants and autocorrelation of all frames of a recording, for `dsp.report`.

Frames follow every 10 ms; each window has the same centre as its frame. All functions work on segments of the signal,
so that memory does not grow with windows times frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from dsp.formants import formant_tracks, poles
from dsp.frames import FrameSpec
from dsp.lpc import autocorrelation, white_noise_correction
from dsp.pitch import PitchCandidates, open_loop_pitch, pitch_candidates, track_of

N_FORMANTS = 4
_HOP_S = 0.010
_EMPHASIS_HZ = 50.0  # pre-emphasis amplifies higher frequencies by 6 dB per octave
_WHITE_NOISE = 1e-9  # limits the prediction gain of pure tones and constants
_PITCH_BAND_HZ = 1000.0  # at higher frequencies, formant movements and breath noise reduce the periodicity
_EDGE = 1.03  # values within this factor of an end of their range are flagged
_MAX_BANDWIDTH_HZ, _NARROW_HZ = 700.0, 300.0
_BEYOND = 1.25  # a resonance up to this factor above the range may be the missing last formant
_PART_OF_PERIOD = 0.95  # correlation at a part of the period relative to that at the period: pitch may be higher above
_LONG_PERIOD = 0.8  # correlation at a period below the range, above which pitch may be so low
_LONG_EXCESS = 0.1  # least excess of this correlation over that at the period: formants of creaky voices reach 0.9
_MEDIAN_PITCH_HZ, _MEDIAN_NEUTRAL_HZ, _NEUTRAL_OF_WHISPER_HZ = 120.0, 520.0, 550.0
_NEUTRAL_RANGE_HZ = (480.0, 720.0)
_BLOCK = 1024  # frames per step, which bounds the memory for long signals
_SEGMENT_S, _MARGIN_S = 10.0, 0.05  # for the low-pass filter, whose impulse response is shorter than the margin


def emphasis_factor(sample_rate_hz: float) -> float:
    """Return mu of the pre-emphasis 1 - mu z^-1."""
    return float(np.exp(-2 * np.pi * _EMPHASIS_HZ / sample_rate_hz))


def centred(sample_rate_hz: int, window_s: float) -> FrameSpec:
    """Return the framing: a frame every 10 ms, whose window has the same centre."""
    hop, window = round(_HOP_S * sample_rate_hz), round(window_s * sample_rate_hz)
    return FrameSpec(sample_rate_hz, window, hop, (window - hop) // 2, hop)


def emphasised(y: np.ndarray, spec: FrameSpec, first: int, end: int) -> np.ndarray:
    """Return the pre-emphasised frames first..end-1, weighted by a Hamming window."""
    begin, stop = first * spec.hop + spec.delay - spec.window - 1, end * spec.hop + spec.look_ahead
    part = _zero_padded(y, begin, stop)
    e = part[1:] - emphasis_factor(spec.sample_rate_hz) * part[:-1]
    return np.lib.stride_tricks.sliding_window_view(e, spec.window)[:: spec.hop] * np.hamming(spec.window)


def autocorrelations(y: np.ndarray, spec: FrameSpec, M: int) -> np.ndarray:
    """Return the autocorrelation of all frames, shape (T, M + 1)."""
    T = spec.n_frames(len(y))
    blocks = [(t, min(t + _BLOCK, T)) for t in range(0, T, _BLOCK)]
    r = np.concatenate([autocorrelation(emphasised(y, spec, *block), M) for block in blocks])
    return white_noise_correction(r, _WHITE_NOISE)


def pitch_of(y: np.ndarray, fs: int, pitch_range: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pitch and voicing of every frame, and whether the pitch is at an end of its range or may be beyond it."""
    low, high = pitch_range[0] / _EDGE, min(pitch_range[1] * _EDGE, fs / 4)
    edge_hz = max(_PITCH_BAND_HZ, 1.6 * high)
    found = [pitch_candidates(frames, fs, low, high) for _, frames in _low_frames(y, fs, 2 / low, edge_hz)]
    f0_hz, voicing = track_of(
        PitchCandidates(*(np.concatenate([getattr(part, f.name) for part in found]) for f in fields(PitchCandidates)))
    )
    with np.errstate(invalid="ignore"):  # NaN compares as false
        at_edge = (f0_hz < pitch_range[0] * _EDGE) | (f0_hz > pitch_range[1] / _EDGE)
        may_be_higher = np.flatnonzero(2 * f0_hz > pitch_range[1])
        may_be_lower = np.flatnonzero(np.isfinite(f0_hz) & (voicing < 1 - _LONG_EXCESS))
    for rows, frames in _chosen(may_be_higher, y, fs, 2 / low, edge_hz):
        for t, frame in zip(rows, frames, strict=True):
            for n in (2, 3):  # a pitch of n f0 is found at f0 where n f0 / (n - 1) is not within the range either
                if n * f0_hz[t] > (n - 1) * pitch_range[1] / _EDGE:
                    part = _correlation_at(frame, fs / (n * float(f0_hz[t])))
                    at_edge[t] |= part > _PART_OF_PERIOD * voicing[t]
    for rows, frames in _chosen(may_be_lower, y, fs, 4 / low, edge_hz):
        _, long = open_loop_pitch(frames, fs, low / 2, low)
        at_edge[rows] |= (long > _LONG_PERIOD) & (long > voicing[rows] + _LONG_EXCESS)
    return f0_hz, voicing, at_edge


def _chosen(
    rows: np.ndarray, y: np.ndarray, fs: int, window_s: float, edge_hz: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the chosen ones among `_low_frames`: segments, each with the numbers of its frames."""
    for first, frames in _low_frames(y, fs, window_s, edge_hz) if rows.size else ():
        here = rows[(rows >= first) & (rows < first + len(frames))]
        yield here, frames[here - first]


def _correlation_at(x: np.ndarray, lag: float) -> float:
    """Return the normalised autocorrelation of a frame at a fractional lag."""
    n = np.arange(len(x) - int(lag) - 1)
    x = x - x.mean()
    tail = np.interp(n + lag, np.arange(len(x)), x)
    head = x[: len(n)]
    return float(head @ tail / np.sqrt(max(head @ head * (tail @ tail), np.finfo(float).tiny)))


def neutral_of(pitch_hz: np.ndarray) -> float:
    """Return the first resonance of the speaker's neutral vocal tract, estimated from the median pitch."""
    voiced = pitch_hz[np.isfinite(pitch_hz)]
    if not voiced.size:
        return _NEUTRAL_OF_WHISPER_HZ
    return float(np.clip(_MEDIAN_NEUTRAL_HZ * (np.median(voiced) / _MEDIAN_PITCH_HZ) ** 0.25, *_NEUTRAL_RANGE_HZ))


def formants_of(
    a: np.ndarray, fs: int, formant_range: tuple[float, float], neutral_hz: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return formants, bandwidths, and whether a formant is at an end of the range or the last may be above it."""
    low, high = formant_range[0], min(formant_range[1], fs / 2 - 90)
    f, b = formant_tracks(a, fs, N_FORMANTS, neutral_hz, low, _MAX_BANDWIDTH_HZ, max(high, low))
    with np.errstate(invalid="ignore"):  # NaN compares as false
        at_edge = np.any((f < low * _EDGE) | (f > high / _EDGE), axis=-1)
        for t in range(0, len(a), _BLOCK):
            all_f, all_b = poles(a[t : t + _BLOCK], fs)
            beyond = (all_f > high) & (all_f < high * _BEYOND) & (all_b > 0) & (all_b < _NARROW_HZ)
            at_edge[t : t + _BLOCK] |= np.isnan(f[t : t + _BLOCK, -1]) & beyond.any(-1)
    return f, b, at_edge


def _low_frames(y: np.ndarray, fs: int, window_s: float, edge_hz: float) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the frames of the lowest harmonics, without delay: segments, each with the number of its first frame."""
    from scipy.signal import butter, sosfiltfilt

    spec, sos = centred(fs, window_s), butter(4, min(edge_hz, 0.45 * fs), fs=fs, output="sos")
    margin, per_segment = round(_MARGIN_S * fs), round(_SEGMENT_S / _HOP_S)
    for first in range(0, spec.n_frames(len(y)), per_segment):
        end = min(first + per_segment, spec.n_frames(len(y)))
        begin, stop = first * spec.hop + spec.delay - spec.window, end * spec.hop + spec.look_ahead
        part = _zero_padded(y, begin - margin, stop + margin)
        low = sosfiltfilt(sos, part, padlen=0)[margin:-margin]
        yield first, np.lib.stride_tricks.sliding_window_view(low, spec.window)[:: spec.hop]


def _zero_padded(y: np.ndarray, begin: int, stop: int) -> np.ndarray:
    """Return y[begin:stop] in double precision, with zeros before and behind y."""
    part = y[max(begin, 0) : max(stop, 0)]
    return np.pad(part.astype(np.float64), (max(-begin, 0), stop - begin - max(-begin, 0) - len(part)))
