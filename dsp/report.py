"""Measure a recording frame by frame for `python -m dsp`: level, pitch, formants, prediction gain.

There is a frame every 10 ms; its window of 30 ms has the same centre. Signals with a sample rate above 16 kHz are
analysed at 16 kHz, where one predictor order is suitable for the formants of all voices. Formants are tracked among the
roots of A(z), after a pre-emphasis that compensates the spectral tilt of speech.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import integer_in, number_in, shown
from dsp._frame_levels import SILENCE_DBFS, FrameLevels
from dsp._resampling import resampled
from dsp.formants import formant_tracks, poles
from dsp.frames import FrameSpec
from dsp.lpc import autocorrelation, levinson_durbin, white_noise_correction
from dsp.pitch import PitchCandidates, pitch_candidates, track_of
from dsp.signals import checked_rate, checked_signal

N_FORMANTS = 4
PITCH_RANGE_HZ = (60.0, 600.0)
FORMANT_RANGE_HZ = (90.0, 5500.0)
LOWEST_PITCH_HZ = 30.0
HIGHEST_FORMANT_HZ = 8000.0
NEUTRAL_LIMITS_HZ = (200.0, 1500.0)
_HOP_S, _WINDOW_S = 0.010, 0.030
_RATES_HZ = (4000, 768000)
_HIGHEST_ANALYSIS_HZ = 16000
_EMPHASIS_HZ = 50.0  # pre-emphasis amplifies higher frequencies by 6 dB per octave
_WHITE_NOISE = 1e-9  # limits the prediction gain of pure tones and constants
_PITCH_BAND_HZ = 1000.0  # at higher frequencies, formant movements and breath noise reduce the periodicity
_AUDIBLE_DB = 40  # the picture shows no formants of frames that are further below the loudest frame
_EDGE = 1.03  # values within this factor of an end of their range are flagged
_MAX_BANDWIDTH_HZ, _NARROW_HZ = 700.0, 300.0
_BEYOND = 1.25  # a resonance up to this factor above the range may be the missing last formant
_HALF_PERIOD = 0.95  # correlation at half the period relative to that at the period, above which pitch may be higher
_MEDIAN_PITCH_HZ, _MEDIAN_NEUTRAL_HZ, _NEUTRAL_OF_WHISPER_HZ = 120.0, 520.0, 550.0
_NEUTRAL_RANGE_HZ = (480.0, 720.0)
_NOTE_FRACTION = 0.05  # fraction of flagged frames above which a note is added; smaller ones occur by chance
_PART = 1 << 17  # samples per block of a recording in memory
_BLOCK = 1024  # frames per step, which bounds the memory for long signals
_SEGMENT_S, _MARGIN_S = 10.0, 0.05  # for the low-pass filter, whose impulse response is shorter than the margin


@dataclass(frozen=True)
class Report:
    """Hold measurements of T frames; NaN stands for a missing pitch or formant.

    Attributes
    ----------
    n_samples, sample_rate_hz : int
        Length and sample rate of the recording.
    y : ndarray, shape (n,)
        The recording at the sample rate of the analysis; full scale is 1.
    analysis_hz, order : int
        Sample rate of the analysis, and order M of the prediction.
    pitch_range_hz, formant_range_hz : (float, float)
        Search ranges of pitch and formants.
    neutral_hz : float
        First resonance of the speaker's neutral vocal tract, which determines the numbers of formants.
    time_s : ndarray, shape (T,)
        Centres of the frames.
    level_dbfs : ndarray, shape (T,)
        Mean power; 0 dB for a full-scale sinusoid, at least -120.
    pitch_hz, voicing : ndarray, shape (T,)
        Fundamental frequency of voiced frames, and the periodicity of each frame, 0 to 1.
    pitch_at_edge : bool ndarray, shape (T,)
        Whether the pitch is at an end of its range, or may lie above it.
    prediction_gain_db : ndarray, shape (T,)
        Ratio of the power of the windowed frame to that of its prediction error.
    formant_hz, bandwidth_hz : ndarray, shape (T, 4)
        Formants 1 to 4; a missing formant is NaN, and the others keep their numbers.
    formant_at_edge : bool ndarray, shape (T,)
        Whether a formant is at an end of its range, or the last one is missing and may lie above it.
    lpc, error : ndarray, shape (T, M + 1) and (T,)
        Coefficients of A(z) of the pre-emphasised frames under a Hamming window, and their prediction error power.
    """

    n_samples: int
    sample_rate_hz: int
    y: np.ndarray
    analysis_hz: int
    order: int
    pitch_range_hz: tuple[float, float]
    formant_range_hz: tuple[float, float]
    neutral_hz: float
    time_s: np.ndarray
    level_dbfs: np.ndarray
    pitch_hz: np.ndarray
    voicing: np.ndarray
    pitch_at_edge: np.ndarray
    prediction_gain_db: np.ndarray
    formant_hz: np.ndarray
    bandwidth_hz: np.ndarray
    formant_at_edge: np.ndarray
    lpc: np.ndarray
    error: np.ndarray

    @property
    def loudest(self) -> int:
        """Index of the frame with the highest level."""
        return int(self.level_dbfs.argmax())

    @property
    def audible(self) -> np.ndarray:
        """Whether a frame is less than 40 dB below the loudest one and above -100 dBFS, shape (T,)."""
        return self.level_dbfs > max(self.level_dbfs.max() - _AUDIBLE_DB, -100)

    def frame_at(self, time_s: float) -> int:
        """Return the index of the frame whose centre is nearest to a time."""
        return int(np.abs(self.time_s - time_s).argmin())

    def notes(self) -> list[str]:
        """Return sentences about measurements that may be wrong because a search range is too narrow."""
        ends = (("pitch", self.pitch_range_hz, self.pitch_at_edge & self.audible),)
        ends += (("formants", self.formant_range_hz, self.formant_at_edge & self.audible),)
        return [
            f"{flags.sum()} of {len(flags)} frames have {name} at or beyond an end of {low:g} to {high:g} Hz"
            for name, (low, high), flags in ends
            if flags.sum() > _NOTE_FRACTION * len(flags)
        ]

    def spectrum_and_envelope_db(self, frame: int) -> tuple[np.ndarray, ...]:
        """Return frequencies in Hz, spectrum and LPC envelope of a frame in dBFS, without the pre-emphasis."""
        spec = _centred(self.analysis_hz, _WINDOW_S)
        windowed = _emphasised(self.y, spec, frame, frame + 1)[0]
        n_fft = 1 << (4 * spec.window - 1).bit_length()
        emphasis = np.fft.rfft([1.0, -_emphasis(self.analysis_hz)], n_fft)
        full_scale = np.hamming(spec.window).sum() / 2
        spectrum = np.fft.rfft(windowed, n_fft)
        envelope = np.sqrt(self.error[frame]) / np.fft.rfft(self.lpc[frame], n_fft)
        with np.errstate(divide="ignore"):
            levels = [20 * np.log10(np.abs(X / emphasis) / full_scale) for X in (spectrum, envelope)]
        f = np.fft.rfftfreq(n_fft, 1 / self.analysis_hz)
        return f, *(np.maximum(level_db, SILENCE_DBFS) for level_db in levels)


def analysis_rate_hz(sample_rate_hz: int) -> int:
    """Return the sample rate of the analysis: that of the recording, at most 16 kHz."""
    return min(sample_rate_hz, _HIGHEST_ANALYSIS_HZ)


def highest_pitch_hz(sample_rate_hz: int) -> float:
    """Return the highest allowed end of a pitch range."""
    return analysis_rate_hz(sample_rate_hz) / 5


def default_order(sample_rate_hz: int) -> int:
    """Return two coefficients per formant (one formant per kHz of the analysis rate) plus two for the tilt."""
    return 2 + round(analysis_rate_hz(sample_rate_hz) / 1000)


def measure(
    x: ArrayLike,
    sample_rate_hz: int,
    order: int | None = None,
    *,
    pitch_range_hz: tuple[float, float] = PITCH_RANGE_HZ,
    formant_range_hz: tuple[float, float] = FORMANT_RANGE_HZ,
    neutral_hz: float | None = None,
) -> Report:
    """Measure a recording of one channel.

    Parameters
    ----------
    x : array_like, shape (n_samples,)
        Samples: floats with full scale 1, int16, or int32.
    sample_rate_hz : int
        4000 to 768000.
    order : int, 2 to 64, optional
        Order M of the prediction; that of `default_order` if None.
    pitch_range_hz : (low, high)
        30 <= low < high <= a fifth of the sample rate of the analysis.
    formant_range_hz : (low, high)
        0 <= low < high <= 8000; frequencies above half the sample rate of the analysis are ignored.
    neutral_hz : float, 200 to 1500, optional
        First resonance of the speaker's neutral vocal tract: about 500 for men, 600 for women, 650 to 700 for children.
        If None, 520 (f0 / 120)^(1/4) with the median pitch f0, because long vocal tracts have low voices; 550 if no
        frame is voiced.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If `x` is empty, holds NaN or has more than one channel, or a number is out of range.
    """
    fs = checked_rate("sample_rate_hz", sample_rate_hz, *_RATES_HZ)
    dtype = np.float32 if getattr(x, "dtype", None) in (np.float32, np.int16) else np.float64  # saves memory
    x = checked_signal("x", x, max_channels=1, limit=None, dtype=dtype)
    if not len(x):
        raise ValueError("`x` has shape (0,), it must hold at least one sample")
    ranges = {"pitch_range_hz": pitch_range_hz, "formant_range_hz": formant_range_hz}
    return measure_blocks(np.split(x, range(_PART, len(x), _PART)), fs, order, neutral_hz=neutral_hz, **ranges)


def measure_blocks(
    blocks: Iterable[np.ndarray],
    sample_rate_hz: int,
    order: int | None = None,
    *,
    pitch_range_hz: tuple[float, float] = PITCH_RANGE_HZ,
    formant_range_hz: tuple[float, float] = FORMANT_RANGE_HZ,
    neutral_hz: float | None = None,
) -> Report:
    """Measure a recording that comes in blocks, which are not kept; otherwise as `measure`.

    Parameters
    ----------
    blocks : iterable of float arrays (n,)
        The recording, cut anywhere; finite, full scale 1, at least one sample in all.
    sample_rate_hz, order, pitch_range_hz, formant_range_hz, neutral_hz
        As for `measure`.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    fs = checked_rate("sample_rate_hz", sample_rate_hz, *_RATES_HZ)
    analysis_hz = analysis_rate_hz(fs)
    pitch_range = checked_range("pitch_range_hz", pitch_range_hz, LOWEST_PITCH_HZ, highest_pitch_hz(fs))
    formant_range = checked_range("formant_range_hz", formant_range_hz, 0, HIGHEST_FORMANT_HZ)
    M = integer_in("order", default_order(fs) if order is None else order, 2, 64)
    neutral = None if neutral_hz is None else number_in("neutral_hz", neutral_hz, *NEUTRAL_LIMITS_HZ)
    spec = _centred(analysis_hz, _WINDOW_S)
    levels = FrameLevels(spec.hop * fs / analysis_hz)
    y = _joined(resampled(levels.passing(blocks), fs, analysis_hz))
    r = _autocorrelation(y, spec, M)
    a, error, _ = levinson_durbin(r)
    pitch_hz, voicing, pitch_at_edge = _pitch(y, analysis_hz, pitch_range)
    neutral = _neutral_hz(pitch_hz) if neutral is None else neutral
    formant_hz, bandwidth_hz, formant_at_edge = _formants(a, analysis_hz, formant_range, neutral)
    silent = r[:, 0] == 0
    return Report(
        n_samples=levels.n_samples,
        sample_rate_hz=fs,
        y=y,
        analysis_hz=analysis_hz,
        order=M,
        pitch_range_hz=pitch_range,
        formant_range_hz=formant_range,
        neutral_hz=neutral,
        time_s=(np.arange(len(r)) + 0.5) * spec.hop / analysis_hz,
        level_dbfs=levels.dbfs(len(r)),
        pitch_hz=pitch_hz,
        voicing=voicing,
        pitch_at_edge=pitch_at_edge,
        prediction_gain_db=10 * np.log10(np.where(silent, 1.0, r[:, 0] / np.where(silent, 1.0, error))),
        formant_hz=formant_hz,
        bandwidth_hz=bandwidth_hz,
        formant_at_edge=formant_at_edge,
        lpc=a,
        error=error,
    )


