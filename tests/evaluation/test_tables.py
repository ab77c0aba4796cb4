"""Rows on disk and tables: what is written is read again, intervals are Student's."""

import fcntl
import threading

import numpy as np
import pytest
from scipy import stats

from lpcnet_cq.evaluation import tables


def test_rows_are_read_as_written(tmp_path):
    path = tmp_path / "new" / "rows.csv"
    tables.append_rows([{"name": "a", "value": 1.23456789, "extra": 1}], ["name", "value", "missing"], path)
    tables.append_rows([{"name": "b", "value": float("nan"), "missing": 2}], ["name", "value", "missing"], path)
    first, second = tables.read_rows(path, ["name"])
    assert first == {"name": "a", "value": 1.2346}  # five digits; blank cells are left out
    assert second["missing"] == 2 and np.isnan(second["value"])
    tables.write_rows([{"name": "c"}], path)
    assert tables.read_rows(path, ["name"]) == [{"name": "c"}]
    assert tables.read_rows(tmp_path / "none.csv") == []


@pytest.mark.parametrize("left", ["name,va", "name,value\n", "name,value\na,1\n", "name,value\na,1\nb,2.3"])
def test_a_line_that_was_not_completed_does_not_count(tmp_path, left):
    path = tmp_path / "rows.csv"
    path.write_text(left)
    before = tables.read_rows(path, ["name"])
    assert before == [{"name": "a", "value": 1.0}] * ("a,1" in left)
    tables.append_rows([{"name": "c", "value": 3}], ["name", "value"], path)
    assert tables.read_rows(path, ["name"]) == [*before, {"name": "c", "value": 3.0}]


def test_a_row_that_another_program_is_writing_is_not_cut(tmp_path):
    path = tmp_path / "rows.csv"
    add = threading.Thread(target=tables.append_rows, args=([{"name": "c", "value": 3}], ["name", "value"], path))
    with open(path, "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"name,value\na,1\nb,2")
        other.flush()
        add.start()
        add.join(0.2)
        other.write(b".5\n")
    add.join()
    assert [row["value"] for row in tables.read_rows(path, ["name"])] == [1.0, 2.5, 3.0]


def test_programs_that_add_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / "rows.csv"

    def add(first):
        for value in range(first, first + 50):
            tables.append_rows([{"value": value}], ["value"], path)

    threads = [threading.Thread(target=add, args=(first,)) for first in (0, 50, 100, 150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row["value"] for row in tables.read_rows(path)) == list(range(200))


def test_interval_is_students():
    v = np.random.default_rng(0).normal(3, 0.2, 12)
    mean, half = tables.mean_and_interval([*v, np.nan])
    low, high = stats.t.interval(0.95, 11, np.mean(v), stats.sem(v))
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert np.isnan(tables.mean_and_interval([1.0])[1])
    assert np.isnan(tables.mean_and_interval([np.nan])[0])


def test_columns_of_text_are_aligned_to_the_left():
    text = tables.markdown(["a", "b", "c"], [["x", "y", "1"]], text_columns=2)
    assert text.splitlines()[1] == "| --- | --- | ---: |"
