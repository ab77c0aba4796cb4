"""Pictures of the psychoacoustic experiment: quality over rate, and where the noise lies under the mask."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from audio_peers import AUDIO_PEERS, code
from matplotlib.figure import Figure

from dsp.psychoacoustics import masking, noise_to_mask_ratio_db, power_spectrum_db
from lpcnet_cq.evaluation.music_metrics import middle
from lpcnet_cq.evaluation.plots import DPI, GRID, INK, MUTED
from lpcnet_cq.training.psychoacoustic_loss import FULL_SCALE_DB, HOP

KBPS, MP3_KBPS = 64, 112  # of ours, and of the MP3 beside it
SHOWN_S = 4.0
RANGE_DB = 20
CHOSEN = ("no term", "calibrated", "lpcnet_cq")  # of the models, those whose noise is drawn


def curves(rows: Iterable[Mapping], path: Path) -> None:
    """Draw both scores over the rate, a line per system."""
    fig, rows = Figure(figsize=(11, 4.5), layout="constrained"), list(rows)
    for ax, key, title in zip(fig.subplots(1, 2), ("visqol_audio", "nmr_db"), ("ViSQOL audio", "NMR, dB"), strict=True):
        for system in dict.fromkeys(row["system"] for row in rows):
            rates = sorted({row["kbps_asked"] for row in rows if row["system"] == system})
            points = [[r for r in rows if (r["system"], r["kbps_asked"]) == (system, kbps)] for kbps in rates]
            means = [[np.mean([r[k] for r in point]) for point in points] for k in ("kbps", key)]
            style = {"color": INK, "linewidth": 2.0} if system == "lpcnet_cq" else {}
            ax.plot(*means, "--" if system in AUDIO_PEERS else "-", marker="o", markersize=3, label=system, **style)
        ax.set_title(title, loc="left", color=INK, fontsize=10)
        ax.set_xlabel("kbps", color=MUTED, fontsize=8)
        ax.grid(color=GRID)
    fig.axes[0].legend(frameon=False, fontsize=7)
    fig.savefig(path, dpi=DPI, facecolor="white")


def noise_under_mask(models: Mapping, clips: Mapping, path: Path) -> None:
    """Draw the noise-to-mask ratio over time and critical band, and one frame's signal, threshold and noise.

    Of the longest recording with two channels; red stands above the mask, blue below it.
    """
    x, fs = max((v for v in clips.values() if v[0].ndim == 2), key=lambda v: len(v[0]))
    x = x[: round(SHOWN_S * fs)]
    coded = {f"{k}, {KBPS} kbps": c.decode(c.encode(x, fs, 1000.0 * KBPS))[0] for k, c in models.items() if k in CHOSEN}
    coded[f"MP3, {MP3_KBPS} kbps"] = code(AUDIO_PEERS["mp3-lame"], x, fs, MP3_KBPS)[0]
    fig = Figure(figsize=(11, 2.2 * len(coded)), layout="constrained")
    grid = fig.subplots(len(coded), 2, width_ratios=(2, 1), squeeze=False)
    mask = masking(middle(x), fs, FULL_SCALE_DB, HOP)
    loudest = int(mask.level_db.max(axis=-1).argmax())
    image = None
    for (left, right), (name, y) in zip(grid, coded.items(), strict=True):
        ratio_db = noise_to_mask_ratio_db(middle(x), middle(y), fs, FULL_SCALE_DB, HOP)
        extent = (0, SHOWN_S, 0, ratio_db.shape[-1])
        limits = {"vmin": -RANGE_DB, "vmax": RANGE_DB}
        image = left.imshow(ratio_db.T, "RdBu_r", aspect="auto", origin="lower", extent=extent, **limits)
        left.set_title(name, loc="left", color=INK, fontsize=9)
        left.set_ylabel("critical band", color=MUTED, fontsize=8)
        noise = np.pad(middle(y) - middle(x), HOP)[HOP * loudest + HOP // 2 :][:HOP]
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
    fig.colorbar(image, ax=[row[0] for row in grid], shrink=0.6).set_label("NMR, dB", color=MUTED, fontsize=8)
    fig.savefig(path, dpi=0.7 * DPI, facecolor="white")  # noise does not compress
