"""The music model: the error falls with the step size; mono, one-sided and stereo input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.front_end import short_block_flags
from lpcnet_cq.music.model import decode, encode, exponents, sizes, start_decoder
from lpcnet_cq.nn.quantize import latent_steps
from lpcnet_cq.training.presets import PRESETS

C = PRESETS["audio-tiny"].codec
N, D = C.spec.hop, C.n_latents
T = 160


@pytest.fixture(scope="module")
def blocks(plucked):
    """Return left and right of T + 2 blocks, (1, 2, T+2, N), and which of them are short."""
    x = plucked[: (T + 2) * N].T
    return jnp.asarray(x.reshape(1, 2, T + 2, N)), jnp.asarray(short_block_flags(x, C)[None])


@pytest.fixture(scope="module")
def code(music_model):
    """Return the compiled encoder, to side integers and lines in steps, and the compiled decoder."""
    model = nnx.merge(*music_model)

    @jax.jit
    def there(blocks, q):
        side, X = encode(model, *blocks)
        return side, X / sizes(model, side, exponents(model, side)) / latent_steps(C.n_steps, C.step_ratio)[q]

    @jax.jit
    def back(state, side, n, step):
        return decode(model, state, side, exponents(model, side), n, step)

    return there, back, start_decoder(model, 1)


def round_trip(code, blocks, q):
    """Return what is decoded of rounded lines, and them, (1, 2, T N) and (1, T, 2, D)."""
    there, back, state = code
    side, z = there(blocks, q)
    _, y = back(state, side, jnp.round(z), jnp.full((1, T), q, jnp.int32))
    return np.asarray(y), np.asarray(z)


def test_finer_steps_leave_less_of_an_error(code, blocks):
    target = np.asarray(blocks[0]).reshape(2, -1)[:, 2 * N : T * N]
    errors = []
    for q in (0, 8, 16):
        y, _ = round_trip(code, blocks, q)
        errors.append(float(np.sum((y[0][:, 2 * N : T * N] - target) ** 2) / np.sum(target**2)))
    assert 2 * errors[0] < errors[1] < errors[2] / 2 < 0.5


def test_blocks_are_short_where_a_string_is_plucked(plucked):
    c = MusicConfig()
    is_short = short_block_flags(plucked.T, c)
    at = round(0.25 * c.spec.sample_rate_hz) // c.spec.hop
    assert np.flatnonzero(is_short[1:]).tolist() == [at - 1]


def test_one_channel_twice_leaves_the_side_channel_empty(code, blocks):
    x, is_short = blocks
    y, z = round_trip(code, (jnp.stack([x[:, 0], x[:, 0]], axis=1), is_short), 8)
    assert np.abs(z[:, :, 1]).max() == 0
    np.testing.assert_allclose(y[:, 0], y[:, 1], atol=2e-3)  # but for inaudible noise in empty bands


def test_a_sound_from_one_side_comes_back_from_there(code, blocks):
    """The prediction coefficients give the side channel from the mid channel: nothing leaks to the silent side."""
    x, is_short = blocks
    y, z = round_trip(code, (jnp.stack([x[:, 0], 0 * x[:, 0]], axis=1), is_short), 8)
    assert np.abs(np.round(z[:, :, 1])).max() == 0
    left, right = np.square(y[0][:, 2 * N :]).sum(axis=1)
    assert right < 1e-3 * left


def test_some_packets_at_a_time_equal_all_at_once(code, blocks):
    there, back, state = code
    side, z = there(blocks, 8)
    n, step = jnp.round(z), jnp.full((1, T), 8, jnp.int32)
    _, whole = back(state, side, n, step)
    parts = []
    for t in range(0, T, 40):
        state, y = back(state, *(v[:, t : t + 40] for v in (side, n, step)))
        parts.append(y)
    np.testing.assert_allclose(jnp.concatenate(parts, axis=2), whole, atol=1e-5)
