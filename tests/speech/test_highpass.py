"""The encoder's high pass against the closed form of a Butterworth filter, and piece by piece."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.speech.highpass import CUTOFF_HZ, highpass, start_highpass

FS = 16000


def gain_of(frequency_hz):
    """Return the gain of a sine once the start has died away."""
    x = np.sin(2 * np.pi * frequency_hz * np.arange(2 * FS) / FS)
    return np.std(highpass(start_highpass(), x, FS)[1][FS:]) / np.std(x[FS:])


@pytest.mark.parametrize("frequency_hz", [5, 20, 50, 100, 400, 7000])
def test_gain_is_that_of_a_butterworth_filter(frequency_hz):
    warped = np.tan(np.pi * CUTOFF_HZ / FS) / np.tan(np.pi * frequency_hz / FS)  # bilinear transform
    assert gain_of(frequency_hz) == pytest.approx(1 / np.sqrt(1 + warped**4), rel=1e-3)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=6))
def test_pieces_are_the_whole(lengths):
    x = np.random.default_rng(0).standard_normal(sum(lengths)).astype(np.float32)
    state, pieces = start_highpass(), []
    for end, n in zip(np.cumsum(lengths), lengths, strict=True):
        state, y = highpass(state, x[end - n : end], FS)
        pieces.append(y)
    whole = highpass(start_highpass(), x, FS)[1]
    np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=0, atol=5e-7)  # one step of single precision


def test_dtype_and_silence():
    y = highpass(start_highpass(), np.zeros(10), FS)[1]
    assert y.dtype == np.float32 and not y.any()
