"""The front end for music: blocks in their order, attacks found, whatever the division into calls."""

import numpy as np
import pytest

from lpcnet_cq.music import front_end
from lpcnet_cq.music.front_end import short_block_flags
from lpcnet_cq.training.presets import PRESETS

C = PRESETS["audio-tiny"].codec
N, T = C.spec.hop, 6


@pytest.fixture
def clicks():
    """Return noise in stereo with a burst in the fourth block of the right channel, float32 ((T + 1) N, 2)."""
    x = 1e-3 * np.random.default_rng(1).standard_normal(((T + 1) * N, 2))
    x[3 * N + N // 2 : 3 * N + N // 2 + 8, 1] = 0.5
    return x.astype(np.float32)


def coded(x, parts):
    """Return the blocks and flags of the packets of a signal, pushed in parts of so many packets."""
    state, at, blocks, flags = front_end.start(x[:N], C), N, [], []
    for n in parts:
        state, found, is_short = front_end.push(state, x[at : at + n * N], n, C)
        assert found.shape == (2, 2 + n, N) and is_short.shape == (2 + n,)
        blocks.append(found[:, 1:-1])
        flags.append(is_short[1:-1])
        at += n * N
    return np.concatenate(blocks, axis=1), np.concatenate(flags)


def test_packets_have_the_blocks_of_the_signal(clicks):
    blocks, _ = coded(clicks, [T])
    np.testing.assert_array_equal(blocks.transpose(1, 2, 0).reshape(-1, 2), clicks[: T * N])


@pytest.mark.parametrize("parts", [[1] * T, [2, 1, 3]])
def test_the_division_into_calls_changes_nothing(clicks, parts):
    for found, expected in zip(coded(clicks, parts), coded(clicks, [T]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_blocks_with_attacks_in_a_channel_are_short(clicks):
    """The noise itself begins after silence."""
    _, is_short = coded(clicks, [T])
    np.testing.assert_array_equal(is_short, [1, 0, 0, 1, 0, 0])
    after_silence = np.pad(clicks.T, [(0, 0), (N, 0)])
    np.testing.assert_array_equal(short_block_flags(after_silence, C)[1 : T + 1], is_short)


def test_one_channel_is_two_equal_ones(clicks):
    for found, expected in zip(coded(clicks[:, 1], [T]), coded(clicks[:, [1, 1]], [T]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_silence_follows_the_end(clicks):
    """The first block, and half of the second; then no samples at all."""
    blocks, is_short = coded(clicks[: N + N // 2], [1, 1, 1])
    np.testing.assert_array_equal(blocks.transpose(1, 2, 0).reshape(-1, 2)[: N + N // 2], clicks[: N + N // 2])
    assert not blocks[:, 1, N // 2 :].any() and not blocks[:, 2].any() and len(is_short) == 3


def test_the_blocks_around_the_packets_are_given(clicks):
    """The transform of a packet needs the blocks before and after it."""
    state = front_end.start(clicks[:N], C)
    _, blocks, _ = front_end.push(state, clicks[N : 3 * N], 2, C)
    assert not blocks[:, 0].any()
    np.testing.assert_array_equal(blocks[:, -1].T, clicks[2 * N : 3 * N])
