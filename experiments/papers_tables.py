"""Tables of the published systems: every system beside ours at equal bytes, and the papers' claims as differences."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lpcnet_cq.evaluation.evaluate import METRICS, mean_and_interval

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


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def digits(metric: str) -> int:
    return 3 if metric == "estoi" else 1 if metric == "snr_db" else 2


def number(row: dict, key: str, n: int) -> str:
    return f"{float(row[key]):,.{n}f}" if row.get(key) else ""


def ours_at(rows: Sequence[dict], kbps: float, metric: str) -> str:
    """Return the score of ours at a rate, in a line between the nearest two that were measured."""
    points = sorted((float(row["kbps"]), float(row[metric])) for row in rows if row.get(metric))
    return f"{np.interp(kbps, *np.array(points).T):.{digits(metric)}f}" if points else ""


def systems_table(rows: Sequence[dict]) -> str:
    """Lay out every system, with the scores of ours at the same rate and its share of the computation."""
    ours = [row for row in rows if row["system"].startswith(OURS)]
    head = ["system", "parameters", "MMAC/s", "ours, of it", "kbps", "LSF", "residual", "as released counts"]
    head += [f"{METRICS[m][0]} (ours)" for m in CLIP_METRICS] + ["steps"]
    lines = []
    for row in sorted(rows, key=lambda row: row["system"].startswith(OURS)):
        theirs = ours and row not in ours
        share = f"{100 * float(ours[0]['mmac_per_s']) / float(row['mmac_per_s']):.1f} %" if theirs else ""
        cells = [row["system"], number(row, "parameters", 0), number(row, "mmac_per_s", 0), share]
        cells += [number(row, key, 2) for key in ("kbps", "lsf_kbps", "residual_kbps", "released_kbps")]
        for m in CLIP_METRICS:
            beside = f" ({ours_at(ours, float(row['kbps']), m)})" if theirs else ""
            cells.append(number(row, m, digits(m)) + beside)
        lines.append([*cells, number(row, "steps", 0)])
    return markdown(head, lines)


def claims_table(rows: Sequence[dict], clips: Sequence[dict]) -> str:
    """Lay out the claims that can be judged: differences per recording with their 95 % intervals."""
    kbps = {row["system"]: float(row["kbps"]) for row in rows}
    by_system: dict[str, dict] = {}
    for clip in clips:
        by_system.setdefault(clip["system"], {})[clip["clip"]] = clip
    lines = []
    for claim, (first, second) in CLAIMS.items():
        if not {first, second} <= kbps.keys() & by_system.keys():
            continue
        cells, (a, b) = [claim, f"{kbps[first] - kbps[second]:+.2f}"], (by_system[first], by_system[second])
        for m in CLIP_METRICS:
            pairs = [(a[clip].get(m), b[clip].get(m)) for clip in a.keys() & b.keys()]
            mean, half = mean_and_interval([float(x) - float(y) for x, y in pairs if x and y])
            cells.append(f"{mean:+.{digits(m)}f} ± {half:.{digits(m)}f}")
        lines.append(cells)
    return markdown(["first against second", "kbps", *(METRICS[m][0] for m in CLIP_METRICS)], lines) if lines else ""


def write_tables(rows: Sequence[dict], clips: Sequence[dict], folder: Path) -> str:
    """Write `papers.md` from the rows of systems and of recordings, the last of a system counts; return its text."""
    rows = list({row["system"]: row for row in rows}.values())
    text = "\n".join(filter(None, [systems_table(rows), claims_table(rows, clips)]))
    (folder / "papers.md").write_text(text, encoding="utf-8")
    return text
