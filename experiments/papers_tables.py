"""Tables of the published systems: each system next to ours at equal bytes, the papers' claims, learning curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lpcnet_cq.evaluation.metrics import METRICS
from lpcnet_cq.evaluation.plots import save, style_axes
from lpcnet_cq.evaluation.tables import group_by, markdown, mean_cell

CLIP_METRICS = ("pesq", "visqol", "estoi", "snr_db")
OURS = "ours-"
CLAIMS = {  # what is compared: first minus second
    "CMRL against K-Net": ("cmrl", "knet"),
    "two modules against one of their size": ("cmrl", "cmrl-one-large"),
    "joint training against greedy only": ("cmrl", "cmrl-greedy"),
    "joint training at a tenth of the learning rate against half": ("cmrl", "cmrl-brisk"),
    "two modules, greedy only, against one of their size": ("cmrl-greedy", "cmrl-one-large"),
    "gated blocks against bottlenecks, a third of the parameters": ("cmrl-gated", "cmrl"),
    "LSF codebook trained against fixed, 9 kbps": ("cq-2020", "lpc-cmrl"),
    "LSF codebook trained against fixed, 24 kbps": ("cq-2020-24k", "lpc-cmrl-24k"),
    "gated blocks against bottlenecks, behind LPC": ("nwc-2021", "cq-2020"),
    "loss on speech against loss on the residual": ("cq-2020", "cq-2020-residual-loss"),
    "filters with state against filters from zero in every frame": ("cq-2020", "cq-2020-zero-state"),
    "hard symbols in training against soft ones": ("cq-2020", "cq-2020-soft"),
    "twice as long": ("cq-2020-longer", "cq-2020"),
    "another seed": ("cq-2020-again", "cq-2020"),
    "soft decoding, which no bytes carry, against hard": ("cq-2020-soft-decoded", "cq-2020-soft"),
}


def number(row: dict, key: str, decimals: int) -> str:
    """Return a cell with a number, empty if the row has none."""
    return f"{row[key]:,.{decimals}f}" if key in row else ""


def ours_at(rows: Sequence[dict], kbps: float, metric: str) -> str:
    """Return the score of our codec at a rate, interpolated linearly between measured rates."""
    points = sorted((row["kbps"], row[metric]) for row in rows if metric in row)
    return f"{np.interp(kbps, *np.array(points).T):.{METRICS[metric].decimals}f}" if points else ""


def systems_table(rows: Sequence[dict]) -> str:
    """Return all systems as Markdown, with the scores of ours at the same rate and its share of the computation."""
    ours = [row for row in rows if row["system"].startswith(OURS)]
    head = ["system", "parameters", "MMAC/s", "ours, share of it", "kbps", "LSF", "residual", "as released counts"]
    head += [f"{METRICS[m].title} (ours)" for m in CLIP_METRICS] + ["steps"]
    lines = []
    for row in sorted(rows, key=lambda row: row["system"].startswith(OURS)):
        theirs = ours and row not in ours
        share = f"{100 * ours[0]['mmac_per_s'] / row['mmac_per_s']:.1f} %" if theirs else ""
        cells = [row["system"], number(row, "parameters", 0), number(row, "mmac_per_s", 0), share]
        cells += [number(row, key, 2) for key in ("kbps", "lsf_kbps", "residual_kbps", "released_kbps")]
        for m in CLIP_METRICS:
            beside = f" ({ours_at(ours, float(row['kbps']), m)})" if theirs else ""
            cells.append(number(row, m, METRICS[m].decimals) + beside)
        lines.append([*cells, number(row, "steps", 0)])
    return markdown(head, lines)


def claims_table(rows: Sequence[dict], clips: Sequence[dict]) -> str:
    """Return the claims that can be tested: differences per recording with their 95 % intervals."""
    kbps = {row["system"]: row["kbps"] for row in rows}
    by_system = {name: {clip["clip"]: clip for clip in group} for (name,), group in group_by(clips, "system").items()}
    lines = []
    for claim, (first, second) in CLAIMS.items():
        if not {first, second} <= kbps.keys() & by_system.keys():
            continue
        a, b = by_system[first], by_system[second]
        cells = [claim, f"{kbps[first] - kbps[second]:+.2f}"]
        for m in CLIP_METRICS:
            both = [clip for clip in a.keys() & b.keys() if m in a[clip] and m in b[clip]]
            cells.append(mean_cell((a[clip][m] - b[clip][m] for clip in both), METRICS[m].decimals, "+"))
        lines.append(cells)
    head = ["first against second", "kbps", *(METRICS[m].title for m in CLIP_METRICS)]
    return markdown(head, lines) if lines else ""


def tables(rows: Sequence[dict], clips: Sequence[dict]) -> str:
    """Return both tables from the rows of systems and of recordings; of several rows of a system the last counts."""
    rows = list({row["system"]: row for row in rows}.values())
    return "\n".join(filter(None, [systems_table(rows), claims_table(rows, clips)]))


def draw_curves(curves: Mapping[str, Sequence[Mapping]], path: Path) -> None:
    """Draw PESQ and bitrate over the frames that each system has seen, from the points of its learning curve."""
    fig = Figure(figsize=(5.5, 4.5), layout="constrained")
    axes = fig.subplots(2, 1, sharex=True)
    for name, points in curves.items():
        for ax, key in zip(axes, ("pesq", "kbps"), strict=True):
            ax.plot([row["frames"] / 1000 for row in points], [row[key] for row in points], marker="o", label=name)
    for ax, label in zip(axes, (METRICS["pesq"].title, "kbps"), strict=True):
        style_axes(ax)
        ax.set_ylabel(label)
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].set_xlabel("frames seen, thousands")
    save(fig, path)
