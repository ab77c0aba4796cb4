"""Argument checks: what passes comes back exactly, what does not is named in one sentence."""

import numpy as np
import pytest

from dsp._arguments import blocks, filter_state, finite, integer_in, number_in, positive, predictor


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int16, np.uint8, bool])
def test_finite_takes_every_real_type_exactly(dtype):
    x = np.array([0, 1, 1], dtype)
    y = finite("x", x)
    assert y.dtype == np.float64
    assert np.array_equal(y, [0, 1, 1])


def test_finite_does_not_copy_doubles():
    x = np.zeros((4, 4))[::2, ::-1]
    x.flags.writeable = False
    assert finite("x", x) is x


@pytest.mark.parametrize("bad", [3.0, [1, np.nan], [np.inf], [1j], ["a"], None, [[1], [1, 2]], np.array([1], object)])
def test_finite_names_the_argument_in_one_sentence(bad):
    with pytest.raises(ValueError, match=r"^`signal` [^.\n]*, it must [^.\n]*$"):
        finite("signal", bad)


def test_finite_counts_axes():
    with pytest.raises(ValueError, match=r"^`x` has shape \(3,\), it must have at least 2 axes$"):
        finite("x", np.zeros(3), min_ndim=2)


def test_order_in():
    assert integer_in("order", np.int32(3), 0, 3) == 3
    assert integer_in("order", 10**6, 0) == 10**6
    for bad in (-1, 4, 2.0, "2", None, np.nan, True, np.True_, [[1], [1, 2]]):
        with pytest.raises(ValueError, match=r"^`order` is .*, it must be .*0 to 3$"):
            integer_in("order", bad, 0, 3)
    with pytest.raises(ValueError, match=r"at least 1$"):
        integer_in("order", 0, 1)
    with pytest.raises(ValueError, match=r"^`order` is 1180591620717411303424, it must be .* from 1 to 16777216$"):
        integer_in("order", 2**70, 1)


def test_number_in():
    assert number_in("mu", np.float32(0.5), 0, 1) == 0.5
    for bad in (-0.1, 1.1, np.nan, np.inf, [0.5], "a", None, 0.5j, True, np.False_, [[1], [1, 2]], 2**70):
        with pytest.raises(ValueError, match=r"^`mu` is .*, it must be a number from 0 to 1$"):
            number_in("mu", bad, 0, 1)
    with pytest.raises(ValueError, match=r"at least 0$"):
        number_in("mu", np.inf, 0)


def test_predictor():
    assert predictor("a", [[1, 2], [1, 3]]).shape == (2, 2)
    for bad in (np.zeros((2, 0)), [2.0, 1.0], [[1.0, 0.0], [0.9, 0.0]], [np.nan, 1]):
        with pytest.raises(ValueError, match=r"^`a` "):
            predictor("a", bad)


def test_positive():
    assert positive("f", 1e-300) == 1e-300
    for bad in (0, -1.0, np.nan, np.inf, [1.0], "a", True):
        with pytest.raises(ValueError, match=r"^`f` is .*, it must be a finite number above 0$"):
            positive("f", bad)


def test_blocks_share_their_leading_axes():
    x, rows = blocks("x", np.zeros((5, 1, 12)), np.ones((7, 3, 2)), "a")
    assert x.shape == (5, 7, 12) and rows.shape == (5, 7, 3, 2)
    x, rows = blocks("x", np.zeros(12), np.ones(2), "a")
    assert x.shape == (12,) and rows.shape == (1, 2)
    with pytest.raises(ValueError, match=r"^`x` has 10 samples, a multiple of the 3 rows of `a` is needed$"):
        blocks("x", np.zeros(10), np.ones((3, 2)), "a")
    with pytest.raises(ValueError, match=r"^`x` has leading axes \(2,\), .* of `a`$"):
        blocks("x", np.zeros((2, 12)), np.ones((5, 3, 2)), "a")


def test_state_of():
    assert filter_state("state", None, (2, 3)).tolist() == np.zeros((2, 3)).tolist()
    assert filter_state("state", [1, 2], (2,)).dtype == np.float64
    for bad in ([1.0], [np.nan, 1.0], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match=r"^`state` "):
            filter_state("state", bad, (2,))
