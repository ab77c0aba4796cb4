"""Recovery: the statistics of a convolution's inputs, least squares on a support, supports that are found."""

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.checkpoint.weight_groups import UNSTRUCTURED, Pattern
from lpcnet_cq.nn.layers import CausalConv, unfold
from lpcnet_cq.pruning.patterns import expand_mask
from lpcnet_cq.pruning.recovery import least_squares, output_error, recover, second_moment

recover_jit = jax.jit(recover, static_argnames="pattern")


def inputs(rows, n, seed=0, correlation=0.8):
    """Draw a first-order autoregressive process across the inputs."""
    random = np.random.default_rng(seed)
    cov = correlation ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return random.standard_normal((rows, n)) @ np.linalg.cholesky(cov).T


def moment(X):
    return second_moment(jnp.float32(X)[None])


@pytest.mark.parametrize(("k", "stride", "dilation"), [(1, 1, 1), (3, 1, 2), (4, 2, 1)])
def test_moments_are_those_of_what_a_convolution_sees(k, stride, dilation):
    conv = CausalConv(3, 5, k, stride=stride, dilation=dilation, rngs=nnx.Rngs(0))
    x = jnp.float32(np.random.default_rng(1).standard_normal((2, 24, 3)))
    past = conv.start(2)
    y = conv(past, x)[1]
    G = second_moment(unfold(jnp.concatenate([past, x], axis=1), k, stride, dilation))
    W = conv.kernel[...].reshape(-1, 5)
    np.testing.assert_allclose(W.T @ G @ W, np.einsum("bto,btp->op", y, y) / (2 * y.shape[1]), rtol=1e-4, atol=1e-5)


def test_output_error_is_that_of_the_outputs():
    X, random = inputs(50, 6), np.random.default_rng(2)
    W, W_hat = random.standard_normal((2, 6, 3))
    expected = np.sum((X @ W - X @ W_hat) ** 2) / np.sum((X @ W) ** 2)
    np.testing.assert_allclose(output_error(jnp.float32(W), jnp.float32(W_hat), moment(X)), expected, rtol=1e-5)
    weights = np.sum((W - W_hat) ** 2) / np.sum(W**2)
    np.testing.assert_allclose(output_error(jnp.float32(W), jnp.float32(W_hat)), weights, rtol=1e-5)
    assert output_error(jnp.zeros((6, 3)), jnp.zeros((6, 3))) == 0


def test_least_squares_is_numpys_on_the_support():
    X, random = inputs(80, 10), np.random.default_rng(3)
    W, support = random.standard_normal((10, 4)), random.random((10, 4)) < 0.4
    found = least_squares(moment(X), jnp.float32(W), jnp.asarray(support), 0.0)
    expected = np.zeros_like(W)
    for o in range(4):
        expected[support[:, o], o] = np.linalg.lstsq(X[:, support[:, o]], X @ W[:, o], rcond=None)[0]
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_ridge_draws_towards_the_weights_there_were():
    W, support = jnp.ones((3, 1)), jnp.array([[True], [True], [False]])
    silent = jnp.diag(jnp.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(least_squares(silent, W, support, 0.1), [[1], [1], [0]], rtol=1e-5)


def test_weights_that_are_sparse_already_are_found_again():
    W = np.zeros((30, 4))
    random = np.random.default_rng(4)
    W.flat[random.permutation(120)[:24]] = random.standard_normal(24)
    found, keep = recover_jit(moment(inputs(200, 30)), jnp.float32(W), jnp.ones(120, bool), 0.8, UNSTRUCTURED)
    np.testing.assert_allclose(found, W, atol=1e-4)
    np.testing.assert_array_equal(keep, (W != 0).ravel())


def error(X, w, w_hat):
    return np.sum((X @ (w - w_hat)) ** 2) / np.sum((X @ w) ** 2)


def test_recovery_is_near_the_best_of_all_supports():
    """Judge: least squares on each of the 56 supports of 3 in 8; magnitude keeps the largest 3 as they are."""
    ours, best, magnitude = [], [], []
    for seed in range(20):
        X, w = inputs(60, 8, seed), np.random.default_rng(seed + 100).standard_normal(8)
        found, _ = recover_jit(moment(X), jnp.float32(w)[:, None], jnp.ones(8, bool), 0.625, UNSTRUCTURED)
        ours.append(error(X, w, np.asarray(found[:, 0], np.float64)))
        every = [(S, np.linalg.lstsq(X[:, S], X @ w, rcond=None)[0]) for S in map(list, combinations(range(8), 3))]
        best.append(min(np.sum((X @ w - X[:, S] @ v) ** 2) / np.sum((X @ w) ** 2) for S, v in every))
        largest = np.abs(w) >= np.sort(np.abs(w))[-3]
        magnitude.append(error(X, w, w * largest))
    assert np.all(np.array(ours) >= np.array(best) - 1e-4)
    assert np.mean(ours) < 1.5 * np.mean(best)
    assert np.mean(ours) < 0.5 * np.mean(magnitude)


def test_large_weights_on_silent_inputs_go_first():
    X = inputs(100, 4, correlation=0.0) * [1, 1e-3, 1, 1]
    W = jnp.array([[1.0], [9.0], [1.0], [1.0]])
    assert recover_jit(moment(X), W, jnp.ones(4, bool), 0.25, UNSTRUCTURED)[1].tolist() == [True, False, True, True]


def test_the_dead_stay_dead_and_blocks_stay_whole():
    random = np.random.default_rng(5)
    W, alive = jnp.float32(random.standard_normal((8, 8))), jnp.asarray(random.random(16) < 0.7)
    found, keep = recover_jit(moment(inputs(100, 8)), W, alive, 0.5, Pattern(2, 2))
    assert not np.any(keep & ~alive) and keep.sum() == 8
    np.testing.assert_array_equal(found != 0, expand_mask(keep, (8, 8), Pattern(2, 2)))


def test_inputs_that_are_all_alike_share_the_work_of_one():
    W = jnp.array([[1.0], [2.0], [3.0], [-1.0]])
    found, _ = recover_jit(jnp.ones((4, 4)), W, jnp.ones(4, bool), 0.75, UNSTRUCTURED)
    np.testing.assert_allclose(np.sort(found[:, 0]), [0, 0, 0, 5], rtol=1e-2)
