"""The network over lines: signs, empty lines, noise, and packets one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.music.constants import MAX_GAIN_CHANGE, MAX_NOISE
from lpcnet_cq.music.line_decoder import Decoder
from lpcnet_cq.training.presets import PRESETS

C = PRESETS["audio-tiny"].codec
D, T = C.n_latents, 4


@pytest.fixture(scope="module")
def coder():
    graph, params = nnx.split(Decoder(C, rngs=nnx.Rngs(0)), nnx.Param)
    random = np.random.default_rng(1)
    params = jax.tree.map(lambda p: p + 0.3 * jnp.asarray(random.standard_normal(p.shape), jnp.float32), params)
    decoder = nnx.merge(graph, params)
    return decoder, jax.jit(decoder.__call__)


@pytest.fixture(scope="module")
def lines():
    random = np.random.default_rng(2)
    n = jnp.asarray(random.integers(-2, 3, (1, T, 2, D)), jnp.float32)
    ratio = jnp.asarray(random.uniform(-3, 3, (1, T, 2, D)), jnp.float32)
    return n, ratio, jnp.asarray([[0.0, 1.0, 0.0, 0.0]]), jnp.asarray(random.uniform(-1, 1, (T, 2, D)), jnp.float32)


def test_lines_keep_their_signs_and_about_their_size(coder, lines):
    decoder, run = coder
    n, ratio, is_short, noise = lines
    _, y = run(decoder.start(1, D), *lines)
    some = np.asarray(n) != 0
    change = np.asarray(y)[some] / np.asarray(n)[some]
    assert (np.abs(change - 1) <= MAX_GAIN_CHANGE).all() and np.ptp(change) > 0.01
    _, mirrored = run(decoder.start(1, D), -n, ratio, is_short, -noise)
    np.testing.assert_allclose(mirrored, -np.asarray(y), atol=1e-6)


def test_empty_lines_get_noise_of_the_bands_energy_at_most(coder, lines):
    decoder, run = coder
    n, ratio, is_short, noise = lines
    empty = np.asarray(n) == 0
    _, y = run(decoder.start(1, D), *lines)
    most = np.minimum(3**0.5 * 2 ** np.asarray(ratio), MAX_NOISE) * np.abs(noise)[None]
    assert (np.abs(y)[empty] <= most[empty] + 1e-6).all() and np.abs(np.asarray(y)[empty]).max() > 0
    _, silent = run(decoder.start(1, D), n, ratio, is_short, 0 * noise)
    assert (np.asarray(silent)[empty] == 0).all()


def test_packets_one_by_one_equal_all_at_once(coder, lines):
    decoder, run = coder
    n, ratio, is_short, noise = lines
    _, whole = run(decoder.start(1, D), *lines)
    state, parts = decoder.start(1, D), []
    for t in range(T):
        at = slice(t, t + 1)
        state, y = run(state, n[:, at], ratio[:, at], is_short[:, at], noise[at])
        parts.append(y)
    np.testing.assert_allclose(jnp.concatenate(parts, axis=1), whole, atol=1e-5)
    fresh = run(decoder.start(1, D), n[:, 1:2], ratio[:, 1:2], is_short[:, 1:2], noise[1:2])[1]
    assert not np.allclose(fresh, parts[1])
