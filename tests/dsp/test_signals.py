"""The one check of signals: what passes is scaled exactly, what does not is named in one sentence."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dsp.signals import checked_rate, checked_signal

ONE_SENTENCE = r"^`signal` [^\n]*, (it must|full scale is 1|it is clipped)[^\n]*$"
SCALES = {"float16": 1, "float32": 1, "float64": 1, ">f4": 1, "int16": 2**15, ">i2": 2**15, "int32": 2**31}
REFUSED_TYPES = ["bool", "uint8", "int8", "uint16", "int64", "uint64", "complex128", "U3", "object"]
LAYOUTS = {  # shape: (passes with channels last, passes with time last)
    (100,): (True, True),
    (0,): (True, True),
    (100, 1): (True, False),
    (100, 2): (True, False),
    (100, 8): (True, False),
    (44100, 9): (False, False),
    (1, 2): (True, True),
    (2, 1): (True, True),
    (1, 100): (False, True),
    (2, 44100): (False, True),
    (100, 0): (False, True),
    (2, 3, 4): (False, True),
    (3, 2, 44100): (False, True),
    (3, 44100, 2): (False, False),
    (): (False, False),
}


@pytest.mark.parametrize(("dtype", "scale"), SCALES.items())
def test_every_type_is_scaled_exactly(dtype, scale):
    values = np.array([0.5, -1.0, 0.0, 0.25])
    x = (values * scale).astype(dtype)
    for result in (np.float64, np.float32):
        y = checked_signal("signal", x, dtype=result)
        assert y.dtype == result and y.tolist() == values.tolist()


@pytest.mark.parametrize("dtype", REFUSED_TYPES)
def test_types_without_a_known_full_scale_are_refused(dtype):
    with pytest.raises(ValueError, match=rf"^`signal` is of type {np.dtype(dtype)}, it must be of floats in \[-1, 1\]"):
        checked_signal("signal", np.zeros(4, dtype))


@pytest.mark.parametrize("x", [b"aa", "aa", None, {1: 2}])
def test_what_is_no_array_is_named_by_its_type(x):
    with pytest.raises(ValueError, match=rf"^`signal` is of type {type(x).__name__}, it must be an array of samples$"):
        checked_signal("signal", x)


def layouts(passes):
    """Return the shapes and axis orders that pass, or those that do not."""
    orders = [(shape, last, LAYOUTS[shape][not last]) for shape in LAYOUTS for last in (True, False)]
    return [(shape, last) for shape, last, expected in orders if expected == passes]


@pytest.mark.parametrize(("shape", "channels_last"), layouts(True))
def test_layouts_that_pass(shape, channels_last):
    x = np.zeros(shape)
    assert checked_signal("signal", x, channels_last=channels_last) is x


@pytest.mark.parametrize(("shape", "channels_last"), layouts(False))
def test_layouts_that_are_refused(shape, channels_last):
    with pytest.raises(ValueError, match=ONE_SENTENCE) as caught:
        checked_signal("signal", np.zeros(shape), channels_last=channels_last)
    assert f"has shape {shape}" in str(caught.value)


def test_mono_takes_one_column():
    x = np.linspace(-1, 1, 9)
    assert np.array_equal(checked_signal("signal", x[:, None], max_channels=1), x)
    with pytest.raises(ValueError, match=r"^`signal` has shape \(9, 2\), it must be \(n,\)$"):
        checked_signal("signal", np.zeros((9, 2)), max_channels=1)
    with pytest.raises(ValueError, match=r"^`signal` has shape \(1, 9\), it must be \(n,\): pass its transpose$"):
        checked_signal("signal", x[None], max_channels=1)


def test_length():
    assert len(checked_signal("signal", np.zeros((320, 2)), length=320)) == 320
    with pytest.raises(ValueError, match=r"^`signal` has 319 samples, it must have 320$"):
        checked_signal("signal", np.zeros(319), length=320)
    assert checked_signal("signal", np.zeros((2, 320)), channels_last=False, length=320).shape == (2, 320)


def test_scale():
    x = np.array([0.5, -4.0, 1.5])
    with pytest.warns(UserWarning, match=r"^`signal` has a peak of 4, it is clipped to full scale, which is 1$"):
        assert checked_signal("signal", x).tolist() == [0.5, -1.0, 1.0]
    assert x.tolist() == [0.5, -4.0, 1.5]
    with pytest.raises(ValueError, match=r"^`signal` has a peak of 4.5, it must be at most 4, full scale is 1$"):
        checked_signal("signal", np.array([-4.5]))
    with pytest.raises(ValueError, match=r"divide by 32768 if its samples have the range of int16$"):
        checked_signal("signal", np.array([20000.0]))
    for huge in (1e30, 1e300):
        with pytest.raises(ValueError, match=ONE_SENTENCE):
            checked_signal("signal", np.array([huge]), dtype=np.float32)
        assert checked_signal("signal", np.array([huge]), limit=None).tolist() == [huge]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad):
    for limit in (4.0, None):
        with pytest.raises(ValueError, match=r"^`signal` holds NaN or infinity, it must be finite$"):
            checked_signal("signal", [0.1, bad], limit=limit)


def test_masked_samples_are_refused():
    x = np.ma.masked_array([0.5, 0.25])
    assert checked_signal("signal", x).tolist() == [0.5, 0.25]
    x[1] = np.ma.masked
    with pytest.raises(ValueError, match=r"^`signal` has masked samples, it must have none$"):
        checked_signal("signal", x)


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match=r"^`signal` has rows of unequal lengths"):
        checked_signal("signal", [[0.1], [0.1, 0.2]])


@given(
    arrays.arrays(
        st.sampled_from(["f2", "f4", "f8", "i2", "i4", "i8", "u1", "?"]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
    ),
    st.booleans(),
)
def test_what_passes_is_finite_and_within_full_scale(x, channels_last):
    y, said = signal_or_sentence(x, channels_last)
    assert (said.startswith("`signal` ") and "\n" not in said) if said else y.shape == x.shape
    assert y.dtype == np.float64 and np.isfinite(y).all() and np.abs(y).max(initial=0) <= 1


def signal_or_sentence(x, channels_last):
    """Return the checked signal and an empty string, or no samples and the sentence that refuses the signal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return checked_signal("signal", x, channels_last=channels_last), ""
        except ValueError as error:
            return np.zeros(0), str(error)


@pytest.mark.parametrize("rate_hz", [16000, 16000.0, np.int64(16000), np.float32(16000), np.uint16(16000)])
def test_whole_rates_of_any_type(rate_hz):
    found = checked_rate("rate", rate_hz, 1000, 768000)
    assert type(found) is int and found == 16000


@pytest.mark.parametrize("bad", [44100.5, 999, 768001, np.nan, np.inf, "16000", None, [16000], 1j])
def test_other_rates_are_named(bad):
    with pytest.raises(ValueError, match=r"^`rate` is .*, it must be a whole number from 1000 to 768000$"):
        checked_rate("rate", bad, 1000, 768000)
