"""The training objective of speech: code lengths, step sizes, and the terms of the loss."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.nn.entropy import logistic_bits
from lpcnet_cq.speech.model import Model
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.psychoacoustic_loss import threshold_db
from lpcnet_cq.training.speech_objective import draw_steps, hard, objective, packet_bits

pytestmark = pytest.mark.usefixtures("quick_compilation")  # far less is run than compiled
CONFIG = PRESETS["tiny"].codec
S, D, K = CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.order + CONFIG.spec.n_subframes


def test_hard_rounds_and_lets_the_gradient_through():
    v = jnp.asarray([-0.6, 0.2, 1.7])
    np.testing.assert_array_equal(hard(v), [-1, 0, 2])
    np.testing.assert_array_equal(jax.grad(lambda v: jnp.sum(hard(v)))(v), 1)


@pytest.mark.parametrize(("span", "centre"), [(0.5, 0.5), (1.0, 0.5), (0.5, 0.7)])
def test_steps_are_even_within_their_span_and_change_once_at_most(span, centre):
    Q, T = CONFIG.n_steps, 50
    q = np.asarray(draw_steps(jax.random.key(1), Q, span, 4000, T, centre))
    reached = range(int(Q * (centre - span / 2)), int(np.ceil(Q * (centre + span / 2))))
    assert q.shape == (4000, T) and q.dtype == np.int32 and (q.min(), q.max()) == (reached[0], reached[-1])
    changes = (np.diff(q, axis=1) != 0).sum(axis=1)
    assert changes.max() == 1 and 0.35 < np.mean(changes) < 0.55
    shares = np.bincount(q[:, 0], minlength=Q) / 4000
    assert abs(np.mean(q) + 0.5 - Q * centre) < 0.2
    np.testing.assert_allclose(shares[reached[1:-1]], 1 / (span * Q), rtol=0.25)


def test_code_lengths_start_from_an_empty_past():
    """The first packet's side information is coded as if zeros had gone before: checked on a model of bare biases."""
    graph, params = nnx.split(nnx.eval_shape(lambda: Model(CONFIG, rngs=nnx.Rngs(0))), nnx.Param)
    params = jax.tree.map(lambda p: jnp.zeros(p.shape, p.dtype), params)
    values = nnx.to_pure_dict(params)
    values["entropy"]["side"]["b2"] = jnp.concatenate([jnp.full(K, 1.5), jnp.full(K, 0.4)])
    values["entropy"]["latent"]["b3"] = jnp.concatenate([jnp.full(D, -0.5), jnp.full(D, -0.2)])
    nnx.replace_by_pure_dict(params, values)
    random = np.random.default_rng(1)
    side = jnp.asarray(random.integers(-4, 5, (2, 3, K)), jnp.float32)
    latents = jnp.asarray(random.integers(-2, 3, (2, 3 * S, D)), jnp.float32)
    step = jnp.zeros((2, 3), jnp.int32)
    ours = jax.jit(lambda p: packet_bits(nnx.merge(graph, p), side, latents, step))(params)
    for bits, n, mean, log_scale in zip(ours, (side, latents), (1.5, -0.5), (0.4, -0.2), strict=True):
        expected = logistic_bits(n, jnp.full_like(n, mean), jnp.full_like(n, log_scale))
        np.testing.assert_allclose(bits, expected, rtol=1e-5)


def test_psychoacoustic_terms_count_by_their_weights(speech_model):
    t = replace(PRESETS["tiny"], priority_weight=0.02, modulation_weight=3.0, audible_weight=0.5)
    graph, params = speech_model
    random, T = np.random.default_rng(2), 25
    x = 0.1 * random.standard_normal((2, T * CONFIG.spec.hop + CONFIG.spec.look_ahead)).astype(np.float32)
    lsf = np.broadcast_to(np.pi * np.arange(1, 17, dtype=np.float32) / 17, (2, T + 1, 16))
    batch, step = {"x": x, "lsf": lsf}, jnp.full((2, T), CONFIG.nominal_step, jnp.int32)
    compiled = jax.jit(lambda p, batch: objective(nnx.merge(graph, p), t, batch, step, *map(jnp.float32, (1, 0.1, 1))))
    plain, parts = compiled(params, batch)
    whole, terms = compiled(params, batch | {"mask_db": threshold_db(x, 16000)})
    assert not {"priority", "modulation", "audible"} & set(parts) and terms["audible"] > 0
    expected = 0.02 * terms["priority"] + 3.0 * terms["modulation"] + 0.5 * terms["audible"]
    np.testing.assert_allclose(whole - plain, expected, rtol=1e-4)
