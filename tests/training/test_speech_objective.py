"""The training objective of speech: code lengths, step sizes, and the terms of the loss."""

from dataclasses import fields

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.nn.entropy import logistic_bits
from lpcnet_cq.speech.model import Model
from lpcnet_cq.training.config import SpeechLoss
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.psychoacoustic_loss import threshold_db
from lpcnet_cq.training.speech_objective import hard, objective, packet_bits

CONFIG = PRESETS["tiny"].codec
S, D, K = CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.order + CONFIG.spec.n_subframes


def test_hard_rounds_and_lets_the_gradient_through():
    v = jnp.asarray([-0.6, 0.2, 1.7])
    np.testing.assert_array_equal(hard(v), [-1, 0, 2])
    np.testing.assert_array_equal(jax.grad(lambda v: jnp.sum(hard(v)))(v), 1)


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


@pytest.fixture(scope="module")
def losses(speech_model):
    """Return a function of weights and progress that gives a model's distortion and the parts of its loss."""
    graph, params = speech_model
    random, T = np.random.default_rng(2), 25
    x = 0.1 * random.standard_normal((2, T * CONFIG.spec.hop + CONFIG.spec.look_ahead)).astype(np.float32)
    lsf = np.broadcast_to(np.pi * np.arange(1, 17, dtype=np.float32) / 17, (2, T + 1, 16))
    batch = {"x": x, "lsf": lsf, "mask_db": threshold_db(x, 16000)}
    step = jnp.full((2, T), CONFIG.nominal_step, jnp.int32)

    @jax.jit
    def of(params, weights, progress):
        return objective(nnx.merge(graph, params), SpeechLoss(**weights), batch, step, 1.0, 0.1, progress)

    def losses(weights, progress=1.0):
        weights = {f.name: jnp.float32(weights.get(f.name, 0.0)) for f in fields(SpeechLoss)}
        loss, parts = of(params, weights, jnp.float32(progress))
        return float(loss) - 0.1 * float(parts["weighted_bps"]) / 1000, parts

    return losses


def test_every_weight_of_the_loss_counts(losses):
    """Alone with weight 2, each term is twice itself; what it is alone, it is in the sum of all."""
    alone = {f.name: losses({f.name: 1.0})[0] for f in fields(SpeechLoss) if f.name != "pesq_from"}
    parts = losses({})[1]
    assert losses({})[0] == pytest.approx(0, abs=1e-4)
    for name in ("mel", "spectrum", "priority", "modulation", "audible"):
        assert alone[name] == pytest.approx(float(parts[name]), rel=1e-3)
    assert alone["nsr"] == pytest.approx(float(parts["nsr_db"]) / 10, rel=1e-2, abs=1e-4)
    assert abs(alone["pesq"]) > 0.1
    weights = {name: 1.0 + i for i, name in enumerate(alone)}
    whole = sum(weight * alone[name] for name, weight in weights.items())
    assert losses(weights)[0] == pytest.approx(whole, rel=1e-3)


def test_the_pesq_style_loss_counts_from_its_share_of_the_run_on(losses):
    weights = {"pesq": 1.0, "pesq_from": 0.5}
    before, after = (losses(weights, progress)[0] for progress in (0.49, 0.5))
    assert before == pytest.approx(0, abs=1e-4) and abs(after) > 0.1


def test_without_masking_thresholds_there_are_no_psychoacoustic_terms(speech_model):
    T = 25
    batch = {"x": jnp.zeros((1, T * CONFIG.spec.hop + CONFIG.spec.look_ahead)), "lsf": jnp.ones((1, T + 1, 16))}
    step = jnp.zeros((1, T), jnp.int32)
    _, parts = jax.eval_shape(
        lambda: objective(nnx.merge(*speech_model), SpeechLoss(), batch, step, 1.0, 0.1, jnp.float32(1))
    )
    assert {"mel", "pesq_loss"} < set(parts) and not {"priority", "modulation", "audible"} & set(parts)
