"""Scores under packet loss: the patterns, whose packet is lost in time, rows merged and reported."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the report draws")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import loss
import loss_report
from loss_peers import LOSSY, LossyPeer

from lpcnet_cq.evaluation.tables import read_rows

COUNTS = [700, 600, 500, 633, 500, 500, 400, 500]  # packets of eight recordings, 4333 together
SCORES = {"pesq": 3.0, "estoi": 0.9, "plcmos": 4.0}


def test_patterns_are_those_that_other_codecs_were_scored_with():
    found = loss.patterns([3, 5, 10, 20], COUNTS)
    names = ["rand3", "rand5", "rand10", "rand20", "burst5", "burst10", "burst20"]
    assert set(found) == {"none", *names}
    assert all([len(part) for part in parts] == COUNTS for parts in found.values())
    joined = b"".join(np.packbits(np.concatenate(found[name])).tobytes() for name in names)
    assert hashlib.sha256(joined).hexdigest()[:16] == "47e6955345c86ff0"


def test_a_codec_of_10_ms_loses_both_packets():
    coder = replace(LOSSY["lc3"].coder, hop=160)
    seen = []
    peer = LossyPeer(coder, lambda packets, lost: seen.append(lost) or np.zeros(160 * len(packets)))
    peer.heard([b""] * 7, np.array([False, True, False]))
    assert seen[0].tolist() == [False, False, True, True, False, False, False]


def test_what_is_heard_is_moved_by_the_delay_of_the_undisturbed_codec():
    x = np.random.default_rng(0).standard_normal(3200)
    coder = replace(LOSSY["opus"].coder, lag=100)
    peer = LossyPeer(coder, lambda packets, lost: np.pad(x, (102, 0)) * (1 - 0.5 * lost.any()))
    lag = peer.lag(x, [b""] * 10)
    assert lag == 102
    np.testing.assert_array_equal(peer.aligned([b""] * 10, np.array([True]), lag, len(x)), x / 2)


def rows(codec, kbps, **more):
    kinds = loss_report.PATTERNS
    return [
        {"codec": codec, "kbps_asked": kbps, "kbps": kbps, "pattern": p, "clip": c, "seconds": 1.0, **SCORES, **more}
        for p in kinds
        for c in ("a", "b")
    ]


def test_rows_are_merged_once_and_measured_once(tmp_path):
    path, source = tmp_path / "rows.csv", tmp_path / "evs.csv"
    source.write_text(
        "id,codec,asked,kbps,pattern,loss,pesq,estoi,visqol,plcmos\na,evs,9.6,9.6,none,0.0,3.5,0.9,3.6,4.8\n"
    )
    for _ in range(2):
        loss.merge(path, source)
    (row,) = read_rows(path, loss.TEXTS)
    assert (row["codec"], row["kbps"], row["pesq"], row["plcmos"]) == ("evs", 9.6, 3.5, 4.8)
    loss.measure(path, {"codec": "evs", "kbps_asked": 9.6}, {"none": []}, [], lambda: pytest.fail("it is there"))


def test_rows_of_new_patterns_are_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(loss, "score", lambda x, y: {"pesq": float(y[0])})
    path, sounds = tmp_path / "rows.csv", [("a", np.zeros(640)), ("b", np.zeros(320))]
    losses = {"none": [np.zeros(2, bool), np.zeros(1, bool)], "rand5": [np.array([True, False]), np.zeros(1, bool)]}
    key = {"codec": "x", "setting": "reset 1", "kbps_asked": 9.0}
    loss.measure(path, key, losses, sounds, lambda: ([9.1, 8.9], [lambda gone: gone + 1.0] * 2))
    columns = ("pattern", "clip", "kbps", "loss", "pesq")
    found = [tuple(row[name] for name in columns) for row in read_rows(path, loss.TEXTS)]
    assert found == [
        ("none", "a", 9.1, 0.0, 1.0),
        ("none", "b", 8.9, 0.0, 1.0),
        ("rand5", "a", 9.1, 50.0, 2.0),
        ("rand5", "b", 8.9, 0.0, 1.0),
    ]


def test_table_and_curves(tmp_path, capsys):
    others = [{k: v for k, v in row.items() if k != "plcmos"} for row in rows("opus", 16.0)]
    loss_report.write_report([*others, *rows("cq", 9.02, setting="reset 1"), *rows("evs", 9.6)], tmp_path)
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert "means over 2 recordings" in lines[0] and capsys.readouterr().out.startswith("PESQ")
    assert [line.split("|")[1].strip() for line in lines[4:]] == ["**lpcnet_cq `cq`, reset 1**", "EVS", "Opus 1.6"]
    assert lines[4].count("**3.00 / 4.00**") == 8 and lines[6].count("3.00 / –") == 8
    assert (tmp_path / "curves.png").stat().st_size > 10000
