"""Causal layers: judged by a convolution in NumPy; chunks are the whole; nothing looks ahead."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.nn.layers import Block, CausalConv, run_all, start_all

T, C = 12, 3


def signal(channels=C, length=T):
    return jnp.asarray(np.random.default_rng(1).standard_normal((2, length, channels)), jnp.float32)


@pytest.mark.parametrize(("k", "stride", "dilation"), [(1, 1, 1), (3, 1, 1), (3, 1, 3), (8, 4, 1)])
def test_convolution_is_the_sum_over_the_past(k, stride, dilation):
    layer, x = CausalConv(C, 2, k, stride=stride, dilation=dilation, rngs=nnx.Rngs(1)), signal()
    layer.bias[...] = jnp.asarray([0.5, -0.5])
    _, y = layer(layer.start(2), x)
    assert y.shape == (2, T // stride, 2)
    kernel = np.asarray(layer.kernel[...])
    for t in range(T // stride):
        newest = t * stride + stride - 1
        times = [newest - (k - 1 - i) * dilation for i in range(k)]
        expected = sum(np.asarray(x[:, n]) @ kernel[i] for i, n in enumerate(times) if n >= 0)
        np.testing.assert_allclose(y[:, t], expected + np.asarray([0.5, -0.5]), atol=1e-5)


def test_chunks_with_state_are_the_whole():
    rngs = nnx.Rngs(2)
    layers = [CausalConv(C, 4, 3, rngs=rngs), Block(4, 5, 3, rngs=rngs), CausalConv(4, 2, 8, stride=4, rngs=rngs)]
    run = jax.jit(lambda states, x: run_all(layers, states, x))
    x = signal()
    final, whole = run(start_all(layers, 2), x)
    states, pieces = start_all(layers, 2), []
    for t in range(0, T, 4):
        states, y = run(states, x[:, t : t + 4])
        pieces.append(y)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, atol=1e-5)
    for after, expected in zip(states, final, strict=True):
        np.testing.assert_allclose(after, expected, atol=1e-5)


def test_block_looks_back_only_and_adds_to_its_input():
    block, x = Block(C, 3, 2, rngs=nnx.Rngs(3)), signal()
    run = jax.jit(lambda x: block(block.start(2), x)[1])
    change = np.abs(run(x.at[:, 5].add(1.0)) - run(x)).max(axis=(0, 2))
    assert (change[:5] == 0).all() and (change[[5, 7, 9]] > 0).all() and (change[10:] == 0).all()
    block.point.kernel[...] = jnp.zeros((1, C, C))
    np.testing.assert_array_equal(block(block.start(2), x)[1], x)


def test_block_does_not_hang_on_the_level_of_its_input():
    block, x = Block(C, 3, 1, rngs=nnx.Rngs(4)), signal()
    run = jax.jit(lambda x: block(block.start(2), x)[1] - x)
    np.testing.assert_allclose(run(1000 * x), run(x), rtol=1e-3, atol=2e-3)


def test_each_layer_needs_its_own_state():
    with pytest.raises(ValueError, match="zip"):
        run_all([CausalConv(C, C, 1, rngs=nnx.Rngs(5))], [], signal())
