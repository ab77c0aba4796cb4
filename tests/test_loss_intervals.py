"""The table of intervals of context resets: the best score of each loss at each rate is bold."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
pytest.importorskip("matplotlib", reason="the report draws")

import loss_intervals
from loss_intervals import COLUMNS, PROTECTIONS, setting_of, write_table

from lpcnet_cq.evaluation.tables import append_rows, read_rows


def test_the_best_of_each_rate_is_bold(tmp_path):
    scores = {(9.0, "reset 1"): (3.8, 3.7), (9.0, "reset 2"): (3.9, 3.6), (16.0, "reset 1"): (4.2, 4.1)}
    for (kbps, setting), (none, lost) in scores.items():
        row = dict.fromkeys(COLUMNS[4:], lost) | {COLUMNS[4]: none}
        append_rows(
            [row | {"codec": "cq3", "kbps_asked": kbps, "setting": setting, "kbps": kbps}], COLUMNS, tmp_path / "i"
        )
    write_table(read_rows(tmp_path / "i", ["codec", "setting"]), tmp_path / "i.md")
    lines = [line for line in (tmp_path / "i.md").read_text().splitlines() if line.startswith("| `cq3`")]
    assert [line.split("|")[4:6] for line in lines] == [
        [" 3.80 ", " **3.70** "],
        [" **3.90** ", " 3.60 "],
        [" **4.20** ", " **4.10** "],
    ]


def test_what_has_a_row_is_not_measured_again(tmp_path, monkeypatch):
    rates = (9.0, 16.0)
    rows = [{"codec": "cq3", "kbps_asked": kbps, "setting": setting_of(p)} for kbps in rates for p in PROTECTIONS]
    append_rows(rows, COLUMNS, tmp_path / "i.csv")
    monkeypatch.setattr(loss_intervals, "recordings", lambda data: [])
    loss_intervals.run("nowhere", tmp_path / "i.csv", "cq3", list(rates))
    assert len(read_rows(tmp_path / "i.csv", ["codec", "setting"])) == len(rows)
