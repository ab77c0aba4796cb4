"""The objective: what pays, what is compared, and through which parts the gradient passes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.published.config import Recipe, at_rates
from lpcnet_cq.published.front import lsf_levels, prepare
from lpcnet_cq.published.model import Model, encode, start_encoder
from lpcnet_cq.published.objective import compared_frames, objective, rate_parts
from lpcnet_cq.published.packet import LSF, frequency_tables, symbol_bits
from lpcnet_cq.published.quantiser import Relaxation
from lpcnet_cq.published.rate import start_control
from lpcnet_cq.published.train import phases_of

T = 5
ON, OFF = (Relaxation(jnp.float32(on), jnp.float32(1), jnp.float32(0)) for on in (1, 0))


@pytest.fixture(scope="module")
def recipe(tiny):
    return Recipe(tiny(n_modules=2, lpc="trained", level=1.0, temperature=50.0), bitrates_bps=(9e3, 24e3))


@pytest.fixture(scope="module")
def batch(recipe, vowel):
    n = (T + 2) * recipe.system.spec.hop
    return prepare(np.stack([vowel(f0_hz)[:n] for f0_hz in (130, 200)]), recipe.system, T)


def model_of(recipe, batch, awake):
    model = Model(recipe.system, rngs=nnx.Rngs(0))
    levels = lsf_levels(batch["lsf"].reshape(-1, recipe.system.order), recipe.system.n_lsf_centroids)
    model.lsf.centroids[...] = jnp.asarray(levels)
    return awake(model)


def lsf_gradient(recipe, batch, awake):
    """Return the gradient of the loss of one module by the LSF codebook, without multiplier on bits or softness."""
    recipe = replace(at_rates(recipe, 9e3), quantisation_weight=0.0)
    graph, params = nnx.split(model_of(recipe, batch, awake), nnx.Param)
    codebook, rest = nnx.split_state(params, lambda path, _: path[0] == LSF, ...)
    (phase,) = phases_of(recipe)

    def loss(codebook):
        model, tables = nnx.merge(graph, codebook, rest), start_control(recipe.system, 1.0).tables
        return objective(model, recipe, phase, batch, ON, jnp.float32(0), tables)[0]

    return np.asarray(jax.jit(jax.grad(loss))(codebook)["lsf"]["centroids"][...])


def test_error_of_the_speech_reaches_the_lsf_codebook(recipe, batch, awake):
    gradient = lsf_gradient(recipe, batch, awake)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 1e-3


def test_error_of_the_residual_does_not(recipe, batch, awake):
    assert not lsf_gradient(replace(recipe, loss_on="residual"), batch, awake).any()


def test_error_does_not_reach_a_fixed_codebook(recipe, batch, awake):
    assert not lsf_gradient(replace(recipe, system=replace(recipe.system, lpc="fixed")), batch, awake).any()


COMPILED: dict = {}


def parts(recipe, batch, awake, phase, relaxation=ON, tau=1.0, tables=None):
    graph, params = nnx.split(model_of(recipe, batch, awake), nnx.Param)
    tables = tables or start_control(recipe.system, tau).tables

    def call(params, relaxation, tau, tables):
        return objective(nnx.merge(graph, params), recipe, phases_of(recipe)[phase], batch, relaxation, tau, tables)

    loss, (parts, _) = COMPILED.setdefault((recipe, phase), jax.jit(call))(params, relaxation, jnp.float32(tau), tables)
    return float(loss), {k: float(v) for k, v in parts.items()}


def test_loss_is_the_weighted_sum_of_its_parts(recipe, batch, awake):
    loss, p = parts(recipe, batch, awake, 0, tau=0.0)
    assert loss == pytest.approx(60 * p["time"] + 10 * p["mel"] + 10 * p["quantisation"], rel=1e-5)
    dearer, _ = parts(recipe, batch, awake, 0, tau=2.0)
    assert dearer > loss
    assert p["bps"] == pytest.approx(p["lsf_bps"] + p["latent_bps"], rel=1e-5)


def test_hard_symbols_have_no_penalty(recipe, batch, awake):
    loss, p = parts(recipe, batch, awake, 0, ON._replace(hard=jnp.float32(1)), tau=0.0)
    assert loss == pytest.approx(60 * p["time"] + 10 * p["mel"], rel=1e-5)


def test_a_new_module_pays_nothing_before_its_quantiser_acts(recipe, batch, awake):
    loss, p = parts(recipe, batch, awake, 0, OFF, tau=2.0)
    assert loss == pytest.approx(60 * p["time"] + 10 * p["mel"], rel=1e-5)


def test_rate_is_what_the_codecs_tables_take(recipe, batch, awake):
    """Judged by the symbols that the codec would write and tables of integers, such as it holds."""
    c = replace(recipe.system, lpc="fixed")
    r = replace(recipe, system=c)
    graph, params = nnx.split(model_of(r, batch, awake), nnx.Param)
    symbols = jax.jit(lambda p: encode(nnx.merge(graph, p), start_encoder(c, 2), batch["x"], batch["lsf"])[1])(params)
    s = np.asarray(symbols).reshape(2 * T, -1)
    integers = frequency_tables(s, c)
    bits = symbol_bits(integers, s, c).mean(axis=0)
    tables = {name: jnp.asarray(np.diff(table) / 65536, jnp.float32) for name, table in integers.items()}
    # in the phase of the second module all that is not trained is hard, and so is it while its quantiser is not on
    _, p = parts(r, batch, awake, 1, OFF, tables=tables)
    assert p["lsf_bps"] == pytest.approx(bits[: c.n_lsf].sum() * c.frames_per_second, rel=1e-3)
    assert p["latent_bps"] == pytest.approx(bits[c.n_lsf :].sum() * c.frames_per_second, rel=1e-3)


def test_only_trained_parts_pay_and_only_parts_in_use_have_shares(recipe):
    even = jnp.full((1, 2, 64, 8), -np.log(8), jnp.float32)
    log_p = {LSF: even[:, :, :4], 0: even, 1: even}
    tables = {"code": jnp.full((2, 8), 1 / 8), LSF: jnp.full((4, 8), 1 / 8)}
    penalty, first = np.sqrt(8) - 1, np.eye(8)[0]  # of even assignments, the first symbol is the hard one
    for phase, share in zip(phases_of(recipe), (1 + 4 / 64, 1, 2 + 4 / 64), strict=True):
        used = {name: p for name, p in log_p.items() if name == LSF or name < phase.n_modules}
        q, bits, rates, shares = rate_parts(recipe, phase, used, tables)
        assert float(q) == pytest.approx(share * penalty, rel=1e-4)
        assert float(bits) == pytest.approx(share * 3, rel=1e-4)
        assert set(rates) == set(used)
        np.testing.assert_allclose(shares["code"], [first, first if phase.n_modules > 1 else np.full(8, 1 / 8)])
        np.testing.assert_allclose(shares[LSF], np.tile(first, (4, 1)))


def test_compared_frames_are_aligned(recipe, batch):
    x, V = batch["x"], recipe.system.spec.look_ahead
    late = np.pad(x, ((0, 0), (V, 0)))[:, : x.shape[1]]
    target, output = compared_frames(recipe, jnp.asarray(x), jnp.asarray(late))
    assert target.shape == (2, T - 1, 128)
    np.testing.assert_array_equal(target, output)
