"""The state of floating-point errors: computations have NumPy's own, callers keep theirs."""

import numpy as np
import pytest

from dsp._floating_point import computed_usually, usual_errors
from dsp.analysis import analyze
from dsp.frames import FrameSpec
from dsp.report import measure


def test_underflow_is_no_error_and_other_errors_are_warnings():
    with np.errstate(all="raise"), usual_errors():
        assert np.float32(1e-30) * np.float32(1e-30) == 0
        for wrong in (lambda: np.float32(1) / 0, lambda: np.float32(1e30) ** 2, lambda: np.float32(0) / 0):
            with pytest.warns(RuntimeWarning):
                wrong()


def test_between_items_the_state_is_that_of_the_caller():
    states = []

    def items():
        for _ in range(3):
            states.append(np.geterr()["under"])
            yield None

    with np.errstate(all="raise"):
        for _ in computed_usually(items()):
            states.append(np.geterr()["under"])
        states.append(np.geterr()["under"])
    assert states == ["ignore", "raise"] * 3 + ["raise"]


@pytest.mark.parametrize("scale", [1.0, 1e-160, 1e-310])
def test_analyses_do_not_depend_on_the_state_of_the_caller(scale):
    x = scale * np.eye(1, 4800, 900)[0]
    found, expected = [], []
    for into, state in ((expected, "ignore"), (found, "raise")):
        with np.errstate(all=state):
            into += [analyze(x, FrameSpec()).lpc, measure(x, 16000).pitch_hz]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
