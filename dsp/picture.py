"""Draw a recording: waveform, spectrogram with formants, pitch, prediction gain, and the LPC envelope of one frame.

Place in the chain: last. This is the only module of `dsp` that needs matplotlib; it is imported for drawing only.
"""

from __future__ import annotations

import io
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from dsp.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _ACCENT, _SOFT = "#222222", "#c1272d", "#8a8a8a"
_FORMANT_COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd")
_RANGE_DB = 65  # level range of the spectrogram from black to white
_MIN_BLACK_DB = -70  # lowest level that is black, so that silence is white
_HIGHEST_HZ = 8000  # upper limit of the frequency axis, so that formants are readable
_MAX_POINTS = 4000  # maximum number of columns of the waveform; more would not be visible
_COLUMNS = 256  # columns of the spectrogram per step, which bounds the memory for long signals


def draw(report: Report, frame: int, title: str = "") -> bytes:
    """Draw a report as a PNG file in memory.

    Parameters
    ----------
    report : Report
        From `dsp.report.measure`.
    frame : int
        Frame whose spectrum and LPC envelope are shown, 0 to T - 1.
    title : str
        Title of the picture.

    Returns
    -------
    bytes
        PNG file of 1540 x 1820 pixels.

    Raises
    ------
    ValueError
        If `frame` is not a frame of the report.
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    if not 0 <= frame < len(report.time_s):
        raise ValueError(f"`frame` is {frame}, it must be from 0 to {len(report.time_s) - 1}")
    import_module("matplotlib")
    figure = import_module("matplotlib.figure").Figure(figsize=(11, 13), dpi=140)
    # Fixed margins: an automatic layout takes twice as long as the drawing.
    place = {"left": 0.09, "right": 0.935, "top": 0.975, "bottom": 0.33, "hspace": 0.12}
    grid = figure.add_gridspec(4, 1, height_ratios=[1.0, 3.0, 1.1, 0.9], **place)
    wave = figure.add_subplot(grid[0])
    time_axes = [wave] + [figure.add_subplot(grid[row], sharex=wave) for row in (1, 2, 3)]
    _waveform(time_axes[0], report)
    _spectrogram(time_axes[1], report)
    _pitch(time_axes[2], report)
    _prediction_gain(time_axes[3], report)
    for axes in time_axes:
        axes.axvline(report.time_s[frame], color=_ACCENT, lw=1, ls="--", alpha=0.8)
        axes.tick_params(labelbottom=axes is time_axes[-1])
    time_axes[-1].set_xlabel("time (s)")
    wave.set_xlim(0, max(report.n_samples / report.sample_rate_hz, 0.01))
    wave.set_title(title, fontsize=11, color=_INK, loc="left")
    _envelope(figure.add_axes((0.09, 0.04, 0.845, 0.235)), report, frame)
    figure.align_ylabels()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _waveform(axes: Axes, report: Report) -> None:
    """Draw minimum and maximum per column, because a line through millions of samples is slow and looks the same."""
    x = report.y
    step = max(1, len(x) // _MAX_POINTS)
    starts = np.arange(0, len(x), step)
    seconds = (starts + step / 2) / report.analysis_hz
    low, high = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
    if step == 1:
        axes.plot(seconds, x, color=_INK, lw=0.6, marker="." if len(x) < 100 else "")
    else:
        axes.fill_between(seconds, low, high, color=_INK, lw=0.3)
    peak = max(1.05 * max(high.max(), -low.min()), 1e-4)
    axes.set_ylim(-peak, peak)
    axes.set_ylabel("amplitude")
    axes.axhline(0, color=_SOFT, lw=0.4)


def _spectrogram(axes: Axes, report: Report) -> None:
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import gaussian

    # A window of about 5 ms resolves glottal pulses and formants instead of harmonics.
    fs, x = report.analysis_hz, report.y
    window = gaussian(max(16, round(0.008 * fs)), 0.0013 * fs)
    hop = max(1, round(0.002 * fs), len(x) // _MAX_POINTS)
    stft = ShortTimeFFT(window, hop, fs, mfft=max(512, len(window)), scale_to="magnitude")
    # Pre-emphasis of 6 dB per octave above 50 Hz, because the spectrum of speech falls at this rate.
    x = np.append(x, np.zeros(len(window) - len(x), x.dtype)) if len(x) < len(window) else x
    columns = range(stft.p_min, stft.p_max(len(x)), _COLUMNS)
    parts = [np.abs(stft.stft(x, p, min(p + _COLUMNS, stft.p_max(len(x))))) for p in columns]
    level_db = 20 * np.log10(np.maximum(np.concatenate(parts, axis=1), 1e-9))
    level_db += 20 * np.log10(np.maximum(stft.f, 50) / 50)[:, None]
    top = max(level_db.max(), _MIN_BLACK_DB)
    extent = stft.extent(len(x), center_bins=True)
    axes.imshow(
        level_db,
        extent=(extent[0], extent[1], extent[2] / 1000, extent[3] / 1000),
        origin="lower",
        aspect="auto",
        cmap="Greys",
        vmin=top - _RANGE_DB,
        vmax=top,
        interpolation="bilinear",
    )
    shown = _visible_frames(report)
    for index, colour in enumerate(_FORMANT_COLOURS):
        f = np.where(report.audible, report.formant_hz[:, index], np.nan)[shown]
        style = {"color": colour, "ms": 2.6, "mec": "white", "mew": 0.35, "label": f"F{index + 1}"}
        axes.plot(report.time_s[shown], f / 1000, "o", **style)
    axes.set_ylim(0, min(fs / 2, _HIGHEST_HZ) / 1000)
    axes.set_ylabel("frequency (kHz)")
    axes.legend(loc="upper right", ncols=4, fontsize=8, framealpha=0.85, handletextpad=0.1, markerscale=1.8)


def _visible_frames(report: Report) -> slice:
    """Return the frames that are drawn: all of them, or of a long recording as many as are visible."""
    return slice(None, None, max(1, len(report.time_s) // _MAX_POINTS))


def _pitch(axes: Axes, report: Report) -> None:
    pitch_hz = np.where(report.audible, report.pitch_hz, np.nan)
    shown = _visible_frames(report)
    axes.plot(report.time_s[shown], pitch_hz[shown], ".", color=_INK, ms=4, mew=0)
    axes.set_ylabel("pitch (Hz)")
    voiced = pitch_hz[np.isfinite(pitch_hz)]
    axes.set_ylim(min(50.0, report.pitch_range_hz[0]), max(300.0, voiced.max() * 1.15) if voiced.size else 300.0)
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    right = axes.twinx()
    right.fill_between(report.time_s[shown], report.voicing[shown], color=_FORMANT_COLOURS[1], alpha=0.18, lw=0)
    right.set_ylim(0, 1)
    right.set_ylabel("voicing", color=_FORMANT_COLOURS[1])


def _prediction_gain(axes: Axes, report: Report) -> None:
    shown = _visible_frames(report)
    axes.plot(report.time_s[shown], report.prediction_gain_db[shown], color=_INK, lw=1)
    axes.fill_between(report.time_s[shown], report.prediction_gain_db[shown], color=_INK, alpha=0.08, lw=0)
    axes.set_ylim(0, max(5.0, report.prediction_gain_db.max() * 1.1))
    axes.set_ylabel("prediction\ngain (dB)")
    axes.grid(axis="y", color="#dddddd", lw=0.6)


def _envelope(axes: Axes, report: Report, frame: int) -> None:
    f_hz, spectrum_db, envelope_db = report.spectrum_and_envelope_db(frame)
    shown = (f_hz >= 50) & (f_hz <= _HIGHEST_HZ)  # lower values are mostly window leakage
    f_khz, spectrum_db, envelope_db = f_hz[shown] / 1000, spectrum_db[shown], envelope_db[shown]
    axes.plot(f_khz, spectrum_db, color=_SOFT, lw=0.8, label="spectrum")
    axes.plot(f_khz, envelope_db, color=_ACCENT, lw=1.8, label=f"LPC envelope, order {report.order}")
    bottom, top = axes.get_ylim()
    top = max(envelope_db.max(), spectrum_db.max()) + 10
    axes.set_ylim(max(bottom, top - 100), top)
    for index, colour in enumerate(_FORMANT_COLOURS):
        f = report.formant_hz[frame, index] / 1000
        if np.isfinite(f):
            axes.axvline(f, color=colour, lw=0.9, ls=":")
            axes.annotate(
                f"F{index + 1} {1000 * f:.0f}",
                (f, top),
                (3, -3),
                textcoords="offset points",
                va="top",
                fontsize=8,
                color=colour,
            )
    axes.set_xlim(0, f_khz[-1])
    axes.set_xlabel("frequency (kHz)")
    axes.set_ylabel("level (dB)")
    axes.set_title(f"frame {frame}, {report.time_s[frame]:.3f} s", fontsize=10, loc="left", color=_ACCENT)
    axes.legend(loc="lower left", fontsize=8)
