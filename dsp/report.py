"""Measure a recording frame by frame for `python -m dsp`: level, pitch, formants, prediction gain.

A frame every 10 ms, with a window of 30 ms around its middle. Formants are tracked among
the roots of A(z), after a pre-emphasis that evens out the fall of the voice's spectrum.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dsp.formants import formant_tracks
from dsp.frames import FrameSpec, frame
from dsp.lpc import autocorrelation, levinson_durbin, preemphasis, white_noise_correction
from dsp.pitch import pitch_track

N_FORMANTS = 4
_HOP_S, _WINDOW_S, _PITCH_WINDOW_S = 0.010, 0.030, 0.032
_RATES_HZ = (4000, 768000)
_EMPHASIS_HZ = 50.0  # pre-emphasis lifts what is above, by 6 dB per octave
_WHITE_NOISE = 1e-9  # keeps pure tones and constants from being predicted without error
_SILENCE_DBFS = -120.0
_PITCH_BAND_HZ = 1000.0  # above, moving formants and breath make periods differ
_AUDIBLE_DB = 40  # frames this far below the loudest have no formants worth a dot in the picture


@dataclass(frozen=True)
class Report:
    """Measurements of T frames; NaN where there is none (no pitch, no such formant).

    Attributes
    ----------
    x : ndarray, shape (n_samples,)
        The recording; full scale is 1.
    sample_rate_hz, order : int
        Its rate, and the order M of the prediction.
    time_s : ndarray, shape (T,)
        Middles of the frames.
    level_dbfs : ndarray, shape (T,)
        Mean power, 0 dB for a full-scale sinusoid, not below -120.
    pitch_hz, voicing : ndarray, shape (T,)
        Fundamental frequency of voiced frames, and how periodic each frame is, 0 to 1.
    prediction_gain_db : ndarray, shape (T,)
        Power of the windowed frame over that of its prediction error.
    formant_hz, bandwidth_hz : ndarray, shape (T, 4)
        Formants in rising order.
    frames : ndarray, shape (T, window)
        Pre-emphasised frames under a Hamming window.
    lpc, error : ndarray, shape (T, M + 1) and (T,)
        Coefficients of A(z) of those frames, and their prediction error power.
    """

    x: np.ndarray
    sample_rate_hz: int
    order: int
    time_s: np.ndarray
    level_dbfs: np.ndarray
    pitch_hz: np.ndarray
    voicing: np.ndarray
    prediction_gain_db: np.ndarray
    formant_hz: np.ndarray
    bandwidth_hz: np.ndarray
    frames: np.ndarray
    lpc: np.ndarray
    error: np.ndarray

    @property
    def loudest(self) -> int:
        """Frame of the highest level."""
        return int(self.level_dbfs.argmax())

    @property
    def audible(self) -> np.ndarray:
        """Frames not far below the loudest one."""
        return self.level_dbfs > max(self.level_dbfs.max() - _AUDIBLE_DB, -100)

    def frame_at(self, time_s: float) -> int:
        """Frame whose middle is nearest to a time."""
        return int(np.abs(self.time_s - time_s).argmin())

    def spectrum_and_envelope_db(self, frame: int) -> tuple[np.ndarray, ...]:
        """Frequencies in Hz, spectrum and LPC envelope of a frame without its pre-emphasis; 0 is full scale."""
        window = self.frames.shape[-1]
        n_fft = 1 << (4 * window - 1).bit_length()
        emphasis = np.fft.rfft([1.0, -_emphasis(self.sample_rate_hz)], n_fft)
        full_scale = np.hamming(window).sum() / 2
        spectrum = np.fft.rfft(self.frames[frame], n_fft)
        envelope = np.sqrt(self.error[frame]) / np.fft.rfft(self.lpc[frame], n_fft)
        with np.errstate(divide="ignore"):
            levels = [20 * np.log10(np.abs(X / emphasis) / full_scale) for X in (spectrum, envelope)]
        f = np.fft.rfftfreq(n_fft, 1 / self.sample_rate_hz)
        return f, *(np.maximum(level_db, _SILENCE_DBFS) for level_db in levels)


def default_order(sample_rate_hz: int) -> int:
    """Two coefficients for each formant, of which there is one per kHz, and two for the slope; at most 64."""
    return min(64, 2 + round(sample_rate_hz / 1000))


def measure(x: ArrayLike, sample_rate_hz: int, order: int) -> Report:
    """Measure a recording of one channel.

    Parameters
    ----------
    x : array_like, shape (n_samples,)
        Samples; full scale is 1.
    sample_rate_hz : int
        4000 to 768000.
    order : int
        Order M of the prediction, below the 30 ms of the window.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If `x` is empty, holds NaN or has more axes than one, or a number is out of range.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(f"`x` has shape {x.shape}, it must be one channel of samples")
    if not _RATES_HZ[0] <= sample_rate_hz <= _RATES_HZ[1]:
        raise ValueError(f"`sample_rate_hz` is {sample_rate_hz}, it must be {_RATES_HZ[0]} to {_RATES_HZ[1]}")
    spec = _centred(sample_rate_hz, _WINDOW_S)
    frames = frame(preemphasis(x, _emphasis(sample_rate_hz)), spec) * np.hamming(spec.window)
    r = white_noise_correction(autocorrelation(frames, order), _WHITE_NOISE)
    a, error, _ = levinson_durbin(r)
    formant_hz, bandwidth_hz = formant_tracks(a, sample_rate_hz, N_FORMANTS, neutral_hz=550)
    low = frame(_low_pass(x, sample_rate_hz), _centred(sample_rate_hz, _PITCH_WINDOW_S))
    pitch_hz, voicing = pitch_track(low, sample_rate_hz)
    silent = r[:, 0] == 0
    return Report(
        x=x,
        sample_rate_hz=sample_rate_hz,
        order=order,
        time_s=(np.arange(len(r)) + 0.5) * spec.hop / sample_rate_hz,
        level_dbfs=_level_dbfs(x, spec),
        pitch_hz=pitch_hz,
        voicing=voicing,
        prediction_gain_db=10 * np.log10(np.where(silent, 1.0, r[:, 0] / np.where(silent, 1.0, error))),
        formant_hz=formant_hz,
        bandwidth_hz=bandwidth_hz,
        frames=frames,
        lpc=a,
        error=error,
    )


