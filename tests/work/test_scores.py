"""Scores of many units: rows of earlier runs are kept, unless files have changed or there was an error."""

import math
from pathlib import Path

import pytest

from lpcnet_cq.work.engine import LOST_TEXT, MOST_LOSSES
from lpcnet_cq.work.scores import Scoring, numbers, scored
from lpcnet_cq.work.where import Where


def length(path):
    """Stand in for a metric: the length of a text; that of an empty one is not defined."""
    text = path.read_text()
    if text == "bad":
        raise ValueError(f"`{path.name}` is no sound")
    return {"score": len(text) or math.nan}, [f"read {path.name}"]


def alone(path):
    return (path,)


def lose(path):
    import os

    os._exit(1)


@pytest.fixture
def texts(tmp_path):
    """Return texts by name; one cannot be scored."""
    for name, text in (("a", "one"), ("b", "bad"), ("c", ""), ("d\udce9", "three")):
        (tmp_path / name).write_text(text)
    return {name: tmp_path / name for name in ("d\udce9", "c", "b", "a")}


def test_rows_are_in_the_order_of_the_units_and_errors_are_rows(texts):
    told = []
    found = scored(texts, Scoring(length, alone, False), report=told.extend)
    assert list(found) == list(texts) and found["a"] == {"score": 3, "error": ""}
    assert found["b"] == {"error": "`b` is no sound"} and math.isnan(found["c"]["score"])
    assert told == ["read d\udce9", "read c", "read a"]


def test_a_unit_whose_workers_are_lost_is_an_error_of_its_own(tmp_path):
    found = scored({"a": Path("a")}, Scoring(lose, alone, False), Where(2))
    assert found == {"a": {"error": LOST_TEXT}} and str(MOST_LOSSES) in LOST_TEXT


@pytest.fixture
def manifest(tmp_path):
    """Return a function that opens the manifest of this test."""
    pytest.importorskip("pyarrow", reason="needs the extra `cluster`")
    from lpcnet_cq.work.manifest import Manifest

    return lambda: Manifest(tmp_path / "m.parquet", {}, unit_of=str)


def test_only_changed_and_failed_units_are_scored_again(texts, manifest):
    scoring = Scoring(length, alone, True)
    with manifest() as kept:
        before = scored(texts, scoring, manifest=kept)
    texts["a"].write_text("changed")
    texts["b"].write_text("good")
    told = []
    with manifest() as kept:
        after = scored(texts, scoring, manifest=kept, report=told.extend)
    assert told == ["read b", "read a"] and list(after) == list(texts)
    assert [numbers(after[name])["score"] for name in ("a", "b", "d\udce9")] == [7, 4, 5]
    assert math.isnan(after["c"]["score"]) and numbers(after["d\udce9"]) == numbers(before["d\udce9"])
    with manifest() as kept:
        assert len(kept.rows_of("a")) == len(kept.rows_of("d\\xe9")) == 1


def test_a_run_that_stopped_goes_on(texts, manifest):
    """The rows before the stop are in the journal; nothing is scored twice, nothing doubled."""
    told, scoring = [], Scoring(length, alone, True)

    def stop(notes):
        told.extend(notes)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), manifest() as kept:
        scored(texts, scoring, manifest=kept, report=stop)
    with manifest() as kept:
        scored(texts, scoring, manifest=kept, report=told.extend)
    assert told == ["read d\udce9", "read c", "read a"]
    from lpcnet_cq.work.manifest import read_table

    assert [row["path"] for row in read_table(kept.path)[1]] == ["a", "b", "c", "d\\xe9"]
