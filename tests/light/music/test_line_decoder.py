"""The network over lines in NumPy against that in Flax."""

import jax.numpy as jnp
import numpy as np

from lpcnet_cq.light.music.line_decoder import Decoder
from lpcnet_cq.training.presets import PRESETS

C = PRESETS["audio-tiny"].codec


def test_lines_and_state(perturbed, normal, flags):
    model, floats = perturbed
    T, D = len(flags), C.n_latents
    n, ratio = np.rint(3 * normal(T, 2, D)) * (normal(T, 2, D) > 0), 2 * normal(T, 2, D)
    noise = np.random.default_rng(3).uniform(-1, 1, (T, 2, D)).astype(np.float32)
    arrays = [jnp.asarray(v)[None] for v in (n, ratio, flags.astype(np.float32))]
    expected_state, expected = model.decoder(model.decoder.start(1, D), *arrays, jnp.asarray(noise))
    decoder = Decoder(floats["decoder"], C)
    state, y = decoder(decoder.start(), n, ratio, flags, noise)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected[0], atol=1e-4)
    for found, name in zip(state, ("size", "ratio"), strict=True):
        np.testing.assert_allclose(found, expected_state[name][0], atol=1e-6)
    state, parts = decoder.start(), []
    for t in range(T):
        at = slice(t, t + 1)
        state, part = decoder(state, n[at], ratio[at], flags[at], noise[at])
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts), y)
