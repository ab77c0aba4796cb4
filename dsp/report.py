"""Measure a recording frame by frame for `python -m dsp`: level, pitch, formants, prediction gain.

There is a frame every 10 ms; its window of 30 ms has the same centre. Signals with a sample rate above 16 kHz are
analysed at 16 kHz, where one predictor order is suitable for the formants of all voices. Formants are tracked among the
roots of A(z), after a pre-emphasis that compensates the spectral tilt of speech.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import integer_in, number_in, shown
from dsp._floating_point import usual_errors
from dsp._frame_levels import SILENCE_DBFS, FrameLevels
from dsp._report_tracks import (
    autocorrelations,
    centred,
    emphasis_factor,
    emphasised,
    formants_of,
    neutral_of,
    pitch_of,
)
from dsp._resampling import resampled
from dsp.lpc import levinson_durbin
from dsp.signals import checked_rate, checked_signal

PITCH_RANGE_HZ = (60.0, 600.0)
FORMANT_RANGE_HZ = (90.0, 5500.0)
LOWEST_PITCH_HZ = 30.0
HIGHEST_FORMANT_HZ = 8000.0
NEUTRAL_LIMITS_HZ = (200.0, 1500.0)
_WINDOW_S = 0.030
_RATES_HZ = (4000, 768000)
_HIGHEST_ANALYSIS_HZ = 16000
_AUDIBLE_DB = 40  # the picture shows no formants of frames that are further below the loudest frame
_NOTE_FRACTION = 0.05  # fraction of flagged frames above which a note is added; smaller ones occur by chance
_PART = 1 << 17  # samples per block of a recording in memory


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
        Whether the pitch is at an end of its range, or may lie beyond it.
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
        spec = centred(self.analysis_hz, _WINDOW_S)
        windowed = emphasised(self.y, spec, frame, frame + 1)[0]
        n_fft = 1 << (4 * spec.window - 1).bit_length()
        emphasis = np.fft.rfft([1.0, -emphasis_factor(self.analysis_hz)], n_fft)
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
    spec = centred(analysis_hz, _WINDOW_S)
    with usual_errors():
        levels = FrameLevels(spec.hop * fs / analysis_hz)
        y = _joined(resampled(levels.passing(blocks), fs, analysis_hz))
        r = autocorrelations(y, spec, M)
        a, error, _ = levinson_durbin(r)
        pitch_hz, voicing, pitch_at_edge = pitch_of(y, analysis_hz, pitch_range)
        neutral = neutral_of(pitch_hz) if neutral is None else neutral
        formant_hz, bandwidth_hz, formant_at_edge = formants_of(a, analysis_hz, formant_range, neutral)
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
