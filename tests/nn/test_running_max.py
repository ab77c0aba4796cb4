"""The running maximum and its gradient, judged by NumPy and by finite differences."""

import jax
import numpy as np
import pytest

from lpcnet_cq.nn.running_max import running_max

X = np.random.default_rng(3).standard_normal((2, 3, 9)).astype(np.float32)


@pytest.mark.parametrize("shape", [(1,), (9,), (2, 3, 9)])
def test_maximum_of_all_values_so_far(shape):
    x = X[tuple(slice(n) for n in shape)] if len(shape) > 1 else X[0, 0, : shape[0]]
    np.testing.assert_array_equal(running_max(x), np.maximum.accumulate(x, axis=-1))


def test_gradient_belongs_to_the_value_that_is_the_maximum():
    weight = np.random.default_rng(4).standard_normal(X.shape).astype(np.float32)
    found = jax.grad(lambda x: (weight * running_max(x)).sum())(X)
    h = 1e-3
    for index in np.ndindex(X.shape):
        step = np.zeros(X.shape)
        step[index] = h
        change = np.maximum.accumulate(X + step, axis=-1) - np.maximum.accumulate(X - step, axis=-1)
        assert found[index] == pytest.approx((weight * change).sum() / (2 * h), abs=1e-4)


def test_latest_of_equal_values_has_the_gradient():
    assert jax.grad(lambda x: running_max(x).sum())(np.float32([2, 2, 1])).tolist() == [1, 2, 0]
