"""The objective for music: its parts, its weights, and gradients that reach every part of the model."""

from dataclasses import fields

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.music.front_end import short_block_flags
from lpcnet_cq.training import music_objective as music
from lpcnet_cq.training.config import MusicLoss
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.psychoacoustic_loss import threshold_db

PRESET = PRESETS["audio-tiny"]
C = PRESET.codec
N, T, B = C.spec.hop, 44, 1
TERMS = ("priority", "modulation", "audible")


@pytest.fixture(scope="module")
def batch(plucked):
    x = plucked[: (T + 2) * N].T[None]
    mask_db = threshold_db(x[..., music.compared(C, T)], C.spec.sample_rate_hz)
    is_short = short_block_flags(x[0], C)[None]
    return {k: jnp.asarray(v) for k, v in {"x": x, "is_short": is_short, "mask_db": mask_db}.items()}


@pytest.fixture(scope="module")
def run(music_model):
    """Return the jitted loss with its parts and gradient, by lambda and weights of the terms."""
    graph, params = music_model
    one = jnp.float32(1)
    step = jnp.full((B, T), C.nominal_step, jnp.int32)

    def loss(params, batch, lam, weights):
        return music.objective(nnx.merge(graph, params), MusicLoss(**weights), batch, step, one, lam, one)

    compiled = jax.jit(jax.value_and_grad(loss, has_aux=True))

    def run(batch, lam, **weights):
        weights = {f.name: jnp.float32(weights.get(f.name, 0.0)) for f in fields(MusicLoss)}
        return compiled(params, batch, jnp.float32(lam), weights)

    return run


def test_loss_is_the_weighted_sum_of_its_parts(run, batch):
    for lam in (0.01, 0.02):
        (loss, parts), _ = run(batch, lam, mel=1.0, nsr=0.5, priority=0.1, modulation=0.2, audible=0.3)
        want = parts["mel"] + 0.5 * parts["nsr_db"] / 10 + lam * parts["bps"] / 1000
        want += 0.1 * parts["priority"] + 0.2 * parts["modulation"] + 0.3 * parts["audible"]
        assert float(loss) == pytest.approx(float(want), rel=1e-5) and float(parts["loss"]) == float(loss)
        total = parts["energy_bps"] + parts["prediction_bps"] + parts["latent_bps"]
        assert float(parts["bps"]) == pytest.approx(float(total), rel=1e-5)


@pytest.mark.parametrize("name", TERMS)
def test_every_term_reaches_the_steps_through_the_codec(run, batch, name):
    """More than 1 % of what the ratio of noise to signal pulls with: a term on the wrong scale would be inert."""
    _, gradient = run(batch, 0.0, **{name: 1.0})
    _, plain = run(batch, 0.0, nsr=1.0)
    pull, reference = (float(jnp.linalg.norm(g["allocation"]["energy_weights"][...])) for g in (gradient, plain))
    assert np.isfinite(pull) and pull > 0.01 * reference > 0


def test_all_parts_are_trained(run, batch):
    _, gradient = run(batch, 0.01, mel=1, nsr=1, priority=1, modulation=1, audible=1)
    for part, values in nnx.to_pure_dict(gradient).items():
        norms = [float(jnp.linalg.norm(v)) for v in jax.tree.leaves(values)]
        assert np.isfinite(norms).all() and max(norms) > 0, part


def test_compared_samples_are_those_whose_packets_are_all_there():
    part = music.compared(C, T)
    assert (part.start, part.stop) == (2 * N, T * N)
    assert music.earlier(jnp.arange(6.0).reshape(1, 3, 2), 2)[0].tolist() == [[0, 0], [0, 0], [0, 1]]
