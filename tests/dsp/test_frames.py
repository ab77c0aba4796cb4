"""Frame arithmetic against a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.frames import FrameSpec, frame

specs = st.builds(
    FrameSpec,
    sample_rate_hz=st.integers(1, 96000),
    window=st.integers(1, 30),
    hop=st.integers(1, 12),
    look_ahead=st.integers(0, 12),
    subframe=st.just(1),
)


@given(specs, st.integers(0, 60))
def test_windows_are_those_of_a_plain_loop(spec, n_samples):
    x = np.arange(1.0, n_samples + 1)
    windows = frame(x, spec)
    T = spec.n_frames(n_samples)
    assert windows.shape == (T, spec.window)
    assert (T - 1) * spec.hop < n_samples <= T * spec.hop or T == n_samples == 0
    for t in range(T):
        stop = (t + 1) * spec.hop + spec.look_ahead
        expected = [x[i] if 0 <= i < n_samples else 0.0 for i in range(stop - spec.window, stop)]
        assert windows[t].tolist() == expected


@given(specs, st.integers(1, 60))
def test_a_frame_needs_no_sample_beyond_its_delay(spec, n_samples):
    x = np.random.default_rng(0).normal(size=n_samples)
    for t in range(spec.n_frames(n_samples)):
        later = x.copy()
        later[t * spec.hop + spec.delay :] = 7.0
        assert np.array_equal(frame(later, spec)[t], frame(x, spec)[t])


def test_known_values():
    spec = FrameSpec()
    assert (spec.n_subframes, spec.delay, spec.ms(spec.window), spec.ms(spec.delay)) == (5, 448, 30.0, 28.0)
    assert [spec.n_frames(n) for n in (0, 1, 320, 321, 16000)] == [0, 1, 1, 2, 50]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_types_layouts_and_leading_axes(dtype):
    x = np.arange(2 * 3 * 40).reshape(2, 3, 40).astype(dtype)
    spec = FrameSpec(8000, window=10, hop=4, look_ahead=2, subframe=2)
    windows = frame(x, spec)
    assert windows.shape == (2, 3, 10, 10) and windows.dtype == dtype
    assert np.array_equal(windows[1, 2], frame(x[1, 2], spec))
    other = np.asfortranarray(x)
    other.flags.writeable = False
    assert np.array_equal(frame(other, spec), windows)
    assert not windows.flags.writeable


@pytest.mark.parametrize(
    "name, value",
    [
        ("sample_rate_hz", 0),
        ("window", 0),
        ("hop", -320),
        ("look_ahead", -1),
        ("subframe", 0),
        ("hop", 1.5),
        ("window", None),
    ],
)
def test_refuses_impossible_lengths(name, value):
    with pytest.raises(ValueError, match=rf"^`{name}` is {value}, it must"):
        FrameSpec(**{name: value})


def test_refuses_hops_that_do_not_divide_and_scalars():
    with pytest.raises(ValueError, match=r"^`hop` is 320, it must be a multiple of `subframe` \(60\)$"):
        FrameSpec(subframe=60)
    with pytest.raises(ValueError, match=r"^`spec` is of type int, it must be a FrameSpec$"):
        frame([1.0], 480)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"^`x` has shape \(\), it must have at least 1 axes$"):
        frame(1.0, FrameSpec())
    with pytest.raises(ValueError, match=r"^`x` has rows of unequal lengths, it must be an array of real numbers$"):
        frame([[1.0], [1.0, 2.0]], FrameSpec())  # pyright: ignore[reportArgumentType]


def test_is_frozen_and_comparable():
    assert FrameSpec() == FrameSpec() and hash(FrameSpec()) == hash(FrameSpec())
    with pytest.raises(AttributeError):
        FrameSpec().hop = 1
