"""The signal model for speech behind plain arrays: chunks, ends of signals, short runs, concealment."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.speech.analysis import analyse_lsf
from lpcnet_cq.speech.highpass import highpass, start_highpass
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.speech.model import Model, encode_side, start_decoder, start_encoder
from lpcnet_cq.speech.runtime import SpeechSignalModel
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
M, S, D, HOP = CONFIG.order, CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.spec.hop
AHEAD, T = CONFIG.spec.look_ahead, 7


@pytest.fixture(scope="module")
def model(speech_model, speech_integers):
    floats = jax.tree.map(np.asarray, nnx.to_pure_dict(speech_model[1]))
    return SpeechSignalModel(floats, SubframeModel(speech_integers, CONFIG), CONFIG)


@pytest.fixture(scope="module")
def integers():
    random = np.random.default_rng(1)
    return Integers(
        random.integers(0, CONFIG.n_steps, T), random.integers(-2, 3, (T, M + S)), random.integers(-2, 3, (T, S, D))
    )


@pytest.fixture(scope="module")
def speech():
    """Return T packets of a buzz in noise and the look-ahead behind them."""
    time = np.arange(T * HOP + AHEAD) / CONFIG.spec.sample_rate_hz
    x = 0.3 * np.sin(2 * np.pi * 140 * time) ** 15 + 0.01 * np.random.default_rng(2).standard_normal(len(time))
    return x.astype(np.float32)


def analysed(model, x, chunks):
    """Return side integers and latents of a signal, so many packets at a time."""
    state, start, found = model.start_encoder(x[:AHEAD]), AHEAD, []
    for n in chunks:
        state, *values = model.analyse(state, x[start : start + n * HOP], n)
        start += n * HOP
        found.append(values)
    return [np.concatenate(v) for v in zip(*found, strict=True)]


def test_encoder_gives_integers_and_real_latents(model, speech):
    side, z = analysed(model, speech, [T])
    assert side.shape == (T, M + S) and side.dtype == np.int64
    assert z.shape == (T, S, D) and np.abs(z - np.rint(z)).max() > 0.01


def test_types_of_a_state_stay_those_of_the_first(model, speech, integers):
    """Other types would compile all code twice: for the first packets, and for those after them."""
    first = model.start_encoder(speech[:AHEAD])
    later = model.analyse(first, speech[AHEAD : AHEAD + HOP], 1)[0]
    assert jax.tree.map(jax.typeof, first.networks) == jax.tree.map(jax.typeof, later.networks)
    first, n = model.start_decoder(), next(iter(integers.runs(1)))
    for later in (model.synthesise(first, n)[0], model.conceal(first, n, 0)[0]):
        assert jax.tree.map(jax.typeof, first) == jax.tree.map(jax.typeof, later)


def test_a_state_of_concealment_has_types_that_stay():
    """A weak type becomes the other one with the first packet."""
    config = replace(CONFIG, concealment=True)
    state = jax.eval_shape(lambda: start_decoder(Model(config, rngs=nnx.Rngs(0)), 1))
    assert "lag" in state["concealment"] and not any(leaf.weak_type for leaf in jax.tree.leaves(state))


def test_chunks_give_what_the_whole_signal_gives(model, speech):
    side, z = analysed(model, speech, [T])
    for chunks in ([1] * T, [3, 3, 1]):
        other_side, other_z = analysed(model, speech, chunks)
        np.testing.assert_array_equal(other_side, side)
        np.testing.assert_allclose(other_z, z, atol=1e-4 * np.abs(z).max())  # compiled apart, rounded apart


def test_a_signal_that_ends_is_continued_by_silence_behind_the_high_pass(model, speech, speech_model):
    """An offset makes the difference: filtered, it would ring on."""
    short = speech[: 2 * HOP + 50] + np.float32(0.5)
    _, filtered = highpass(start_highpass(), short, CONFIG.spec.sample_rate_hz)
    x = np.pad(filtered, (0, T * HOP + AHEAD - len(short)))
    lsf = analyse_lsf(x[:-AHEAD], CONFIG.spec, M)
    side, _ = analysed(model, short, [T])

    @jax.jit
    def expected(params, x, lsf):
        net = nnx.merge(speech_model[0], params)
        return encode_side(net, start_encoder(net, 1), x, lsf, 1.0)[1]

    found = expected(model._params, x[None, : T * HOP], lsf[None])
    np.testing.assert_array_equal(side[:, :M], found["lsf"][0])
    np.testing.assert_array_equal(side[:, M:], found["gain"][0])


def test_short_run_is_the_beginning_of_a_full_one(model, integers):
    _, whole = model.synthesise(model.start_decoder(), integers)
    _, part = model.synthesise(model.start_decoder(), next(integers.runs(3)).filled(T))
    assert whole.shape == part.shape == (T * HOP,) and whole.dtype == np.float32
    np.testing.assert_allclose(part[: 3 * HOP], whole[: 3 * HOP], atol=1e-6)


def test_absurd_integers_give_finite_samples_and_a_decoder_that_goes_on(model, integers):
    absurd = Integers(integers.step, 16000 * np.sign(integers.side), 16000 * np.sign(integers.latents))
    state, y = model.synthesise(model.start_decoder(), absurd)
    assert np.isfinite(y).all()
    state, y = model.synthesise(state, integers)
    assert np.isfinite(y).all() and np.abs(y).max() > 1e-4
    assert int(state["position"]) == 2 * T * HOP // CONFIG.step
