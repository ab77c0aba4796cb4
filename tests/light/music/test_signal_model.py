"""The signal model of music in NumPy against that in JAX, on the released weights: integers, lines, PCM."""

import jax
import numpy as np
import pytest

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.light.music.signal_model import LightMusicModel
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.runtime import MusicSignalModel

T = 20  # packets
STEP = 1 / 32768  # one 16-bit step
LOST = (4, 9, 10, *range(13, 17))


@pytest.fixture(scope="module")
def models():
    """Return the model in NumPy and that in JAX, and their configuration."""
    floats, integers, config, _, _ = load_weights(find_weights("audio"))
    entropy = LineModel(integers, config)
    return LightMusicModel(floats, entropy, config), MusicSignalModel(floats, entropy, config), config


@pytest.fixture(scope="module")
def music(models, plucked):
    """Return chords with clicks, so that some blocks are short, (n, 2)."""
    N = models[2].spec.hop
    x = np.tile(plucked, (2, 1))[: (T + 1) * N].copy()
    x[5 * N + 40 : 5 * N + 60] += 0.3
    return x


@pytest.fixture(scope="module")
def analysed(models, music):
    """Return side integers and lines of both models: NumPy, JAX."""
    return [analyse(model, models[2], music, [T]) for model in models[:2]]


@pytest.fixture(scope="module")
def integers(models, analysed):
    side, lines = analysed[1]
    return Integers(np.full(T, models[2].nominal_step), side, np.rint(lines).astype(np.int64))


def analyse(model, config, x, chunks):
    """Return side integers and lines, so many packets at a time."""
    N = at = config.spec.hop
    state, found = model.start_encoder(x[:N]), []
    for n in chunks:
        state, *values = model.analyse(state, x[at : at + n * N], n)
        at += n * N
        found.append(values)
    return [np.concatenate(v) for v in zip(*found, strict=True)]


def live(model, n, lost=()):
    """Return the frames (T, N, 2) of a live stream whose packets `lost` are lost."""
    state, last, since, frames = model.start_decoder(), None, 0, []
    for t in range(len(n.step)):
        since = since + 1 if t in lost else 0
        last = last if since else n[t : t + 1]
        state, y = model.conceal(state, last, since) if since else model.synthesise(state, last)
        frames.append(y)
    return np.stack(frames)


def test_integers_and_lines_are_those_of_jax(analysed):
    (side, lines), (expected, expected_lines) = analysed
    assert side.dtype == np.int64 and lines.dtype == np.float32 and lines.shape == expected_lines.shape
    assert 0 < side[:, 0].sum() < T, "short blocks and long ones"
    same = (side == expected).all(axis=1)
    assert np.mean(side != expected) < 1e-3 and same.mean() > 0.8  # rounding decides ties
    np.testing.assert_allclose(lines[same], expected_lines[same], atol=1e-4 * np.abs(lines).max())


def test_chunks_give_what_the_whole_signal_gives(models, music, analysed):
    for chunks in ([1] * T, [7, 1, T - 8]):
        side, lines = analyse(models[0], models[2], music, chunks)
        np.testing.assert_array_equal(side, analysed[0][0])
        np.testing.assert_allclose(lines, analysed[0][1], atol=1e-6 * np.abs(lines).max())


def test_sound_is_that_of_jax(models, integers):
    y, expected = (model.synthesise(model.start_decoder(), integers)[1] for model in models[:2])
    assert y.dtype == np.float32 and y.shape == expected.shape and np.abs(y).max() > 0.1
    np.testing.assert_allclose(y, expected, rtol=0, atol=0.5 * STEP)


def test_single_packets_sound_like_many(models, integers):
    whole = models[0].synthesise(models[0].start_decoder(), integers)[1]
    np.testing.assert_allclose(live(models[0], integers).reshape(whole.shape), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("lost", [LOST, (0, 1, 3)])
def test_concealed_packets_sound_like_those_of_jax(models, integers, lost):
    found, expected = (live(model, integers, lost) for model in models[:2])
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.5 * STEP)


def test_one_channel_that_ends_is_coded_as_in_jax(models, music):
    N = models[2].spec.hop
    for x in (music[: 3 * N + 5, 0], music[: N // 2, 0], music[:0]):
        (side, lines), (expected, expected_lines) = (analyse(model, models[2], x, [5]) for model in models[:2])
        np.testing.assert_array_equal(side, expected)
        np.testing.assert_allclose(lines, expected_lines, atol=1e-4 * max(1, np.abs(lines).max()))


def test_states_do_not_change(models, music, integers):
    """What was given to a call can be given again: the same comes back."""
    model, N = models[0], models[2].spec.hop
    encoder, decoder = model.start_encoder(music[:N]), model.start_decoder()
    for t in range(3):
        after, side, lines = model.analyse(encoder, music[t * N : (t + 1) * N], 1)
        again = model.analyse(encoder, music[t * N : (t + 1) * N], 1)
        np.testing.assert_array_equal(side, again[1])
        np.testing.assert_array_equal(lines, again[2])
        following, y = model.synthesise(decoder, integers[t : t + 1])
        model.conceal(decoder, integers[t : t + 1], 1)
        np.testing.assert_array_equal(model.synthesise(decoder, integers[t : t + 1])[1], y)
        encoder, decoder = after, following


def test_absurd_integers_give_finite_samples_and_a_decoder_that_goes_on(models, integers):
    model = models[0]
    absurd = Integers(integers.step, 16000 * np.sign(integers.side), 16000 * np.sign(integers.latents))
    for n in (absurd, absurd[:1]):
        state, y = model.synthesise(model.start_decoder(), n)
        assert np.isfinite(y).all()
        state, y = model.synthesise(state, integers[:3])
        assert np.isfinite(y).all() and np.abs(y).max() > 1e-4
        assert state.position == len(n.step) + 3


def test_invalid_output_becomes_silence_and_the_first_state(models, integers):
    """States hold a number that makes the output invalid."""
    model = models[0]
    state, _ = model.synthesise(model.start_decoder(), integers[:2])
    for value in (np.nan, np.inf, 1e9):
        after, y = model.synthesise(state._replace(block=np.full_like(state.block, value)), integers[2:3])
        np.testing.assert_array_equal(y, np.zeros((models[2].spec.hop, 2), np.float32))
        fresh = model.start_decoder()._replace(position=after.position)
        same = jax.tree.map(np.array_equal, tuple(after), tuple(fresh))
        assert all(jax.tree.leaves(same)) and after.position == 3
