"""Layers in NumPy against those in Flax; chunks with state are the whole; arguments stay as they are."""

import jax
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.light.layers import Block, CausalConv, run_all, sigmoid, silu, start_all, unfold
from lpcnet_cq.nn import layers as flax_layers

T, C = 12, 3


def floats(layer):
    """Return the nested values of a layer, its biases and scales made random."""
    random = np.random.default_rng(2)
    values = nnx.to_pure_dict(nnx.state(layer, nnx.Param))
    values = jax.tree.map(lambda v: np.asarray(v) + 0.3 * random.standard_normal(v.shape).astype(np.float32), values)
    nnx.update(layer, jax.tree.map(jax.numpy.asarray, values))
    return values


@pytest.mark.parametrize(("k", "stride", "dilation"), [(1, 1, 1), (3, 1, 1), (3, 1, 3), (8, 4, 1)])
def test_convolution_is_that_of_flax(k, stride, dilation, normal):
    judge = flax_layers.CausalConv(C, 5, k, stride=stride, dilation=dilation, rngs=nnx.Rngs(1))
    layer = CausalConv(floats(judge), stride, dilation)
    x = normal(2 * T, C)
    state, before = judge.start(1), layer.start()
    for part in (x[:T], x[T:]):
        state, expected = judge(state, part[None])
        before, y = layer(before, part)
        np.testing.assert_allclose(y, expected[0], atol=1e-5)
        np.testing.assert_array_equal(before, state[0])


@pytest.mark.parametrize("dilation", [1, 4])
def test_block_is_that_of_flax(dilation, normal):
    judge = flax_layers.Block(C, 3, dilation, rngs=nnx.Rngs(1))
    block, x = Block(floats(judge), dilation), normal(T, C)
    _, expected = judge(judge.start(1), x[None])
    _, y = block(block.start(), x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected[0], atol=1e-5)


def test_chunks_with_state_are_the_whole_and_arguments_stay(normal):
    judges = [
        flax_layers.CausalConv(C, 4, 3, rngs=nnx.Rngs(3)),
        flax_layers.Block(4, 5, 3, rngs=nnx.Rngs(3)),
        flax_layers.CausalConv(4, 2, 8, stride=4, rngs=nnx.Rngs(3)),
    ]
    conv, block, down = map(floats, judges)
    layers, x = [CausalConv(conv), Block(block, 3), CausalConv(down, stride=4)], normal(T, C)
    _, whole = run_all(layers, start_all(layers), x)
    states, pieces = start_all(layers), []
    for t in range(0, T, 4):
        kept = [state.copy() for state in states]
        after, y = run_all(layers, states, x[t : t + 4])
        for state, copy in zip(states, kept, strict=True):
            np.testing.assert_array_equal(state, copy)
        states = after
        pieces.append(y)
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-5)
    np.testing.assert_array_equal(x, normal(T, C))


def test_unfolded_rows_are_windows(normal):
    xs = normal(11, 2)
    rows = unfold(xs, k=3, stride=2, dilation=2)
    assert rows.shape == (4, 6)
    np.testing.assert_array_equal(rows[1], xs[[2, 4, 6]].ravel())


def test_activations_are_those_of_jax(normal):
    x = 10 * normal(40, 3)
    np.testing.assert_allclose(silu(x), jax.nn.silu(x), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(sigmoid(x), jax.nn.sigmoid(x), rtol=1e-5)
    with np.errstate(over="ignore"):
        assert silu(np.float32([-1000.0])) == 0 and sigmoid(np.float32([-1000.0])) == 0
