"""Table and curves of the scores under packet loss, from the rows of `loss`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from loss_peers import LOSSY
from matplotlib.figure import Figure
from report import publish

from lpcnet_cq.evaluation.plots import INK, MUTED, save, style_axes
from lpcnet_cq.evaluation.tables import NOT_MEASURED, group_by, markdown, mean_kbps

CLASSES = (9.0, 13.0, 16.0, 24.0)  # kbps; each setting belongs to the nearest
OTHERS = {"evs": "EVS", "evs-rf3": "EVS, channel-aware"} | {name: peer.coder.title for name, peer in LOSSY.items()}
# Okabe and Ito's palette, safe for colour-blind readers, for other codecs; shades of blue for settings of ours.
COLOURS = dict(zip(OTHERS, ("#E69F00", "#D55E00", "#7F7F7F", "#CC79A7", "#009E73", "#000000", "#A67C52"), strict=True))
BLUES = ("#08306B", "#2171B5", "#56B4E9", "#9ECAE1", "#5E3C99", "#B2ABD2")
RANDOM, BURSTS = ("none", "rand3", "rand5", "rand10", "rand20"), ("none", "burst5", "burst10", "burst20")
PATTERNS = (*RANDOM, *BURSTS[1:])
SHOWN = {"pesq": "PESQ-WB", "plcmos": "PLCMOS"}

Settings = Mapping[tuple, Sequence[Mapping]]


def title(codec: str, setting: str) -> str:
    """Return the name of a codec and its setting in tables and plots."""
    return OTHERS.get(codec, f"lpcnet_cq `{codec}`") + (f", {setting}" if setting else "")


def settings_of(rows: Sequence[Mapping]) -> dict[tuple, list[Mapping]]:
    """Group rows by rate class, codec, setting and rate asked for, in order; ours first."""
    filled = [{"setting": ""} | dict(row) for row in rows]
    groups = group_by(filled, "codec", "setting", "kbps_asked")
    keyed = {(min(CLASSES, key=lambda c: abs(c - mean_kbps(group))), *key): group for key, group in groups.items()}
    return dict(sorted(keyed.items(), key=lambda item: (item[0][0], item[0][1] in OTHERS, *item[0][1:])))


def mean(rows: Sequence[Mapping], pattern: str, score: str) -> float:
    """Return the mean score of all clips under a pattern; NaN if there is none."""
    values = [row[score] for row in rows if row["pattern"] == pattern and score in row]
    return float(np.mean(values)) if values else float("nan")


def cell(rows: Sequence[Mapping], pattern: str) -> str:
    """Return PESQ and PLCMOS under a pattern."""
    values = [mean(rows, pattern, score) for score in SHOWN]
    return " / ".join(NOT_MEASURED if np.isnan(value) else f"{value:.2f}" for value in values)


def table(settings: Settings) -> str:
    """Return means over the recordings as Markdown."""
    names = [p.replace("rand", "random ").replace("burst", "bursts ") + (" %" if p != "none" else "") for p in PATTERNS]
    lines = []
    for (_, codec, setting, _), rows in settings.items():
        ours = codec not in OTHERS
        cells = [title(codec, setting), f"{mean_kbps(rows):.2f}", *(cell(rows, p) for p in PATTERNS)]
        lines.append([f"**{c}**" for c in cells] if ours else cells)
    n = max(len({row["clip"] for row in rows}) for rows in settings.values())
    return f"{' / '.join(SHOWN.values())}, means over {n} recordings.\n\n" + markdown(["codec", "kbps", *names], lines)


def curves(settings: Settings, path: Path) -> None:
    """Draw scores over the loss: random and bursty losses below each other, a column per rate class."""
    shown = [c for c in CLASSES if any(key[0] == c for key in settings)]
    panels = [(score, patterns) for patterns in (RANDOM, BURSTS) for score in SHOWN]
    fig = Figure(figsize=(3.6 * len(shown), 2.5 * len(panels)), layout="constrained")
    axes = fig.subplots(len(panels), len(shown), sharex=True, sharey="row", squeeze=False)
    ours = list(dict.fromkeys(key[1:3] for key in settings if key[1] not in OTHERS))
    colours = {key: BLUES[i % len(BLUES)] for i, key in enumerate(ours)}
    for row, (score, patterns) in zip(axes, panels, strict=True):
        for ax, rate in zip(row, shown, strict=True):
            style_axes(ax)
            for (at, codec, setting, _), rows in settings.items():
                y = [mean(rows, pattern, score) for pattern in patterns]
                if at != rate or np.isnan(y).all():
                    continue
                x = [0 if pattern == "none" else int(pattern.lstrip("randbust")) for pattern in patterns]
                line, colour = ("--", COLOURS[codec]) if codec in OTHERS else ("-", colours[codec, setting])
                ax.plot(x, y, line, marker="o", ms=3, lw=1.6, color=colour, label=title(codec, setting))
            kind = "random" if patterns is RANDOM else "bursts of 3"
            ax.set_title(f"{SHOWN[score]}, {kind}, about {rate:g} kbps", loc="left", fontsize=8, color=INK)
    for ax in axes[-1]:
        ax.set_xticks([0, 3, 5, 10, 20])
        ax.set_xlabel("lost packets, %", fontsize=8, color=MUTED)
    labels = {label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    fig.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    save(fig, path)


def write_report(rows: Sequence[Mapping], folder: Path) -> None:
    """Write table and curves of all rows into a folder."""
    settings = settings_of(rows)
    publish(table(settings), folder / "table.md")
    curves(settings, folder / "curves.png")
