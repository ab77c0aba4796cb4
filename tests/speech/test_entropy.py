"""The entropy model in training: its distribution judged by SciPy, its contexts by what must not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import logistic

from lpcnet_cq.bitstream.fixed_point import CLIP
from lpcnet_cq.nn import entropy
from lpcnet_cq.speech.entropy import EntropyModel
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
S, D, K, T = CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.order + CONFIG.spec.n_subframes, 4
logistic_bits = jax.jit(entropy.logistic_bits)


def test_bits_are_those_of_scipys_distribution():
    """Down to the floor of 2**-15, which is what a range coder's tables can give."""
    n = np.arange(-12, 13, dtype=np.float32)
    for mean in (0.0, 0.3, -4.5):
        for log_scale in (-2.0, 0.0, 1.5):
            edges = logistic.cdf(np.stack([n - 0.5, n + 0.5]), mean, np.exp(log_scale))
            upper = logistic.sf(np.stack([n - 0.5, n + 0.5]), mean, np.exp(log_scale))
            p = np.where(n < mean, edges[1] - edges[0], upper[0] - upper[1])
            bits = logistic_bits(n, np.full_like(n, mean), np.full_like(n, log_scale))
            np.testing.assert_allclose(bits, -np.log2(np.maximum(p, 2.0**-15)), rtol=2e-4, atol=1e-5)


def test_probabilities_sum_to_one():
    n = np.arange(-200, 201, dtype=np.float32)
    bits = np.asarray(logistic_bits(n, np.full_like(n, 0.7), np.full_like(n, 1.0)), np.float64)
    likely = bits < 14.9  # the others lie on the floor
    np.testing.assert_allclose(np.sum(2 ** -bits[likely]), 1, atol=1e-3)


def test_gradient_of_the_bits_is_finite_in_the_tails():
    n, zero = jnp.asarray([-300.0, 0.0, 5.0, 300.0]), jnp.zeros(4)
    gradient = jax.grad(lambda m, s: jnp.sum(entropy.logistic_bits(n, m, s)), argnums=(0, 1))(zero, zero - 3)
    assert np.isfinite(gradient).all()


@pytest.fixture(scope="module")
def models():
    """Return jitted side and latent models with no parameter at zero."""
    graph, params = nnx.split(nnx.eval_shape(lambda: EntropyModel(CONFIG, rngs=nnx.Rngs(0))), nnx.Param)
    random = np.random.default_rng(1)
    params = jax.tree.map(
        lambda p: jnp.asarray(random.standard_normal(p.shape) / max(1, p.shape[0]) ** 0.5, jnp.float32), params
    )
    model = nnx.merge(graph, params)
    return jax.jit(lambda *a: jnp.stack(model.side(*a))), jax.jit(lambda *a: jnp.stack(model.latent(*a)))


@pytest.fixture
def integers():
    """Return two side vectors before, side (1, T, K), steps, latents before and latents (1, T*S, D)."""
    random = np.random.default_rng(2)
    before, side = (jnp.asarray(random.integers(-9, 10, (1, n, K)), jnp.float32) for n in (2, T))
    past, n = (jnp.asarray(random.integers(-3, 4, (1, m, D)), jnp.float32) for m in (CONFIG.context, T * S))
    return before, side, jnp.asarray(random.integers(0, CONFIG.n_steps, (1, T))), past, n


def touched(run, index, *arguments, at):
    """Return which outputs (vector, element) change with one integer of an argument."""
    changed = list(arguments)
    changed[index] = changed[index].at[at].add(1)
    return np.asarray(run(*changed) != run(*arguments)).any(axis=0)[0]


def test_side_integer_shifts_later_ones_only(models, integers):
    before, side = integers[:2]
    t, k = 1, 6
    touch = touched(models[0], 1, before, side, at=(0, t, k))
    assert not touch[:t].any() and not touch[t, : k + 1].any()
    assert touch[t, k + 1 :].all() and touch[t + 1].all() and touch[t + 2].all()
    assert not touch[t + 3 :].any(), "two packets are remembered"


def test_latent_shifts_later_ones_only(models, integers):
    before, *rest = integers
    s, d = 6, 3
    touch = touched(models[1], 4, before[:, 1:], *rest, at=(0, s, d))
    assert not touch[:s].any() and not touch[s, : d + 1].any() and touch[s, d + 1 :].all()
    assert touch[s + 1 : s + 1 + CONFIG.context].any(axis=1).all()
    assert not touch[s + 1 + CONFIG.context :].any()


def test_step_and_side_shift_the_latents_of_their_packet(models, integers):
    before, *rest = integers
    by_step = touched(models[1], 2, before[:, 1:], *rest, at=(0, 2)).any(axis=1).reshape(T, S)
    np.testing.assert_array_equal(by_step.any(axis=1), [False, False, True, False])
    by_side = touched(models[1], 1, before[:, 1:], *rest, at=(0, 2, 0)).any(axis=1).reshape(T, S)
    np.testing.assert_array_equal(by_side.any(axis=1), [False, False, True, True])


def test_contexts_are_clipped(models, integers):
    before, side, step, past, n = integers
    at = CLIP * jnp.sign(n)
    far = 50 * at
    np.testing.assert_array_equal(*(models[1](before[:, 1:], side, step, past, v) for v in (at, far)))
