"""The numbers of the README are those of the benchmark's rows and of the released weights."""

import doctest
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the comparison of curves needs it")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import benchmark
import front_page

import lpcnet_cq


def test_examples():
    assert doctest.testmod(front_page).failed == 0


def test_the_readme_has_the_numbers_of_the_rows():
    rows = benchmark.read_rows(front_page.RESULTS / "benchmark" / "rows.csv")
    assert front_page.front_page(list(rows.values())) == front_page.README.read_text(encoding="utf-8")


def test_the_readme_has_delay_and_size_of_the_released_weights():
    codec, text = lpcnet_cq.load(), front_page.README.read_text(encoding="utf-8")
    assert f"**{codec.delay_ms:g} ms of algorithmic delay**, {codec.n_parameters:,} parameters" in text


def test_the_samples_are_linked_above_the_figure():
    text = front_page.README.read_text(encoding="utf-8")
    assert 0 < text.index("(docs/samples/README.md)") < text.index("(docs/codec.svg)")


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="no mark `numbers`"):
        front_page.rewritten("text", {"numbers": "1"})
