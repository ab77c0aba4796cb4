"""Plots of the psychoacoustic experiment: quality over rate, and the noise relative to the masking threshold."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from audio_peers import AUDIO_PEERS
from matplotlib.figure import Figure

from dsp.psychoacoustics import masking, noise_to_mask_ratio_db, power_spectrum_db
from lpcnet_cq.evaluation.metrics import METRICS, mid
from lpcnet_cq.evaluation.plots import DPI, GRID, INK, MUTED, save, style_axes
from lpcnet_cq.evaluation.tables import group_by
from lpcnet_cq.training.psychoacoustic_loss import FULL_SCALE_DB, HOP

KBPS, MP3_KBPS = 64, 112  # of ours, and of the MP3 beside it
SHOWN_S = 4.0
RANGE_DB = 20
CHOSEN = ("no term", "calibrated", "lpcnet_cq")  # of the models, those whose noise is drawn


def curves(rows: Iterable[Mapping], path: Path) -> None:
    """Draw both scores over the rate, a line per system."""
    fig, rows = Figure(figsize=(11, 4.5), layout="constrained"), list(rows)
    for ax, key in zip(fig.subplots(1, 2), ("visqol_audio", "nmr_db"), strict=True):
        for (system,), mine in group_by(rows, "system").items():
            points = [point for _, point in sorted(group_by(mine, "kbps_asked").items())]
            means = [[np.mean([r[k] for r in point]) for point in points] for k in ("kbps", key)]
            style = {"color": INK, "linewidth": 2.0} if system == "lpcnet_cq" else {}
            ax.plot(*means, "--" if system in AUDIO_PEERS else "-", marker="o", markersize=3, label=system, **style)
        style_axes(ax)
        ax.set_title(METRICS[key].title, loc="left", color=INK, fontsize=10)
        ax.set_xlabel("kbps", color=MUTED, fontsize=8)
    fig.axes[0].legend(frameon=False, fontsize=7)
    save(fig, path)


def noise_under_mask(models: Mapping, clips: Mapping, path: Path) -> None:
    """Draw the noise-to-mask ratio over time and critical band, and one frame's signal, threshold and noise.

    The recording is the longest one with two channels; red is above the masking threshold, blue below it.
    """
    x, fs = max((v for v in clips.values() if v[0].ndim == 2), key=lambda v: len(v[0]))
    x = x[: round(SHOWN_S * fs)]
    coded = {f"{k}, {KBPS} kbps": c.decode(c.encode(x, fs, 1000.0 * KBPS))[0] for k, c in models.items() if k in CHOSEN}
    coded[f"MP3, {MP3_KBPS} kbps"] = AUDIO_PEERS["mp3-lame"].code(x, fs, MP3_KBPS)[0]
    fig = Figure(figsize=(11, 2.2 * len(coded)), layout="constrained")
    grid = fig.subplots(len(coded), 2, width_ratios=(2, 1), squeeze=False)
    mask = masking(mid(x), fs, FULL_SCALE_DB, HOP)
    loudest = int(mask.level_db.max(axis=-1).argmax())
    images = []
    for (left, right), (name, y) in zip(grid, coded.items(), strict=True):
        ratio_db = noise_to_mask_ratio_db(mid(x), mid(y), fs, FULL_SCALE_DB, HOP)
        extent = (0, SHOWN_S, 0, ratio_db.shape[-1])
        limits = {"vmin": -RANGE_DB, "vmax": RANGE_DB}
        images.append(left.imshow(ratio_db.T, "RdBu_r", aspect="auto", origin="lower", extent=extent, **limits))
        left.set_title(name, loc="left", color=INK, fontsize=9)
        left.set_ylabel("critical band", color=MUTED, fontsize=8)
        noise = np.pad(mid(y) - mid(x), HOP)[HOP * loudest + HOP // 2 :][:HOP]
        lines = {"signal": mask.level_db[loudest], "mask": mask.threshold_db[loudest]}
        lines["noise"] = power_spectrum_db(noise, FULL_SCALE_DB)
        for (label, level_db), colour in zip(lines.items(), (MUTED, "#009E73", "#D55E00"), strict=True):
            right.plot(mask.frequency_hz / 1000, level_db, color=colour, linewidth=0.9, label=label)
        right.set_ylim(-20, 96)
        right.grid(color=GRID)
    grid[-1][0].set_xlabel("seconds", color=MUTED, fontsize=8)
    grid[-1][1].set_xlabel("kHz", color=MUTED, fontsize=8)
    grid[0][1].legend(frameon=False, fontsize=7)
    grid[0][1].set_title("loudest frame, dB SPL", loc="left", color=INK, fontsize=9)
    fig.colorbar(images[-1], ax=[row[0] for row in grid], shrink=0.6).set_label("NMR, dB", color=MUTED, fontsize=8)
    fig.savefig(path, dpi=0.7 * DPI, facecolor="white")  # noise does not compress
