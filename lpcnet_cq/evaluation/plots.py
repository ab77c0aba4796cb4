"""Plots of training curves, spectrograms and bit allocation, as PNG files; needs matplotlib.

All plots use `Figure` objects: no display, no global state, safe in any thread.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from lpcnet_cq.evaluation.tables import by_source

DPI = 130
INK, MUTED, GRID = "#1f2430", "#6b7280", "#e5e7eb"
# Every block has the same colour in all plots (palette of Okabe and Ito, suitable for colour-blind readers).
BLOCKS = {"lsf": "#0072B2", "gain": "#E69F00", "latents": "#009E73", "step": "#CC79A7", "overhead": "#999999"}
DYNAMIC_RANGE_DB = 80.0


def style_axes(ax) -> None:
    """Set the common style of axes: two spines, a light grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(colors=MUTED, labelsize=8)
    ax.grid(color=GRID, linewidth=0.6)
    ax.set_axisbelow(True)


def _label_end(ax, y: float, text: str) -> None:
    """Write `text` to the right of the axes at height `y`."""
    at_edge = ("axes fraction", "data")
    ax.annotate(
        text,
        (1, y),
        (3, 0),
        at_edge,
        "offset points",
        color=INK,
        fontsize=8,
        va="center",
        annotation_clip=False,
    )


def save(fig: Figure, path: str | Path) -> None:
    """Write a figure as a PNG file."""
    fig.savefig(path, dpi=DPI, facecolor="white")


def read_metrics(path: str | Path) -> dict[str, np.ndarray]:
    """Return the columns of a `metrics.jsonl` by name, float64 (n_lines,), NaN where a line has no value."""
    lines = [json.loads(s) for s in Path(path).read_text(encoding="utf-8").splitlines() if s.strip()]
    names = dict.fromkeys(k for line in lines for k in line)
    return {k: np.array([line.get(k, np.nan) for line in lines], float) for k in names}


def training_curves(metrics: str | Path, path: str | Path, target_bps: float | None = None) -> None:
    """Plot loss, distortion, rate by block and log-mel distance over the minutes of a training.

    Parameters
    ----------
    metrics : a `metrics.jsonl` with `minutes`, `loss`, `nsr_db`, `mel`, `lambda` and `*_bps` columns.
    path : PNG to write.
    target_bps : shown as a dashed line in the plot of the rate.
    """
    m = read_metrics(metrics)
    t = m["minutes"]
    fig = Figure(figsize=(10, 6), layout="constrained")
    axes = fig.subplots(2, 2, sharex=True)
    for ax, key, title in (
        (axes[0, 0], "loss", "loss"),
        (axes[0, 1], "nsr_db", "weighted noise-to-signal ratio, dB"),
        (axes[1, 1], "mel", "log-mel distance"),
    ):
        _curve(ax, t, m[key], title)
    _rate_curve(axes[1, 0], t, m, target_bps)
    axes[0, 0].set_xlim(0, t[-1])
    for ax in axes[1]:
        ax.set_xlabel("minutes", color=MUTED, fontsize=8)
    fig.suptitle(f"Training, {int(m['step'][-1]):,} steps in {t[-1]:.0f} minutes", color=INK, x=0.01, ha="left")
    save(fig, path)


