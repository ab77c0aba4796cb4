"""The objective: what pays, what is compared, and through which parts the gradient passes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import entropy

from lpcnet_cq.published.config import Recipe, at_rates
from lpcnet_cq.published.front import lsf_levels, prepare
from lpcnet_cq.published.model import Model, encode, start_encoder
from lpcnet_cq.published.objective import compared_frames, objective, rate_parts
from lpcnet_cq.published.schedule import LSF
from lpcnet_cq.published.train import phases_of

T, ON, OFF = 5, jnp.float32(1), jnp.float32(0)


@pytest.fixture(scope="module")
def recipe(tiny):
    return Recipe(tiny(n_modules=2, lpc="trained", level=1.0, temperature=50.0), bitrates_bps=(9e3, 24e3))


@pytest.fixture(scope="module")
def batch(recipe, vowel):
    return prepare(np.stack([vowel(f0_hz)[: T * recipe.system.spec.hop] for f0_hz in (130, 200)]), recipe.system)


def model_of(recipe, batch):
    model = Model(recipe.system, rngs=nnx.Rngs(0))
    levels = lsf_levels(batch["lsf"].reshape(-1, recipe.system.order), recipe.system.n_lsf_centroids)
    model.lsf.centroids[...] = jnp.asarray(levels)
    return model


def lsf_gradient(recipe, batch):
    """Return the gradient of the loss of one module by the LSF codebook, with no price on bits or softness."""
    recipe = replace(at_rates(recipe, 9e3), quantisation_weight=0.0)
    graph, params = nnx.split(model_of(recipe, batch), nnx.Param)
    codebook, rest = nnx.split_state(params, lambda path, _: path[0] == LSF, ...)
    (phase,) = phases_of(recipe)

    def loss(codebook):
        return objective(nnx.merge(graph, codebook, rest), recipe, phase, batch, ON, jnp.float32(0))[0]

    return np.asarray(jax.jit(jax.grad(loss))(codebook)["lsf"]["centroids"][...])


def test_error_of_the_speech_reaches_the_lsf_codebook(recipe, batch):
    gradient = lsf_gradient(recipe, batch)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 1e-3


def test_error_of_the_residual_does_not(recipe, batch):
    assert not lsf_gradient(replace(recipe, loss_on="residual"), batch).any()


def test_error_does_not_reach_a_fixed_codebook(recipe, batch):
    assert not lsf_gradient(replace(recipe, system=replace(recipe.system, lpc="fixed")), batch).any()


COMPILED: dict = {}


def parts(recipe, batch, phase, on=ON, tau=1.0):
    graph, params = nnx.split(model_of(recipe, batch), nnx.Param)

    def call(params, on, tau):
        return objective(nnx.merge(graph, params), recipe, phases_of(recipe)[phase], batch, on, tau)

    loss, parts = COMPILED.setdefault((recipe, phase), jax.jit(call))(params, on, jnp.float32(tau))
    return float(loss), {k: float(v) for k, v in parts.items()}


def test_loss_is_the_weighted_sum_of_its_parts(recipe, batch):
    loss, p = parts(recipe, batch, 0, tau=0.0)
    assert loss == pytest.approx(60 * p["time"] + 10 * p["mel"] + 10 * p["quantisation"], rel=1e-5)
    dearer, _ = parts(recipe, batch, 0, tau=2.0)
    assert dearer > loss
    assert p["bps"] == pytest.approx(p["lsf_bps"] + p["latent_bps"], rel=1e-5)


def test_a_new_module_pays_nothing_before_its_quantiser_acts(recipe, batch):
    loss, p = parts(recipe, batch, 0, on=OFF, tau=2.0)
    assert loss == pytest.approx(60 * p["time"] + 10 * p["mel"], rel=1e-5)


def test_rate_is_the_entropy_of_the_hard_symbols(recipe, batch):
    """Judged by SciPy from the symbols that the codec would write: one histogram per module and per LSF index."""
    c = replace(recipe.system, lpc="fixed")
    r = replace(recipe, system=c)
    model = model_of(r, batch)
    graph, params = nnx.split(model, nnx.Param)
    symbols = jax.jit(lambda p: encode(nnx.merge(graph, p), start_encoder(c, 2), batch["x"], batch["lsf"])[1])(params)
    s = np.asarray(symbols).reshape(2 * T, -1)
    bits = [entropy(np.bincount(v), base=2) for v in s[:, : c.n_lsf].T]
    # the first phase has the first module only; hard in all parts, as in the phase of the second module
    first = c.n_code * entropy(np.bincount(s[:, c.n_lsf : c.n_lsf + c.n_code].ravel()), base=2)
    second = c.n_code * entropy(np.bincount(s[:, c.n_lsf + c.n_code :].ravel()), base=2)
    _, p = parts(r, batch, 1, on=OFF)
    assert p["lsf_bps"] == pytest.approx(sum(bits) * c.frames_per_second, rel=1e-3)
    assert p["latent_bps"] == pytest.approx((first + second) * c.frames_per_second, rel=1e-3)


def test_only_trained_parts_pay(recipe):
    even = jnp.full((1, 2, 64, 8), -np.log(8), jnp.float32)
    log_p = {LSF: even[:, :, :4], 0: even, 1: even}
    penalty = np.sqrt(8) - 1
    for phase, share in zip(phases_of(recipe), (1 + 4 / 64, 1, 2 + 4 / 64), strict=True):
        q, bits, rates = rate_parts(recipe, phase, log_p)
        assert float(q) == pytest.approx(share * penalty, rel=1e-4)
        assert float(bits) == pytest.approx(share * 3, rel=1e-4)
        assert set(rates) == {LSF, 0, 1}


def test_compared_frames_are_aligned(recipe, batch):
    x, V = batch["x"], recipe.system.spec.look_ahead
    late = np.pad(x, ((0, 0), (V, 0)))[:, : x.shape[1]]
    target, output = compared_frames(recipe, jnp.asarray(x), jnp.asarray(late))
    assert target.shape == (2, T - 1, 128)
    np.testing.assert_array_equal(target, output)
