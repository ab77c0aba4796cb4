"""The test of the wheel: the tests that it runs are there."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import wheel_test


@pytest.mark.parametrize("path", [*wheel_test.TESTS, *wheel_test.TRAINING])
def test_paths_exist(path):
    assert (Path(__file__).parent / path).exists()
