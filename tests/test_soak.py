"""The soak test of live coding, for seconds instead of an hour, with the smallest model before training."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import soak

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")


def test_samples_come_out_as_they_went_in_and_threads_agree(speech_codec):
    x = soak.pulses(16000, 1)[:16000]
    lines = []
    run = soak.soak(speech_codec, x, 2 / 60, 30000, lines.append)
    assert run.n_in == 2 * 16000 and run.n_in <= run.n_out < run.n_in + 2 * 320 and lines == []
    again = soak.soak(speech_codec, x, 2 / 60, 30000, lines.append)
    assert (again.packets, again.sound) == (run.packets, run.sound)


def test_lags_are_found():
    x = np.random.default_rng(1).standard_normal(4000)
    assert [soak.lag_of(np.roll(x, lag), x) for lag in (-7, 0, 150)] == [-7, 0, 150]


def test_a_signal_begins_anew():
    frames = list(soak.frames_of(np.arange(5), 3, 4))
    assert np.concatenate(frames).tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
