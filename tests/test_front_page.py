"""The numbers of the README are those of the benchmark's rows."""

import doctest
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the comparison of curves needs it")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import benchmark
import front_page


def test_examples():
    assert doctest.testmod(front_page).failed == 0


def test_the_readme_has_the_numbers_of_the_rows():
    rows = benchmark.read_rows(front_page.RESULTS / "benchmark" / "rows.csv")
    assert front_page.front_page(list(rows.values())) == front_page.README.read_text(encoding="utf-8")


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="no mark `numbers`"):
        front_page.rewritten("text", {"numbers": "1"})
