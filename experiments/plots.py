"""Results of the benchmark: table of means, bits saved at equal quality, worst recordings, curves.

A row is a dictionary with codec, kbps_asked, kbps, clip, seconds and a value for each metric measured. A point is one
codec at one rate: its rows by clip.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from peers import PEERS, POINTS
from report import publish
from scipy.interpolate import PchipInterpolator

from lpcnet_cq.evaluation.metrics import Metric
from lpcnet_cq.evaluation.plots import INK, MUTED, save, style_axes
from lpcnet_cq.evaluation.tables import append_rows, markdown, mean_and_interval, mean_cell, mean_kbps

CURVES = ("pesq", "visqol", "estoi")  # metrics whose curves are drawn and compared
UNCODED = "uncoded"  # rows of the recordings themselves
OPUS = ("opus", "opus-lace", "opus-nolace")
N_WORST = 10  # recordings listed per rate
# Okabe and Ito's palette, safe for colour-blind readers; a marker for each, for printing without colour.
STYLES = {
    "opus": ("#D55E00", "o"),
    "opus-lace": ("#E69F00", "^"),
    "opus-nolace": ("#CC79A7", "v"),
    "amr-wb": ("#0072B2", "s"),
    "lc3": ("#009E73", "D"),
    "speex-wb": ("#56B4E9", "P"),
    "lyra-v2": ("#7F7F7F", "X"),
}

Points = Mapping[tuple[str, float], Mapping[str, Mapping]]
Curve = tuple[np.ndarray, np.ndarray]  # rates in kbps and qualities, both ascending


def nearest_point(kbps: float) -> float:
    """Return the point of comparison nearest to a rate.

    >>> nearest_point(12.65)
    12.0
    """
    return min(POINTS, key=lambda point: abs(point - kbps))


def group(rows: Iterable[Mapping]) -> Points:
    """Gather rows to points, ordered by rate."""
    points = defaultdict(dict)
    for row in rows:
        points[row["codec"], row["kbps_asked"]][row["clip"]] = row
    return dict(sorted(points.items(), key=lambda item: item[0][1]))


def title_of(codec: str) -> str:
    return "original" if codec == UNCODED else PEERS[codec].title if codec in PEERS else codec


def in_order(points: Iterable[tuple[str, float]], own: str) -> list[tuple[str, float]]:
    """Sort codecs and rates by the point of comparison, ours first."""
    points = list(points)
    place = {codec: i for i, codec in enumerate(dict.fromkeys([own, *PEERS, *(codec for codec, _ in points)]))}
    return sorted(points, key=lambda p: (nearest_point(p[1]), place[p[0]], p[1]))


def strong(cells: Sequence[str], codec: str, own: str) -> list[str]:
    """Return the cells of a line, in bold if the codec is ours."""
    return [f"**{cell}**" for cell in cells] if codec == own else list(cells)


# ------------------------------------------------------------------------------------------------ table


def table(points: Points, own: str, metrics: Mapping[str, Metric], absent: Mapping[str, str]) -> str:
    """Return means with 95 % intervals as Markdown, by rate, ours first; codecs that are absent with the reason."""
    whole = max(map(len, points.values()), default=0)
    lines = []
    for codec, asked in in_order(points, own):
        rows = list(points[codec, asked].values())
        short = f" ({len(rows)} of {whole} clips)" if len(rows) < whole else ""
        cells = [title_of(codec) + short, f"{mean_kbps(rows):.2f}"]
        cells += [mean_cell((row.get(k, np.nan) for row in rows), metric.decimals) for k, metric in metrics.items()]
        lines.append(strong(cells, codec, own))
    blank = [""] * (len(metrics) - 1)
    lines += [[name, "", f"not measured here: {reason}", *blank] for name, reason in absent.items()]
    return markdown(["codec", "kbps", *(metric.title for metric in metrics.values())], lines)


def measured_by(rows: Iterable[Mapping], metrics: Mapping[str, Metric]) -> tuple[Points, dict[str, Metric]]:
    """Return the points of the rows that have a value of one of these metrics, and the metrics that have values."""
    kept = [row for row in rows if any(k in row for k in metrics)]
    return group(kept), {k: metric for k, metric in metrics.items() if any(k in row for row in kept)}


def judges_table(rows: Sequence[Mapping], own: str, judges: Mapping[str, Metric]) -> str:
    """Return the means of the judges as Markdown, with the number of recordings that each one has scored."""
    points, known = measured_by(rows, judges)
    if not known:
        return ""
    counts = {k: len({row["clip"] for row in rows if k in row}) for k in known}
    told = ", ".join(f"{known[k].title} {n}" for k, n in counts.items())
    return f"Judges; recordings that each one has scored: {told}.\n\n{table(points, own, known, {})}"


def signals_table(rows: Sequence[Mapping], own: str, signals: Mapping[str, Metric]) -> str:
    """Return the means of what compares signals with the originals, as Markdown."""
    points, known = measured_by((row for row in rows if row["codec"] != UNCODED), signals)
    return f"Differences from the originals.\n\n{table(points, own, known, {})}" if known else ""


def noise_table(rows: Iterable[Mapping], own: str) -> str:
    """Return the lines in decoded white noise as Markdown, by the level of the noise.

    >>> row = {"codec": "opus", "kbps_asked": 9.0, "level_db": -60.0, "line_excess_db": 0.25}
    >>> print(noise_table([row, row | {"level_db": -40.0, "line_excess_db": 1.0}], "mine"))
    Lines in decoded white noise at multiples of each codec's subframe rate, dB, by the level of the noise.
    <BLANKLINE>
    | codec | kbps asked | -60 dB | -40 dB |
    | --- | ---: | ---: | ---: |
    | Opus 1.6 | 9 | 0.2 | 1.0 |
    <BLANKLINE>
    """
    found = {(row["codec"], row["kbps_asked"], row["level_db"]): row["line_excess_db"] for row in rows}
    levels_db = sorted({level for *_, level in found})
    lines = []
    for codec, asked in in_order({(codec, asked) for codec, asked, _ in found}, own):
        values = [found.get((codec, asked, level), np.nan) for level in levels_db]
        cells = [title_of(codec), f"{asked:g}", *(mean_cell([v], 1) for v in values)]
        lines.append(strong(cells, codec, own))
    if not lines:
        return ""
    caption = "Lines in decoded white noise at multiples of each codec's subframe rate, dB, by the level of the noise."
    return f"{caption}\n\n" + markdown(["codec", "kbps asked", *(f"{v:g} dB" for v in levels_db)], lines)


# ------------------------------------------------------------------------------------------------ equal quality


def curve(kbps: Sequence[float], quality: Sequence[float]) -> Curve:
    """Sort a curve by rate and leave out points that are no better than one with fewer bits.

    >>> [v.tolist() for v in curve([16, 9, 12], [3.0, 2.0, 1.9])]
    [[9.0, 16.0], [2.0, 3.0]]
    """
    order = np.argsort(kbps)
    r, q = np.asarray(kbps, float)[order], np.asarray(quality, float)[order]
    better = q > np.maximum.accumulate(np.concatenate([[-np.inf], q[:-1]]))
    return r[better], q[better]


def saving(ours: Curve, theirs: Curve) -> tuple[str, float]:
    """Return the share of their bits that ours saves at equal quality.

    Bjontegaard's difference (VCEG-M33, 2001): means of the logarithm of the rate over the qualities that both reach,
    each curve interpolated monotonically (PCHIP). Curves that have one quality in common are compared there.

    Returns
    -------
    sign : "=", or where no quality is common ">" or "<"
    share : saved, below 1; with ">" ours saves more (its least bits are better than their most), with "<" less.
    """
    (r_ours, q_ours), (r_theirs, q_theirs) = ours, theirs
    low, high = max(q_ours[0], q_theirs[0]), min(q_ours[-1], q_theirs[-1])
    if low > high:
        ahead = q_ours[0] > q_theirs[-1]
        share = 1 - (r_ours[0] / r_theirs[-1] if ahead else r_ours[-1] / r_theirs[0])
        return (">" if ahead else "<"), float(share)
    return "=", float(1 - np.exp(mean_log_rate(ours, low, high) - mean_log_rate(theirs, low, high)))


def mean_log_rate(c: Curve, low: float, high: float) -> float:
    """Return the mean of log(kbps) over the qualities low..high, which the curve must reach."""
    r, q = c
    if len(r) == 1:
        return float(np.log(r[0]))
    inverse = PchipInterpolator(q, np.log(r))
    return float(inverse(low) if low == high else inverse.integrate(low, high) / (high - low))


def compare(points: Points, own: str, codec: str, metric: str) -> tuple[str, float] | None:
    """Compare the curves of two codecs over the clips that all their points have; None if there is none."""
    chosen = {p: rows for p, rows in points.items() if p[0] in (own, codec)}
    if not {own, codec} <= {name for name, _ in chosen}:
        return None
    scored = [{c for c, row in rows.items() if np.isfinite(row.get(metric, np.nan))} for rows in chosen.values()]
    clips = set.intersection(*scored)
    if not clips:
        return None
    curves = []
    for name in (own, codec):
        rows = [[rows[c] for c in clips] for p, rows in chosen.items() if p[0] == name]
        curves.append(curve([mean_kbps(r) for r in rows], [float(np.mean([row[metric] for row in r])) for r in rows]))
    return saving(*curves)


def savings_table(points: Points, own: str, metrics: Mapping[str, Metric]) -> str:
    """Return the share of bits that ours saves against each peer as Markdown."""
    names = [k for k in CURVES if k in metrics]
    lines = []
    for codec in dict.fromkeys(name for name, _ in points if name != own):
        found = [compare(points, own, codec, k) for k in names]
        if any(found):
            texts = [f"{f[0].strip('=')} {round(100 * f[1])} %".strip() if f else "–" for f in found]
            lines.append([title_of(codec), *texts])
    head = [f"bits {own} saves against", *(f"at equal {metrics[k].title}" for k in names)]
    return markdown(head, lines) if lines else ""


# ------------------------------------------------------------------------------------------------ worst recordings


def worst(points: Points, own: str) -> list[dict]:
    """List the recordings on which ours is furthest behind the best Opus of the same rate, by PESQ, at every rate."""
    found = []
    for (codec, asked), rows in points.items():
        rivals = [(name, points[name, asked]) for name in OPUS if (name, asked) in points]
        if codec != own or not rivals:
            continue
        listed = []
        for clip, row in rows.items():
            scored = [(other[clip].get("pesq", -np.inf), name) for name, other in rivals if clip in other]
            if scored and "pesq" in row:
                best, name = max(scored)
                entry = {"codec": own, "kbps_asked": asked, "clip": clip, "difference": row["pesq"] - best}
                entry |= {k: row.get(k) for k in CURVES} | {"rival": name}
                listed.append(entry | {f"rival_{k}": points[name, asked][clip].get(k) for k in CURVES})
        found += sorted(listed, key=lambda entry: entry["difference"])[:N_WORST]
    return found


# ------------------------------------------------------------------------------------------------ curves


def draw(points: Points, own: str, metrics: Mapping[str, Metric], path: Path) -> None:
    """Draw quality over rate, a panel for each metric, ours strongest."""
    fig = Figure(figsize=(13, 5), layout="constrained")
    names = [own, *(codec for codec in PEERS if any(codec == name for name, _ in points))]
    for ax, metric in zip(fig.subplots(1, len(CURVES)), CURVES, strict=True):
        for codec in reversed(names):
            draw_codec(ax, [list(rows.values()) for (name, _), rows in points.items() if name == codec], metric, codec)
        style_axes(ax)
        ax.set_xticks(POINTS)
        ax.set_xlabel("kbps, measured", color=MUTED)
        ax.set_title(metrics[metric].title, loc="left", color=INK)
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    save(fig, path)


def draw_codec(ax, points: Sequence[Sequence[Mapping]], metric: str, codec: str) -> None:
    """Draw the curve of one codec with 95 % intervals."""
    scores = [mean_and_interval([row.get(metric, np.nan) for row in rows]) for rows in points]
    kept = [(mean_kbps(rows), *s) for rows, s in zip(points, scores, strict=True) if np.isfinite(s[0])]
    if not kept:
        return
    r, q, half = np.array(kept).T
    colour, marker = STYLES.get(codec, (INK, "o"))
    ours = codec not in STYLES
    style = {"linewidth": 3.2 if ours else 1.4, "markersize": 9 if ours else 6, "zorder": 5 if ours else 3}
    ax.errorbar(r, q, half, color=colour, marker=marker, label=title_of(codec), elinewidth=0.8, capsize=2, **style)


# ------------------------------------------------------------------------------------------------ files


@dataclass(frozen=True)
class Columns:
    """Hold the metrics of the three tables by their columns: scores, differences of signals, judges."""

    scores: Mapping[str, Metric]
    signals: Mapping[str, Metric]
    judges: Mapping[str, Metric]


def write_summary(
    rows: Iterable[Mapping],
    noise: Iterable[Mapping],
    own: str,
    columns: Columns,
    absent: Mapping[str, str],
    folder: Path,
) -> None:
    """Write `benchmark.md`, `benchmark.png` and `worst.csv`; print the first."""
    rows = list(rows)
    points = group(row for row in rows if row["codec"] != UNCODED)
    present = {codec for codec, _ in points}
    absent = {PEERS[codec].title: "not asked for yet" for codec in PEERS if codec not in present} | dict(absent)
    clips = {clip: row["seconds"] for rows in points.values() for clip, row in rows.items()}
    text = f"{len(clips)} recordings, {sum(clips.values()) / 60:.1f} minutes; means with 95 % intervals.\n\n"
    parts = [table(points, own, columns.scores, absent), savings_table(points, own, columns.scores)]
    parts += [judges_table(rows, own, columns.judges), signals_table(rows, own, columns.signals)]
    text += "\n".join(filter(None, [*parts, noise_table(noise, own)]))
    scores = [row["dnsmos"] for row in rows if row["codec"] == UNCODED and "dnsmos" in row]
    if scores:
        text += "\nThe recordings themselves have DNSMOS {:.2f} ± {:.2f}.\n".format(*mean_and_interval(scores))
    draw(points, own, columns.scores, folder / "curves.png")
    entries = worst(points, own)
    (folder / "worst.csv").unlink(missing_ok=True)
    listed = list(entries[0]) if entries else ["codec", "kbps_asked", "clip"]
    append_rows(entries, listed, folder / "worst.csv")
    publish(text, folder / "table.md")