def as_text(report: Report) -> str:
    """Lay the table out for the eye: fixed columns, a dash where there is no value."""
    names = ["time", "level", "pitch", "voicing", "gain"]
    units = ["s", "dBFS", "Hz", "", "dB"]
    for index in range(1, N_FORMANTS + 1):
        names += [f"F{index}", f"B{index}"]
        units += ["Hz", "Hz"]
    decimals = [3, 1, 1, 2, 1] + [0] * (2 * N_FORMANTS)
    rows = [names, units]
    for values in zip(*columns(report).values(), strict=True):
        cells = zip(values, decimals, strict=True)
        rows.append([f"{v:.{d}f}" if np.isfinite(v) else "-" for v, d in cells])
    return "".join(" ".join(f"{cell:>7}" for cell in row) + "\n" for row in rows)


def as_csv(report: Report) -> str:
    """Write the table as comma-separated values with a header, empty where there is no value."""
    table = columns(report)
    lines = [",".join(table)]
    for values in zip(*table.values(), strict=True):
        lines.append(",".join(f"{v:.6g}" if np.isfinite(v) else "" for v in values))
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> str:
    """Write the table as one JSON object: file-wide numbers and a list of frames, null where no value is."""
    table = columns(report)
    frames = [
        {name: float(f"{v:.6g}") if np.isfinite(v) else None for name, v in zip(table, values, strict=True)}
        for values in zip(*table.values(), strict=True)
    ]
    head = {"sample_rate_hz": report.sample_rate_hz, "n_samples": len(report.x), "order": report.order}
    return json.dumps({**head, "frames": frames}, indent=1) + "\n"


TABLES = {"text": as_text, "csv": as_csv, "json": as_json}
"""The writers by the name of their format."""


def columns(report: Report) -> dict[str, np.ndarray]:
    """Columns of the table by name, in their order."""
    table = {
        "time_s": report.time_s,
        "level_dbfs": report.level_dbfs,
        "pitch_hz": report.pitch_hz,
        "voicing": report.voicing,
        "prediction_gain_db": report.prediction_gain_db,
    }
    for index in range(N_FORMANTS):
        table[f"f{index + 1}_hz"] = report.formant_hz[:, index]
        table[f"b{index + 1}_hz"] = report.bandwidth_hz[:, index]
    return table


def _emphasis(sample_rate_hz: float) -> float:
    """Coefficient of the pre-emphasis 1 - mu z^-1."""
    return float(np.exp(-2 * np.pi * _EMPHASIS_HZ / sample_rate_hz))


def _centred(sample_rate_hz: int, window_s: float) -> FrameSpec:
    """Frames of 10 ms, analysed in windows around their middles."""
    hop, window = round(_HOP_S * sample_rate_hz), round(window_s * sample_rate_hz)
    return FrameSpec(sample_rate_hz, window, hop, (window - hop) // 2, hop)


def _low_pass(x: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Keep the lowest harmonics, without delay."""
    from scipy.signal import butter, sosfiltfilt

    sos = butter(4, _PITCH_BAND_HZ, fs=sample_rate_hz, output="sos")
    margin = np.zeros(sample_rate_hz // 20)
    return sosfiltfilt(sos, np.concatenate([margin, x, margin]), padlen=0)[len(margin) : -len(margin)]


def _level_dbfs(x: np.ndarray, spec: FrameSpec) -> np.ndarray:
    """Level of every frame's own samples, the last one shorter where the recording ends within it."""
    starts = np.arange(0, len(x), spec.hop)
    power = np.add.reduceat(x * x, starts) / np.diff(starts, append=len(x))
    return 10 * np.log10(np.maximum(2 * power, 10 ** (_SILENCE_DBFS / 10)))