def _curve(ax, t: np.ndarray, y: np.ndarray, title: str) -> None:
    style_axes(ax)
    t, y = t[~np.isnan(y)], y[~np.isnan(y)]
    ax.plot(t, y, color=BLOCKS["lsf"], alpha=0.25, linewidth=0.8)
    n = max(1, len(y) // 40)
    smooth = np.convolve(y, np.ones(n) / n, "valid")
    ax.plot(t[(n - 1) // 2 :][: len(smooth)], smooth, color=BLOCKS["lsf"], linewidth=1.8)
    settled = smooth[len(smooth) // 50 :]  # without the first steps, whose range is much larger
    margin = 0.08 * (np.ptp(settled) or 1.0)
    ax.set_ylim(settled.min() - margin, settled.max() + 2 * margin)
    ax.set_title(title, loc="left", fontsize=9, color=INK)
    _label_end(ax, smooth[-1], f"{smooth[-1]:.3g}")


def _rate_curve(ax, t: np.ndarray, m: dict[str, np.ndarray], target_bps: float | None) -> None:
    style_axes(ax)
    names = {"latents": "latent_bps", "lsf": "lsf_bps", "gain": "gain_bps"}
    names = {k: v for k, v in names.items() if v in m}
    rates = [m[v] / 1000 for v in names.values()]
    ax.stackplot(t, rates, colors=[BLOCKS[k] for k in names], alpha=0.85, linewidth=0)
    if target_bps:
        ax.axhline(target_bps / 1000, color=INK, linestyle="--", linewidth=1)
    base = 0.0
    for name, rate in zip(names, rates, strict=True):
        _label_end(ax, base + rate[-1] / 2, f"{name} {rate[-1]:.2f}")
        base += rate[-1]
    ax.set_ylim(0, 1.25 * max(base, (target_bps or 0) / 1000))
    ax.set_title("rate by block, kbps", loc="left", fontsize=9, color=INK)


def log_spectrogram(x: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Return the power spectrogram (n_bins, n_frames) of x (n_samples,) in dB: 32 ms Hann windows every 8 ms."""
    n = round(0.032 * sample_rate_hz)
    x = np.pad(x, n // 2)
    frames = np.lib.stride_tricks.sliding_window_view(x, n)[:: n // 4] * np.hanning(n)
    power = np.abs(np.fft.rfft(frames)) ** 2 / np.sum(np.hanning(n)) ** 2
    return 10 * np.log10(power + 1e-12).T


def spectrograms(x: np.ndarray, y: np.ndarray, sample_rate_hz: int, path: str | Path, title: str = "") -> None:
    """Plot the spectrograms of original, decoded and error signal below each other, with a common scale.

    Parameters
    ----------
    x, y : (n_samples,) original and decoded signal; only the first 6 s are plotted.
    path : PNG to write.
    """
    x, y = x[: 6 * sample_rate_hz], y[: 6 * sample_rate_hz]
    fig = Figure(figsize=(10, 7), layout="constrained")
    axes = fig.subplots(3, 1, sharex=True, sharey=True)
    pictures = {"original": x, "decoded": y, "error (original - decoded)": x - y}
    top_db = log_spectrogram(x, sample_rate_hz).max()
    images, limits = [], {"vmin": -DYNAMIC_RANGE_DB, "vmax": 0}
    for ax, (name, signal) in zip(axes, pictures.items(), strict=True):
        level_db = log_spectrogram(signal, sample_rate_hz) - top_db
        extent = (0, len(x) / sample_rate_hz, 0, sample_rate_hz / 2000)
        images.append(ax.imshow(level_db, "magma", aspect="auto", origin="lower", extent=extent, **limits))
        ax.set_title(name, loc="left", fontsize=9, color=INK)
        ax.set_ylabel("kHz", color=MUTED, fontsize=8)
        ax.tick_params(colors=MUTED, labelsize=8)
    axes[-1].set_xlabel("seconds", color=MUTED, fontsize=8)
    bar = fig.colorbar(images[0], ax=axes, shrink=0.6, aspect=40, pad=0.01)
    bar.set_label("dB relative to the original's maximum", color=MUTED, fontsize=8)
    bar.ax.tick_params(colors=MUTED, labelsize=8)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0f}"))
    if title:
        fig.suptitle(title, color=INK, x=0.01, ha="left")
    save(fig, path)


def bit_shares(rows: Sequence[dict], path: str | Path) -> None:
    """Plot the bitrate of every block in kbps: one bar for all clips and one per source.

    Parameters
    ----------
    rows : from `evaluate.evaluate`: `source`, `seconds` and `<block>_bits` of each clip.
    path : PNG to write.
    """
    names = [k for k in rows[0] if k.endswith("_bits")]
    groups = by_source(rows)
    fig = Figure(figsize=(10, 1.2 + 0.6 * len(groups)), layout="constrained")
    ax = fig.subplots()
    style_axes(ax)
    ax.grid(axis="y", visible=False)
    for i, group in enumerate(groups.values()):
        seconds, left = sum(r["seconds"] for r in group), 0.0
        rates = [sum(r[k] for r in group) / seconds / 1000 for k in names]
        for name, rate in zip(names, rates, strict=True):
            block = name.removesuffix("_bits")
            label = block if i == 0 else None
            ax.barh(
                i,
                rate,
                0.62,
                left,
                color=BLOCKS.get(block, MUTED),
                label=label,
                edgecolor="white",
                linewidth=1,
            )
            if rate > 0.04 * sum(rates):
                ax.text(left + rate / 2, i, f"{rate:.2f}", ha="center", va="center", color="white", fontsize=8)
            left += rate
        ax.text(left, i, f"  {left:.2f}", va="center", color=INK, fontsize=9)
    ax.set_yticks(range(len(groups)), list(groups))
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.set_xlabel("kbps", color=MUTED, fontsize=8)
    ax.set_title("Bitrate by block", loc="left", fontsize=10, color=INK)
    ax.legend(ncols=len(names), frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1))
    save(fig, path)
