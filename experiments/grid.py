"""Grids of pruning runs, method by sparsity by seed: the runs still to do, their rows, table and curves.

A row has `method`, `sparsity`, `seed`, `score` and whatever else was measured. At sparsity 0 there is one method,
"dense": the same training without pruning, the reference of the others.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from report import RESULTS

from lpcnet_cq.evaluation.plots import INK, MUTED, save, style_axes
from lpcnet_cq.evaluation.tables import append_rows, markdown, mean_and_interval, mean_cell, read_rows
from lpcnet_cq.pruning.schedule import Schedule
from lpcnet_cq.pruning.sparsify import methods

DENSE = "dense"
TEXT_COLUMNS = ("method",)
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
    """Add the options that choose a part of the grid; runs that have rows already are not repeated."""
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--sparsities", nargs="+", type=float, default=[0.0, 0.5, 0.8, 0.9, 0.95])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=steps, help="of every pruning (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the folder to write to")


def cells(methods: Sequence[str], sparsities: Sequence[float], seeds: Sequence[int]) -> list[Cell]:
    """Return the runs of a grid seed by seed, so that an interrupted grid has complete seeds.

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


def run(todo: Iterable[Cell], measure: Callable[[Cell], list[dict]], path: Path) -> list[dict]:
    """Measure the cells that have no rows yet, append their rows to the file, and return all rows."""
    done = {(row["method"], row["sparsity"], row["seed"]) for row in read_rows(path, TEXT_COLUMNS)}
    for cell in todo:
        if cell in done:
            continue
        for row in measure(cell):
            whole = dict(zip(("method", "sparsity", "seed"), cell, strict=True)) | row
            append_rows([whole], list(whole), path)
            print(", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), cell)
    return read_rows(path, TEXT_COLUMNS)


# ------------------------------------------------------------------------------------------------ results


def scores(rows: Sequence[dict], method: str, sparsity: float) -> dict[float, float]:
    """Return the score of each seed."""
    return {row["seed"]: row["score"] for row in rows if (row["method"], row["sparsity"]) == (method, sparsity)}


def gains(rows: Sequence[dict], method: str, sparsity: float) -> list[float]:
    """Return by how much CSP's score is above a method's, seed by seed."""
    ours, theirs = scores(rows, OURS, sparsity), scores(rows, method, sparsity)
    return [ours[seed] - theirs[seed] for seed in ours.keys() & theirs.keys()]


def table(rows: Sequence[dict], title: str) -> str:
    """Return means over seeds with 95 % intervals, and the gain of CSP over each other method, as Markdown."""
    sparsities = sorted({row["sparsity"] for row in rows} - {0.0})
    found = [name for name in METHODS if any(row["method"] == name for row in rows)]
    rivals = [name for name in found if name != OURS] if OURS in found else []
    lines = [[name, *(mean_cell(scores(rows, name, s).values(), 3) for s in sparsities)] for name in found]
    lines += [[f"csp over {name}", *(mean_cell(gains(rows, name, s), 3, "+") for s in sparsities)] for name in rivals]
    dense = mean_cell(scores(rows, DENSE, 0.0).values(), 3)
    return markdown([title, *(f"{100 * s:g} %" for s in sparsities)], lines) + f"\nDense, trained as long: {dense}.\n"


def draw(panels: Mapping[str, Sequence[dict]], path: Path) -> None:
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
        style_axes(ax)
    figure.axes[0].legend(frameon=False, fontsize=9)
    save(figure, path)
