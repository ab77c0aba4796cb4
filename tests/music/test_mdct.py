"""The switched transform: a plain MDCT as judge, perfect reconstruction for any windows and any switching.

The judge's basis is odd at the first border and even at the second, ours the other way round: it sees time reversed.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dsp.frames import FrameSpec
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.mdct import Blocks
from lpcnet_cq.speech.lapped import mdct

N, J, T = 64, 8, 9
CONFIG = MusicConfig(spec=FrameSpec(44100, 2 * N, N, N, N), n_latents=N, short_blocks=J)


@pytest.fixture(scope="module")
def signal():
    return np.random.default_rng(1).standard_normal((2, T + 2, N)).astype(np.float32)


def there_and_back(blocks, x, is_short):
    X = blocks.analyse(jnp.asarray(x), jnp.asarray(is_short))
    state = jnp.zeros((len(x), N)), jnp.zeros(len(x))
    return X, blocks.synthesise(state, X, jnp.asarray(is_short[:, 1:-1]))[1]


def test_long_blocks_are_an_mdct(signal):
    X = Blocks(CONFIG).analyse(jnp.asarray(signal), jnp.zeros((2, T + 2)))
    for t in range(T):
        window = signal[:, t : t + 3].reshape(2, -1)[:, N // 2 : -N // 2]
        np.testing.assert_allclose(np.abs(X[:, t]), np.abs(window[:, ::-1] @ mdct(N)), atol=1e-5)


def test_a_packet_of_short_blocks_is_short_mdcts_of_one_frequency_side_by_side(signal):
    X = Blocks(CONFIG).analyse(jnp.asarray(signal), jnp.ones((2, T + 2)))
    h = N // J
    for t in (0, T - 1):
        around = signal[:, t : t + 3].reshape(2, -1)[:, N - h // 2 : 2 * N + h // 2]
        for j in range(J):
            judged = np.abs(around[:, j * h : (j + 2) * h][:, ::-1] @ mdct(h))
            np.testing.assert_allclose(np.abs(X[:, t, j::J]), judged, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_any_windows_and_any_switching_reconstruct(signal, seed):
    random = np.random.default_rng(seed)
    blocks = Blocks(CONFIG)
    blocks.long[...] = jnp.asarray(random.standard_normal(N // 2), jnp.float32)
    blocks.short[...] = jnp.asarray(random.standard_normal(N // J // 2), jnp.float32)
    is_short = (random.random((2, T + 2)) < (0.0, 0.3, 0.6, 1.0)[seed]).astype(np.float32)
    X, y = there_and_back(blocks, signal, is_short)
    np.testing.assert_allclose(y[:, 2:], signal[:, 2:-2], atol=1e-5)  # block 1 waits for a packet before the first
    # Orthogonal: what lies inside keeps its energy.
    quiet = signal * (np.arange(T + 2) == 4)[None, :, None]
    X, _ = there_and_back(blocks, quiet, is_short)
    np.testing.assert_allclose(np.sum(np.square(X), (1, 2)), np.sum(quiet**2, (1, 2)), rtol=1e-5)


def test_packets_one_by_one_equal_all_at_once(signal):
    blocks = Blocks(CONFIG)
    is_short = (np.random.default_rng(5).random((2, T + 2)) < 0.5).astype(np.float32)
    X, whole = there_and_back(blocks, signal, is_short)
    state, parts = (jnp.zeros((2, N)), jnp.zeros(2)), []
    for t in range(T):
        state, y = blocks.synthesise(state, X[:, t : t + 1], jnp.asarray(is_short[:, t + 1 : t + 2]))
        parts.append(y)
    np.testing.assert_allclose(jnp.concatenate(parts, axis=1), whole, atol=1e-6)


def test_windows_have_a_gradient(signal):
    """Coding few of the lines leaves an error that depends on the windows."""
    graph, params = nnx.split(Blocks(CONFIG), nnx.Param)

    def error(params):
        blocks = nnx.merge(graph, params)
        X = blocks.analyse(jnp.asarray(signal), jnp.zeros((2, T + 2)))
        return jnp.sum(X[..., N // 2 :] ** 2)

    gradient = jax.grad(error)(params)
    assert float(jnp.abs(gradient["long"][...]).max()) > 0
