"""Grids of prunings: nothing is measured twice, and the table says what the rows say."""

import doctest
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("matplotlib", reason="the curves need it")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import csp_codec
import grid

from lpcnet_cq.evaluation.tables import read_rows


@pytest.mark.parametrize("module", [grid, csp_codec], ids=lambda module: module.__name__)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


def measure(cell):
    method, sparsity, seed = cell
    return [{"score": 4 - sparsity + 0.1 * (method == "csp") + 0.01 * seed**2, "n": 3}]


def test_an_interrupted_grid_goes_on_where_it_stopped(tmp_path):
    todo, asked = grid.cells(["csp", "l1"], [0.0, 0.5], [0, 1]), []

    def interrupted(cell):
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(cell)
        return measure(cell)

    path = tmp_path / "new" / "grid.csv"
    with pytest.raises(KeyboardInterrupt):
        grid.run(todo, interrupted, path)
    assert len(read_rows(path, grid.TEXT_COLUMNS)) == 3
    rows = grid.run(todo, lambda cell: asked.append(cell) or measure(cell), path)
    assert asked == todo and len(rows) == 6
    assert rows[-1] == {"method": "l1", "sparsity": 0.5, "seed": 1.0, "score": 3.51, "n": 3.0}
    assert grid.run(todo, pytest.fail, path) == rows


@pytest.fixture
def rows(tmp_path):
    return grid.run(grid.cells(["csp", "l1"], [0.0, 0.5, 0.9], [0, 1, 2]), measure, tmp_path / "grid.csv")


def test_gain_is_paired_by_seed(rows):
    """Seeds differ by more than methods do, and do not matter."""
    assert grid.gains(rows, "l1", 0.5) == pytest.approx([0.1] * 3)


def test_table_has_means_and_intervals(rows):
    lines = grid.table(rows, "PESQ").splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    found = {name: values for name, *values in cells}
    values = [3.6, 3.61, 3.64]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert found["PESQ"] == ["50 %", "90 %"]
    assert found["csp"][0] == f"{np.mean(values):.3f} ± {(high - low) / 2:.3f}"
    assert found["csp over l1"][0].startswith("+0.100") and found.keys() == {"PESQ", "---", "l1", "csp", "csp over l1"}
    assert "Dense, trained as long: 4.017" in lines[-1]


def test_curves_are_drawn_and_gaps_do_not_matter(rows, tmp_path):
    some = [row for row in rows if (row["method"], row["sparsity"]) != ("l1", 0.9)]
    grid.draw({"a": some, "b": rows}, tmp_path / "grid.png")
    assert (tmp_path / "grid.png").stat().st_size > 5000
    assert "–" in grid.table(some, "PESQ")


def row(method, sparsity, rate_bps, lost, n_bytes):
    return {"method": method, "sparsity": sparsity, "seed": 0, "rate_bps": rate_bps, "lost": lost, "bytes": n_bytes}


def test_the_smallest_model_that_is_good_enough_at_every_rate_is_named():
    rows = [row("dense", 0.0, r, 0.0, 100) for r in csp_codec.RATES_BPS]
    for n_bytes, sparsity, lost in ((90, 0.5, (0.0, 0.01)), (80, 0.6, (0.02, -0.1)), (70, 0.7, (0.0, 0.03))):
        rows += [row("csp", sparsity, *of, n_bytes) for of in zip(csp_codec.RATES_BPS, lost, strict=True)]
    named = "Smallest within 0.02 PESQ: csp at 60 % zeros, 80 bytes, at most 0.020"
    assert csp_codec.small_enough(rows).startswith(named)
    assert csp_codec.small_enough(rows[:2]).startswith("No sparse model")
