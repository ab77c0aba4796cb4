"""Grids of prunings, method by sparsity by seed: what is still to be run, its rows, their table and curves.

A row has `method`, `sparsity`, `seed`, `score` and whatever else was measured. At sparsity 0 there is one method,
"dense": the same training without pruning, which is what the others are held against.
"""

import argparse
import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lpcnet_cq.evaluation.evaluate import append_rows, mean_and_interval
from lpcnet_cq.evaluation.plots import DPI, GRID, INK, MUTED
from lpcnet_cq.pruning.schedule import Schedule
from lpcnet_cq.pruning.sparsify import methods

RESULTS = Path(__file__).parent / "results"
DENSE = "dense"
METHODS = tuple(methods(Schedule(0, 0)))
OURS = "csp"
# Okabe and Ito's palette, safe for colour-blind readers; a marker for each, for printing without colour.
STYLES = {
    "csp": (INK, "o"),
    "gradual": ("#D55E00", "s"),
    "one-shot": ("#0072B2", "^"),
    "l1": ("#009E73", "D"),
    "iht": ("#CC79A7", "v"),
}

Cell = tuple[str, float, int]  # method, sparsity, seed


def add_arguments(parser: argparse.ArgumentParser, steps: int) -> None:
    """Let the command line choose a part of the grid, to fit a budget; rows that are there are never run again."""
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--sparsities", nargs="+", type=float, default=[0.0, 0.5, 0.8, 0.9, 0.95])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=steps, help="of every pruning (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")


def cells(methods: Sequence[str], sparsities: Sequence[float], seeds: Sequence[int]) -> list[Cell]:
    """List what is to be run, seed by seed, so that an interrupted grid has whole seeds.

    >>> cells(["csp", "l1"], [0.0, 0.5], [7])
    [('dense', 0.0, 7), ('csp', 0.5, 7), ('l1', 0.5, 7)]
    """
    return [
        cell
        for seed in seeds
        for sparsity in sparsities
        for cell in ([(name, sparsity, seed) for name in methods] if sparsity else [(DENSE, 0.0, seed)])
    ]


def recipe_of(method: str) -> str:
    """Return the method of `sparsify` that runs: "dense" is any that has nothing to prune."""
    return "gradual" if method == DENSE else method


def read_rows(path: Path) -> list[dict]:
    """Read rows, numbers as numbers."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [{k: v if k == "method" else float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def run(todo: Iterable[Cell], measure: Callable[[Cell], list[dict]], path: Path) -> list[dict]:
    """Measure the cells that have no rows yet, add their rows as they come, and return all rows."""
    done = {(row["method"], row["sparsity"], row["seed"]) for row in read_rows(path)}
    for cell in todo:
        if cell in done:
            continue
        for row in measure(cell):
            whole = dict(zip(("method", "sparsity", "seed"), cell, strict=True)) | row
            append_rows([whole], list(whole), path)
            print(", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), cell)
    return read_rows(path)


# ------------------------------------------------------------------------------------------------ what they say


def scores(rows: Sequence[dict], method: str, sparsity: float) -> dict[float, float]:
    """Return the score of each seed."""
    return {row["seed"]: row["score"] for row in rows if (row["method"], row["sparsity"]) == (method, sparsity)}


def gain(rows: Sequence[dict], method: str, sparsity: float) -> tuple[float, float]:
    """Return by how much CSP's score is above a method's, and the interval's half width, both from the same seeds."""
    ours, theirs = scores(rows, OURS, sparsity), scores(rows, method, sparsity)
    return mean_and_interval([ours[seed] - theirs[seed] for seed in ours.keys() & theirs.keys()])


def cell_text(mean: float, half: float, sign: str = "") -> str:
    """Write a mean and its interval.

    >>> cell_text(0.5, float("nan")), cell_text(0.5, 0.1, "+")
    ('0.500', '+0.500 ± 0.100')
    """
    if not np.isfinite(mean):
        return "–"
    return f"{mean:{sign}.3f}" + (f" ± {half:.3f}" if np.isfinite(half) else "")


def table(rows: Sequence[dict], title: str) -> str:
    """Lay out means over seeds with 95 % intervals, and how far CSP is above each of the others, as Markdown."""
    sparsities = sorted({row["sparsity"] for row in rows} - {0.0})
    found = [name for name in METHODS if any(row["method"] == name for row in rows)]
    rivals = [name for name in found if name != OURS] if OURS in found else []
    lines = [[title, *(f"{100 * s:g} %" for s in sparsities)], ["---", *["---:"] * len(sparsities)]]
    for name in found:
        values = [mean_and_interval(list(scores(rows, name, s).values())) for s in sparsities]
        lines.append([name, *(cell_text(*value) for value in values)])
    lines += [[f"csp over {name}", *(cell_text(*gain(rows, name, s), "+") for s in sparsities)] for name in rivals]
    dense = cell_text(*mean_and_interval(list(scores(rows, DENSE, 0.0).values())))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + f"\nDense, trained as long: {dense}.\n"


def draw(panels: dict[str, Sequence[dict]], path: Path) -> None:
    """Draw score over sparsity, a panel per title, a line per method with 95 % intervals, dense as a dashed line."""
    figure = Figure(figsize=(5 * len(panels), 4), layout="constrained")
    for ax, (title, rows) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name in (name for name in METHODS if any(row["method"] == name for row in rows)):
            sparsities = sorted({row["sparsity"] for row in rows if row["method"] == name})
            values = [mean_and_interval(list(scores(rows, name, s).values())) for s in sparsities]
            colour, marker = STYLES[name]
            ax.errorbar(sparsities, *zip(*values, strict=True), color=colour, marker=marker, capsize=3, label=name)
        if dense := list(scores(rows, DENSE, 0.0).values()):
            ax.axhline(np.mean(dense), color=MUTED, linestyle="--", label=DENSE)
        ax.set(xlabel="share of zeros")
        ax.set_title(title, loc="left", color=INK)
        ax.grid(color=GRID, linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=DPI, facecolor="white")
