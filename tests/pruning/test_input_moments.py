"""Moments of captured layer inputs: against closed forms, outputs, and inputs that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.bitstream.fixed_point import SIDE_SCALE
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.entropy import LatentModel
from lpcnet_cq.music.line_features import UNIT, F
from lpcnet_cq.nn.capture import LayerInput, multiply
from lpcnet_cq.nn.layers import CausalConv
from lpcnet_cq.pruning.input_moments import input_moments
from lpcnet_cq.pruning.sparsify import name_of
from lpcnet_cq.training.optimiser import TABLES
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.speech_objective import objective


def gram(X):
    X = np.asarray(X, np.float64)
    return X.T @ X / len(X)


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


class Chain(nnx.Module):
    """Two products with a nonlinearity between them; the first matrix is used twice."""

    def __init__(self):
        self.first, self.second = nnx.Param(draw(6, 5)), nnx.Param(draw(5, 4))

    def __call__(self, x, y):
        return multiply(self, "second", jax.nn.silu(multiply(self, "first", x) + multiply(self, "first", y)))


def test_moments_of_products_are_those_of_their_rows():
    chain, x, y = Chain(), draw(3, 7, 6, seed=1), draw(3, 7, 6, seed=2)
    found = input_moments(lambda chain, x, y: chain(x, y).sum(), chain, x, y)
    h = jax.nn.silu((x + y) @ chain.first[...])
    assert found.keys() == {"first", "second"}
    mean = (gram(x.reshape(-1, 6)) + gram(y.reshape(-1, 6))) / 2
    np.testing.assert_allclose(found["first"], mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["second"], gram(h.reshape(-1, 5)), rtol=1e-4, atol=1e-5)


def test_nothing_is_stored_outside_a_capture():
    chain, x = Chain(), draw(3, 7, 6)
    plain = chain(x, x)
    captured, _ = nnx.capture(chain, LayerInput)(x, x)
    np.testing.assert_array_equal(plain, captured)
    assert not jax.tree.leaves(nnx.state(chain, LayerInput))
    traced = [str(jax.make_jaxpr(lambda x, of=of: of(x, x))(x)) for of in (chain, Unwatched())]
    assert traced[0] == traced[1]


class Unwatched(Chain):
    """The same computation without a hook."""

    def __call__(self, x, y):
        return jax.nn.silu(x @ self.first[...] + y @ self.first[...]) @ self.second[...]


@pytest.mark.parametrize(("k", "stride", "dilation"), [(5, 1, 3), (8, 4, 1), (1, 1, 1)])
def test_convolutions_see_what_makes_their_output(k, stride, dilation):
    """Of y = X W: the moments times W on both sides are the power of the output."""
    conv, x = CausalConv(3, 4, k, stride=stride, dilation=dilation, rngs=nnx.Rngs(0)), draw(2, 24, 3)
    G = np.asarray(input_moments(lambda conv: conv(conv.start(2), x), conv)["kernel"], np.float64)
    W = np.asarray(conv.kernel[...], np.float64).reshape(-1, 4)
    y = conv(conv.start(2), x)[1] - conv.bias[...]
    np.testing.assert_allclose(W.T @ G @ W, gram(y.reshape(-1, 4)), rtol=1e-4, atol=1e-5)


def test_convolutions_see_their_past_and_every_tap():
    """Closed form for a kernel of two taps: rows are pairs of successive samples, the first with a zero before it."""
    conv = CausalConv(1, 1, 2, rngs=nnx.Rngs(0))
    x = jnp.array([[[1.0], [2.0], [3.0]]])
    found = input_moments(lambda conv: conv(conv.start(1), x), conv)["kernel"]
    np.testing.assert_allclose(found, gram([[0, 1], [1, 2], [2, 3]]), rtol=1e-6)


@pytest.fixture(scope="module")
def codec_moments(speech_model):
    """Return the smallest codec's moments in training and its parameters."""
    t = PRESETS["tiny"]
    graph, params = speech_model
    T = 20
    lsf = jnp.broadcast_to(jnp.linspace(0, jnp.pi, 18)[1:-1], (2, T + 1, 16)) + 0.02 * draw(2, T + 1, 16)
    batch = {"x": 0.1 * draw(2, T * t.codec.spec.hop + t.codec.spec.look_ahead, seed=1), "lsf": lsf}
    step = jnp.full((2, T), 3, jnp.int32)

    def loss(model, batch):
        return objective(model, t.loss, batch, step, 1.0, jnp.float32(0.1), jnp.float32(0.0))

    return jax.jit(lambda p, b: input_moments(loss, nnx.merge(graph, p), b))(params, batch), params


def test_every_pruned_matrix_of_the_speech_codec_is_captured(codec_moments):
    moments, params = codec_moments
    leaves = {name_of(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    matrices = {name: leaf for name, leaf in leaves.items() if leaf.ndim > 1}
    dense = (*TABLES, "lapped")  # tables, and a transform whose halves are no whole parameters
    pruned = {k: v.size // v.shape[-1] for k, v in matrices.items() if not any(word in k for word in dense)}
    assert len(pruned) > 20
    assert {name: moments[name].shape for name in pruned} == {name: (n, n) for name, n in pruned.items()}


def test_every_matrix_of_the_music_entropy_model_is_captured():
    latent = LatentModel(MusicConfig(), rngs=nnx.Rngs(0))
    f = [jnp.abs(draw(1, 2, 2, 24, seed=i)) for i in range(F)]
    n = jnp.round(2 * draw(1, 2, 2, 24, seed=F))
    found = input_moments(lambda latent: latent(jnp.zeros((1, 2, 2)), f, n), latent)
    assert {name: G.shape for name, G in found.items()} == {
        name: (getattr(latent, name).shape[0],) * 2 for name in ("w1", "w2", "w3", "below")
    }
    np.testing.assert_allclose(found["w1"], gram(jnp.stack(f).reshape(F, -1).T / UNIT), rtol=1e-4)
    before = np.pad(np.asarray(n), [(0, 0)] * 3 + [(1, 0)])[..., :-1]
    octaves = np.where(before == 0, 0, np.round(8 * np.log2(1 + np.abs(before)))) / UNIT  # of the line below
    np.testing.assert_allclose(found["below"][0, 0], np.mean(octaves**2), rtol=1e-4)


def test_inputs_of_the_codec_are_the_known_ones(codec_moments):
    """Noise is uniform within +-1; the side model's two matrices see the same integers, one of them scaled."""
    moments, _ = codec_moments
    noise = np.asarray(moments["decoder/noise/kernel"])
    np.testing.assert_allclose(noise, np.eye(len(noise)) / 3, atol=0.1)
    scaled, plain = (np.asarray(moments[f"entropy/side/{name}"]) for name in ("w1", "skip"))
    assert np.any(plain)
    np.testing.assert_allclose(scaled, SIDE_SCALE**2 * plain, rtol=1e-3, atol=1e-5)
