"""The signal model in NumPy against that in JAX, on released weights and a vowel: integers, latents, PCM.

Both compute filters in double precision, so that they differ by rounding in networks only.
"""

import jax
import numpy as np
import pytest

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.light.speech.signal_model import LightSpeechModel
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.speech.runtime import SpeechSignalModel

T = 100  # packets
STEP = 1 / 32768  # one 16-bit step
LOST = (7, 20, 21, 40, *range(50, 62))


@pytest.fixture(scope="module", params=["cq", "cq3"])
def models(request):
    """Return the model in NumPy and that in JAX, and their configuration."""
    floats, integers, config, _, _ = load_weights(find_weights(request.param))
    entropy = SubframeModel(integers, config)
    return LightSpeechModel(floats, entropy, config), SpeechSignalModel(floats, entropy, config), config


@pytest.fixture(scope="module")
def speech(vowel):
    return vowel(seconds=(T + 1) * 0.02)


@pytest.fixture(scope="module")
def analysed(models, speech):
    """Return side integers and latents of both models: NumPy, JAX."""
    return [analyse(model, models[2], speech, [T]) for model in models[:2]]


@pytest.fixture(scope="module")
def integers(models, analysed):
    side, z = analysed[1]
    return Integers(np.full(T, models[2].nominal_step), side, np.rint(z).astype(np.int64))


def analyse(model, config, x, chunks):
    """Return side integers and latents, so many packets at a time."""
    ahead, hop = config.spec.look_ahead, config.spec.hop
    state, at, found = model.start_encoder(x[:ahead]), ahead, []
    for n in chunks:
        state, *values = model.analyse(state, x[at : at + n * hop], n)
        at += n * hop
        found.append(values)
    return [np.concatenate(v) for v in zip(*found, strict=True)]


def live(model, n, lost=()):
    """Return the frames (T, hop) of a live stream whose packets `lost` are lost."""
    state, last, since, frames = model.start_decoder(), None, 0, []
    for t in range(len(n.step)):
        since = since + 1 if t in lost else 0
        last = last if since else n[t : t + 1]
        state, y = model.conceal(state, last, since) if since else model.synthesise(state, last)
        frames.append(y)
    return np.stack(frames)


def test_integers_and_latents_are_those_of_jax(analysed):
    (side, z), (expected, expected_z) = analysed
    assert side.dtype == np.int64 and z.dtype == np.float32 and z.shape == expected_z.shape
    assert np.mean(side != expected) < 1e-3  # rounding decides ties
    np.testing.assert_allclose(z, expected_z, atol=1e-3 * np.abs(expected_z).max())


def test_chunks_give_what_the_whole_signal_gives(models, speech, analysed):
    for chunks in ([1] * T, [30, 1, T - 31]):
        side, z = analyse(models[0], models[2], speech, chunks)
        np.testing.assert_array_equal(side, analysed[0][0])
        np.testing.assert_allclose(z, analysed[0][1], atol=1e-4 * np.abs(z).max())


def test_sound_is_that_of_jax(models, integers):
    y, expected = (model.synthesise(model.start_decoder(), integers)[1] for model in models[:2])
    assert y.dtype == np.float32 and np.abs(y).max() > 0.1
    np.testing.assert_allclose(y, expected, rtol=0, atol=0.5 * STEP)


def test_single_packets_sound_like_many(models, integers):
    whole = models[0].synthesise(models[0].start_decoder(), integers)[1]
    np.testing.assert_allclose(live(models[0], integers), whole.reshape(T, -1), rtol=0, atol=0.5 * STEP)


def test_concealed_packets_sound_like_those_of_jax(models, integers):
    found, expected = (live(model, integers, LOST) for model in models[:2])
    np.testing.assert_allclose(found, expected, rtol=0, atol=STEP)


def test_a_stream_that_begins_with_losses_is_that_of_jax(models, integers):
    found, expected = (live(model, integers[:8], (0, 1, 3)) for model in models[:2])
    np.testing.assert_allclose(found, expected, rtol=0, atol=STEP)


def test_signal_that_ends_is_continued_as_in_jax(models, speech):
    side, z = analyse(models[0], models[2], speech[:1000], [5])
    expected, expected_z = analyse(models[1], models[2], speech[:1000], [5])
    np.testing.assert_array_equal(side, expected)
    np.testing.assert_allclose(z, expected_z, atol=1e-3 * np.abs(z).max())
    empty = [model.analyse(model.start_encoder(speech[:0]), speech[:0], 1) for model in models[:2]]
    np.testing.assert_array_equal(empty[0][1], empty[1][1])


def test_states_do_not_change(models, speech, integers):
    """What was given to a call can be given again: the same comes back."""
    model, hop = models[0], models[2].spec.hop
    encoder, decoder = model.start_encoder(speech[:128]), model.start_decoder()
    for t in range(3):
        after, side, z = model.analyse(encoder, speech[t * hop : (t + 1) * hop], 1)
        again = model.analyse(encoder, speech[t * hop : (t + 1) * hop], 1)
        np.testing.assert_array_equal(side, again[1])
        np.testing.assert_array_equal(z, again[2])
        following, y = model.synthesise(decoder, integers[t : t + 1])
        model.conceal(decoder, integers[t : t + 1], 1)
        np.testing.assert_array_equal(model.synthesise(decoder, integers[t : t + 1])[1], y)
        encoder, decoder = after, following


def test_absurd_integers_give_finite_samples_and_a_decoder_that_goes_on(models, integers):
    model, config = models[0], models[2]
    absurd = Integers(integers.step, 16000 * np.sign(integers.side), 16000 * np.sign(integers.latents))
    for n in (absurd, absurd[:1]):
        state, y = model.synthesise(model.start_decoder(), n)
        assert np.isfinite(y).all()
        state, y = model.synthesise(state, integers[:3])
        assert np.isfinite(y).all() and np.abs(y).max() > 1e-4
        assert state.position == (len(n.step) + 3) * config.spec.hop // config.step


def test_invalid_output_becomes_silence_and_the_first_state(models, integers):
    """States hold a number that makes the output invalid."""
    model = models[0]
    state, _ = model.synthesise(model.start_decoder(), integers[:2])
    for value in (np.nan, np.inf, 1e9):
        after, y = model.synthesise(state._replace(y=np.full_like(state.y, value)), integers[2:3])
        np.testing.assert_array_equal(y, np.zeros(models[2].spec.hop, np.float32))
        fresh = model.start_decoder()._replace(position=after.position)
        same = jax.tree.map(np.array_equal, tuple(after), tuple(fresh))
        assert all(jax.tree.leaves(same)) and after.position == 60