def checked_range(name: str, values: tuple[float, float], least: float, most: float) -> tuple[float, float]:
    """Return two numbers as floats; they must fulfil least <= low < high <= most."""
    allowed = f"it must be two numbers, {least:g} <= low < high <= {most:g}"
    try:
        low, high = map(float, values)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` is {shown(values)}, {allowed}") from None
    if not least <= low < high <= most:
        raise ValueError(f"`{name}` is {low:g} to {high:g}, {allowed}")
    return low, high


def _joined(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Join blocks of one type, of which none is kept."""
    joined, dtype = bytearray(), np.dtype(np.float32)
    for block in blocks:
        joined += block.tobytes()
        dtype = block.dtype
    return np.frombuffer(joined, dtype)


def _emphasis(sample_rate_hz: float) -> float:
    """Return mu of the pre-emphasis 1 - mu z^-1."""
    return float(np.exp(-2 * np.pi * _EMPHASIS_HZ / sample_rate_hz))


def _centred(sample_rate_hz: int, window_s: float) -> FrameSpec:
    """Return the framing: a frame every 10 ms, whose window has the same centre."""
    hop, window = round(_HOP_S * sample_rate_hz), round(window_s * sample_rate_hz)
    return FrameSpec(sample_rate_hz, window, hop, (window - hop) // 2, hop)


def _emphasised(y: np.ndarray, spec: FrameSpec, first: int, end: int) -> np.ndarray:
    """Return the pre-emphasised frames first..end-1, weighted by a Hamming window."""
    begin, stop = first * spec.hop + spec.delay - spec.window - 1, end * spec.hop + spec.look_ahead
    part = _zero_padded(y, begin, stop)
    e = part[1:] - _emphasis(spec.sample_rate_hz) * part[:-1]
    return np.lib.stride_tricks.sliding_window_view(e, spec.window)[:: spec.hop] * np.hamming(spec.window)


def _autocorrelation(y: np.ndarray, spec: FrameSpec, M: int) -> np.ndarray:
    """Return the autocorrelation of all frames, shape (T, M + 1)."""
    T = spec.n_frames(len(y))
    blocks = [(t, min(t + _BLOCK, T)) for t in range(0, T, _BLOCK)]
    r = np.concatenate([autocorrelation(_emphasised(y, spec, *block), M) for block in blocks])
    return white_noise_correction(r, _WHITE_NOISE)


def _pitch(y: np.ndarray, fs: int, pitch_range: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pitch and voicing of every frame, and whether the pitch is at an end of its range or may be above it."""
    low, high = pitch_range[0] / _EDGE, min(pitch_range[1] * _EDGE, fs / 4)
    edge_hz = max(_PITCH_BAND_HZ, 1.6 * high)
    found = [pitch_candidates(frames, fs, low, high) for _, frames in _low_frames(y, fs, 2 / low, edge_hz)]
    f0_hz, voicing = track_of(
        PitchCandidates(*(np.concatenate([getattr(part, f.name) for part in found]) for f in fields(PitchCandidates)))
    )
    with np.errstate(invalid="ignore"):  # NaN compares as false
        at_edge = (f0_hz < pitch_range[0] * _EDGE) | (f0_hz > pitch_range[1] / _EDGE)
        doubtful = np.flatnonzero(2 * f0_hz > pitch_range[1])
    if doubtful.size:
        for first, frames in _low_frames(y, fs, 2 / low, edge_hz):
            for t in doubtful[(doubtful >= first) & (doubtful < first + len(frames))]:
                half = _correlation_at(frames[t - first], fs / (2 * float(f0_hz[t])))
                at_edge[t] |= half > _HALF_PERIOD * voicing[t]
    return f0_hz, voicing, at_edge


def _correlation_at(x: np.ndarray, lag: float) -> float:
    """Return the normalised autocorrelation of a frame at a fractional lag."""
    n = np.arange(len(x) - int(lag) - 1)
    x = x - x.mean()
    tail = np.interp(n + lag, np.arange(len(x)), x)
    head = x[: len(n)]
    return float(head @ tail / np.sqrt(max(head @ head * (tail @ tail), np.finfo(float).tiny)))


def _neutral_hz(pitch_hz: np.ndarray) -> float:
    """Return the first resonance of the speaker's neutral vocal tract, estimated from the median pitch."""
    voiced = pitch_hz[np.isfinite(pitch_hz)]
    if not voiced.size:
        return _NEUTRAL_OF_WHISPER_HZ
    return float(np.clip(_MEDIAN_NEUTRAL_HZ * (np.median(voiced) / _MEDIAN_PITCH_HZ) ** 0.25, *_NEUTRAL_RANGE_HZ))


def _formants(
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

    spec, sos = _centred(fs, window_s), butter(4, min(edge_hz, 0.45 * fs), fs=fs, output="sos")
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
