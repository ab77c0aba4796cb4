"""The signal model for music behind plain arrays: chunks, one channel and two, concealment."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.music.freeze import freeze
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.runtime import MusicSignalModel
from lpcnet_cq.music.substitute import substitute
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["audio-tiny"].codec
N, T = CONFIG.spec.hop, 9


@pytest.fixture(scope="module")
def model(perturbed):
    _, values = perturbed
    return MusicSignalModel(values, LineModel(freeze(values, CONFIG), CONFIG), CONFIG)


@pytest.fixture(scope="module")
def signal(plucked):
    """Return chords with a click, so that some blocks are short, (n, 2): T blocks and the one behind them."""
    x = plucked[2000 : 2000 + (T + 1) * N].copy()
    x[5 * N + 40 : 5 * N + 60] += 0.5
    return x


def analysed(model, x, chunks):
    """Return side integers and lines of a signal, so many packets at a time."""
    state, start, found = model.start_encoder(x[:N]), N, []
    for n in chunks:
        state, *values = model.analyse(state, x[start : start + n * N], n)
        start += n * N
        found.append(values)
    return [np.concatenate(v) for v in zip(*found, strict=True)]


def test_chunks_give_what_the_whole_signal_gives(model, signal):
    side, lines = analysed(model, signal, [T])
    assert side.shape == (T, CONFIG.n_side) and lines.shape == (T, 2, CONFIG.n_latents)
    assert 0 < side[:, 0].sum() < T, "short blocks and long ones"
    for chunks in ([1] * T, [4, 4, 1]):
        other_side, other_lines = analysed(model, signal, chunks)
        np.testing.assert_array_equal(other_side, side)
        np.testing.assert_allclose(other_lines, lines, atol=1e-4 * np.abs(lines).max())


def test_one_channel_is_two_alike_and_a_signal_that_ends_is_continued_by_silence(model, signal):
    one = signal[: 3 * N + 5, 0]
    both = np.zeros(((T + 1) * N, 2), np.float32)
    both[: len(one)] = one[:, None]
    for a, b in zip(analysed(model, one, [T]), analysed(model, both, [T]), strict=True):
        np.testing.assert_array_equal(a, b)


def decoded(model, side, lines, losses):
    """Decode packet by packet at the middle step, but conceal those that are lost; return (packets, N, 2)."""
    state, last, lost, found = model.start_decoder(), None, 0, []
    for t in range(len(side)):
        n = Integers(np.array([CONFIG.nominal_step]), side[t : t + 1], np.rint(lines[t : t + 1]).astype(np.int64))
        if t in losses:
            lost += 1
            n = substitute(last, lost, model._entropy, CONFIG)
        else:
            last, lost = n, 0
        state, y = model.synthesise(state, n)
        found.append(y)
    return np.stack(found)


def test_concealed_packets_fall_in_level_until_they_are_silent(model, signal):
    side, lines = analysed(model, np.tile(signal, (4, 1)), [4 * T])
    whole, holes = decoded(model, side, lines, ()), decoded(model, side, lines, range(10, 40))
    np.testing.assert_array_equal(holes[:10], whole[:10])
    assert np.isfinite(holes).all()
    level_db = 10 * np.log10(np.mean(holes**2, axis=(1, 2)) + 1e-20)
    before_db = 10 * np.log10(np.mean(whole[5:11] ** 2))
    assert before_db - 20 < level_db[11] < before_db + 1, "a short loss is no hole"
    assert level_db[20] < before_db - 30 and (np.diff(level_db[11:20]) < 3).all()


def test_before_any_packet_there_is_silence(model):
    _, y = model.synthesise(model.start_decoder(), substitute(None, 1, model._entropy, CONFIG))
    assert y.shape == (N, 2) and np.abs(y).max() < 1e-3
