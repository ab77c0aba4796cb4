"""Moments off the trace: they are those of the inputs that the model itself is seen to use."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from optax.contrib import MuonDimensionNumbers

from lpcnet_cq.bitstream.fixed_point import SIDE_SCALE
from lpcnet_cq.nn.layers import CausalConv
from lpcnet_cq.pruning.input_moments import input_moments
from lpcnet_cq.pruning.sparsify import name_of
from lpcnet_cq.speech.model import Model
from lpcnet_cq.training.optimiser import weight_dimensions
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.speech_objective import objective


def gram(X):
    X = np.asarray(X, np.float64)
    return X.T @ X / len(X)


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def test_a_chain_of_layers_under_jit_and_custom_derivatives():
    params, x = {"a": {"w": draw(6, 5), "b": draw(5)}, "c": draw(5, 4)}, draw(3, 7, 6, seed=1)

    @jax.custom_vjp
    def last(h, w):
        return h @ w

    last.defvjp(lambda h, w: (last(h, w), (h, w)), lambda of, g: (g @ of[1].T, jnp.einsum("btc,bto->co", of[0], g)))

    def loss(p, x):
        inner = jax.jit(lambda p, x: jax.nn.silu(x @ p["w"] + p["b"]))
        return jax.checkpoint(lambda p, x: last(inner(p["a"], x), p["c"]).sum())(p, x)

    found = jax.jit(input_moments, static_argnums=0)(loss, params, x)
    h = jax.nn.silu(x @ params["a"]["w"] + params["a"]["b"])
    assert found.keys() == {"a/w", "c"}
    np.testing.assert_allclose(found["a/w"], gram(x.reshape(-1, 6)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["c"], gram(h.reshape(-1, 5)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("k", "stride", "dilation"), [(5, 1, 3), (8, 4, 1), (1, 1, 1)])
def test_convolutions_see_what_makes_their_output(k, stride, dilation):
    """Of y = X W: the moments times W on both sides are the power of the output."""
    graph, params = nnx.split(CausalConv(3, 4, k, stride=stride, dilation=dilation, rngs=nnx.Rngs(0)), nnx.Param)
    x = draw(2, 24, 3)

    def run(p, x):
        conv = nnx.merge(graph, p)
        return conv(conv.start(2), x)[1]

    G = np.asarray(input_moments(run, params, x)["kernel"], np.float64)
    W = np.asarray(params["kernel"][...], np.float64).reshape(-1, 4)
    np.testing.assert_allclose(W.T @ G @ W, gram(run(params, x).reshape(-1, 4)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_recurrent_weights_see_the_states_before(reverse):
    params, x = {"w": 0.5 * draw(4, 4)}, draw(9, 2, 4, seed=1)

    def run(p, x):
        def step(h, x):
            h = jnp.tanh(x + h @ p["w"])
            return h, h

        return jax.lax.scan(step, jnp.zeros((2, 4)), x, reverse=reverse)[1]

    h = np.asarray(run(params, x))
    before = np.concatenate([h[1:], np.zeros((1, 2, 4))] if reverse else [np.zeros((1, 2, 4)), h[:-1]])
    found = input_moments(run, params, x)["w"]
    np.testing.assert_allclose(found, gram(before.reshape(-1, 4)), rtol=1e-4, atol=1e-5)


def test_a_matrix_used_twice_gets_the_mean_of_both():
    x, y = draw(5, 3), draw(5, 3, seed=1)
    found = input_moments(lambda p, x, y: (x @ p["w"]) * (y @ p["w"]), {"w": draw(3, 2, seed=2)}, x, y)["w"]
    np.testing.assert_allclose(found, (gram(x) + gram(y)) / 2, rtol=1e-5)


def test_what_is_no_product_of_rows_with_a_matrix_is_left_out():
    params = {"scaled": draw(3, 3), "left": draw(3, 3), "bias": draw(1, 3)}
    found = input_moments(lambda p, x: p["left"] @ (x @ (2 * p["scaled"]) + p["bias"]), params, draw(3, 3))
    assert found == {}


@pytest.fixture(scope="module")
def codec_moments():
    """Return the smallest codec's moments in training and its parameters."""
    t = PRESETS["tiny"]
    graph, params = nnx.split(Model(t.codec, rngs=nnx.Rngs(0)), nnx.Param)
    T = 20
    lsf = jnp.broadcast_to(jnp.linspace(0, jnp.pi, 18)[1:-1], (2, T + 1, 16)) + 0.02 * draw(2, T + 1, 16)
    batch = {"x": 0.1 * draw(2, T * t.codec.spec.hop + t.codec.spec.look_ahead, seed=1), "lsf": lsf}
    step = jnp.full((2, T), 3, jnp.int32)

    def loss(params, batch):
        return objective(nnx.merge(graph, params), t.loss, batch, step, 1.0, jnp.float32(0.1), jnp.float32(0.0))

    return jax.jit(lambda p, b: input_moments(loss, p, b))(params, batch), params


def test_every_layer_of_the_codec_is_seen_in_training(codec_moments):
    """All that Muon trains but the lapped transform: its halves are no whole leaves."""
    moments, params = codec_moments
    leaves = {name_of(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    dimensions = weight_dimensions(params)
    trained = jax.tree_util.tree_leaves_with_path(dimensions, is_leaf=lambda of: isinstance(of, MuonDimensionNumbers))
    layers = [name for name in (name_of(path) for path, _ in trained) if not name.startswith("lapped")]
    assert len(layers) > 20
    for name in layers:
        assert moments[name].shape == (leaves[name].size // leaves[name].shape[-1],) * 2


def test_inputs_of_the_codec_are_the_known_ones(codec_moments):
    """Noise is uniform within +-1; the side model's two matrices see the same integers, one of them scaled."""
    moments, _ = codec_moments
    noise = np.asarray(moments["decoder/noise/kernel"])
    np.testing.assert_allclose(noise, np.eye(len(noise)) / 3, atol=0.1)
    scaled, plain = (np.asarray(moments[f"entropy/side/{name}"]) for name in ("w1", "skip"))
    assert np.any(plain)
    np.testing.assert_allclose(scaled, SIDE_SCALE**2 * plain, rtol=1e-3, atol=1e-5)
