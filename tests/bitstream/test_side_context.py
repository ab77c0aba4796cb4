"""Entropy models with parts of their own behind a context reset: writer against reader, integers against floats."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.bitstream.packet import Integers, advance, n_bits, put_packets, resets_context, start
from lpcnet_cq.checkpoint.weights import flatten
from lpcnet_cq.nn.entropy import logistic_bits
from lpcnet_cq.nn.packet_reader import Reader
from lpcnet_cq.speech.entropy import EntropyModel
from lpcnet_cq.speech.freeze import freeze, thaw
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

CONFIG = replace(PRESETS["tiny"].codec, context_resets=True)
S, D, K, Q = CONFIG.n_vectors, CONFIG.n_latents, CONFIG.n_side, CONFIG.n_steps
T = 24


@pytest.fixture(scope="module")
def trained():
    """Return a float model none of whose parameters is zero, its parameters, and its integers."""
    graph, params = nnx.split(nnx.eval_shape(lambda: EntropyModel(CONFIG, rngs=nnx.Rngs(0))), nnx.Param)
    random = np.random.default_rng(2)
    params = jax.tree.map(
        lambda p: jnp.asarray(0.5 * random.standard_normal(p.shape) / max(1, p.shape[0]) ** 0.5, jnp.float32), params
    )
    values = jax.tree.map(np.asarray, nnx.to_pure_dict(params))
    return nnx.merge(graph, params), values, freeze(values, CONFIG)


@pytest.fixture(scope="module")
def integer(trained):
    return SubframeModel(trained[2], CONFIG)


def integers(T, seed=3):
    random = np.random.default_rng(seed)
    step = np.clip(8 + np.cumsum(random.integers(-1, 2, T)), 0, Q - 1)
    return Integers(step, random.integers(-4, 5, (T, K)), random.integers(-2, 3, (T, S, D)))


@pytest.mark.parametrize("every", [1, 2, 5])
def test_reader_follows_the_writer_over_resets(integer, every):
    n = integers(6)
    packets = [p for run in n.runs(every) for p in put_packets(integer, None, run)[1]]
    assert [resets_context(integer, p) for p in packets] == [t % every == 0 for t in range(6)]
    pasts, back, ends = Reader(integer).read(None, b"".join(packets), 0, 6, 6)
    assert ends[:, 0].tolist() == np.cumsum([len(p) for p in packets]).tolist()
    for name in ("step", "side", "latents"):
        np.testing.assert_array_equal(getattr(back, name), getattr(n, name))
    assert pasts[0].known == min(2, every if 6 % every == 0 else 6 % every)


def test_first_three_packets_behind_a_reset_are_coded_apart(integer):
    """The same packets again cost the same only if as many packets before them are known."""
    n = integers(1)
    same = Integers(*(np.repeat(v, 5, axis=0) for v in (n.step, n.side, n.latents)))
    bits = n_bits(integer, None, same)[:, 1 : 1 + K].sum(axis=1)
    assert len(set(np.round(bits[:3], 3))) == 3 and bits[2] == bits[3] == bits[4]


def test_runs_cost_what_their_packets_cost(integer):
    n, past, parts = integers(5), start(integer), []
    whole = n_bits(integer, past, n)
    for part in n.runs(1):
        parts.append(n_bits(integer, past, part))
        past = advance(past, part)
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_reset_costs_two_bits_a_usual_step_four_and_that_of_copies_two_and_a_half(integer):
    n = integers(2)
    heads = [n_bits(integer, None, Integers(np.full(1, q), n.side[:1], n.latents[:1]))[0, 0] for q in range(Q)]
    assert heads[-1] == pytest.approx(2 + np.log2(61 / 12), abs=0.01)
    np.testing.assert_allclose(heads[3:14], 2 + np.log2(61 / 4), atol=0.01)
    assert max(heads) < 8
    assert n_bits(integer, None, Integers(np.full(2, 8), n.side, n.latents))[1, 0] < 0.5


def test_integers_cost_what_the_float_model_says(trained, integer):
    """Within 0.5 %, side information and latents each, with a reset every three packets."""
    model, n = trained[0], integers(T)
    reset = jnp.arange(T)[None] % 3 == 0
    side, latents = (jnp.asarray(v, jnp.float32)[None] for v in (n.side, n.latents.reshape(-1, D)))

    @jax.jit
    def bits(side, latents, step):
        zero = jnp.zeros((1, 2, K))
        past = jnp.zeros((1, CONFIG.context, D))
        return (
            logistic_bits(side, *model.predict_side(zero, side, reset)).sum(),
            logistic_bits(latents, *model.latent(zero[:, 1:], side, step, past, latents, reset)).sum(),
        )

    ours = np.concatenate([n_bits(integer, None, run) for run in n.runs(3)])[:, 1:]
    expected = [float(v) for v in bits(side, latents, jnp.asarray(n.step)[None])]
    np.testing.assert_allclose([ours[:, :K].sum(), ours[:, K:].sum()], expected, rtol=0.005)


def test_thawed_integers_freeze_to_themselves(trained):
    floats = thaw(trained[2], CONFIG)
    assert flatten(floats).keys() == flatten(trained[1]).keys()
    for name, value in freeze(floats, CONFIG).items():
        np.testing.assert_allclose(value, trained[2][name], rtol=2.0**-22, atol=2, err_msg=name)
