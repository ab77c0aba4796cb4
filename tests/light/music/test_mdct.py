"""The switched transform in NumPy against that in Flax, and its own inverse."""

import jax.numpy as jnp
import numpy as np
import pytest

from lpcnet_cq.light.music.mdct import Blocks, Dct4
from lpcnet_cq.music.mdct import dct4
from lpcnet_cq.training.presets import PRESETS

C = PRESETS["audio-tiny"].codec


@pytest.mark.parametrize("L", [8, 128, 1024])
def test_fast_transform_is_the_matrix(normal, L):
    x = normal(3, L)
    np.testing.assert_allclose(Dct4(L)(x), x @ dct4(L), atol=1e-5)


def test_analysis_and_synthesis(perturbed, normal, flags):
    model, floats = perturbed
    blocks, T = Blocks(floats["blocks"], C), len(flags) - 2
    x, is_short = normal(2, T + 2, C.spec.hop), jnp.broadcast_to(jnp.asarray(flags, jnp.float32), (2, T + 2))
    X = blocks.analyse(x, flags)
    np.testing.assert_allclose(X, model.blocks.analyse(jnp.asarray(x), is_short), atol=1e-4)
    before = normal(2, C.spec.hop)
    for was_short in (0, 1):
        (block, last), y = blocks.synthesise((before, was_short), X, flags[1:-1])
        state = jnp.asarray(before), jnp.full(2, float(was_short))
        expected, y_jax = model.blocks.synthesise(state, jnp.asarray(X, jnp.float32), is_short[:, 1:-1])
        np.testing.assert_allclose(y, y_jax, atol=1e-4)
        np.testing.assert_allclose(block, expected[0], atol=1e-4)
        assert last == flags[-2]


def test_packets_one_by_one_equal_all_at_once(perturbed, normal, flags):
    blocks = Blocks(perturbed[1]["blocks"], C)
    X = normal(2, len(flags), C.n_latents)
    state, parts = (np.zeros((2, C.spec.hop)), 0), []
    _, whole = blocks.synthesise(state, X, flags)
    for t in range(len(flags)):
        state, y = blocks.synthesise(state, X[:, t : t + 1], flags[t : t + 1])
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-12)
