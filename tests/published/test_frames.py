"""Frames in JAX: cut as `dsp` cuts them, and add up to the signal again, whole or in pieces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.frames import frame
from lpcnet_cq.published import frames as blocks
from lpcnet_cq.published.config import FRAMES
from lpcnet_cq.published.frames import fade

overlapping_frames = jax.jit(blocks.overlapping_frames, static_argnums=2)
overlap_add = jax.jit(blocks.overlap_add, static_argnums=2)


def signal(T, B=2):
    return np.random.default_rng(0).standard_normal((B, FRAMES.look_ahead + T * FRAMES.hop)).astype(np.float32)


def cut(x):
    V = FRAMES.look_ahead
    return overlapping_frames(x[:, :V], x[:, V:], FRAMES)[1]


def test_frames_are_those_of_dsp():
    x = signal(3)
    np.testing.assert_array_equal(cut(x), frame(x, FRAMES)[:, :3])


def test_fade_adds_up_to_one():
    w = fade(FRAMES)
    assert w[-32:] + w[:32] == pytest.approx(np.ones(32))
    assert (w[32:-32] == 1).all() and w[0] == pytest.approx(0, abs=1e-3)
    assert w[:32] == pytest.approx(0.5 - 0.5 * np.cos(np.pi * (np.arange(32) + 0.5) / 32), abs=1e-6)


def test_faded_frames_add_up_to_the_signal():
    x = signal(4)
    tail, y = overlap_add(jnp.zeros((2, 32)), cut(x) * fade(FRAMES), FRAMES)
    np.testing.assert_allclose(y[:, 32:], x[:, 32 : 4 * 480], atol=1e-6)
    np.testing.assert_allclose(tail, x[:, -32:] * fade(FRAMES)[-32:], atol=1e-6)


@given(st.integers(1, 4))
def test_pieces_are_the_whole(T):
    x = signal(5, B=1)
    n = T * FRAMES.hop
    tail, first = overlapping_frames(x[:, :32], x[:, 32 : 32 + n], FRAMES)
    _, second = overlapping_frames(tail, x[:, 32 + n :], FRAMES)
    np.testing.assert_array_equal(jnp.concatenate([first, second], axis=1), cut(x))
    tail, y1 = overlap_add(jnp.zeros((1, 32)), first, FRAMES)
    tail, y2 = overlap_add(tail, second, FRAMES)
    whole_tail, y = overlap_add(jnp.zeros((1, 32)), cut(x), FRAMES)
    np.testing.assert_allclose(jnp.concatenate([y1, y2], axis=1), y, atol=1e-6)
    np.testing.assert_array_equal(tail, whole_tail)
