"""The coder's conditions by hand; its networks as far as shapes and silence go."""

import jax
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.speech.residual_coder import Decoder, Encoder, condition_size, conditions
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec


def test_conditions_hold_envelope_level_and_its_changes():
    lsf, mean = np.full((1, 3, 16), 1.2, np.float32), np.full(16, 1.0, np.float32)
    cond = np.asarray(conditions(lsf, mean, np.float32([[-6, -5, -3]]), np.float32([[-9, -7]])))
    assert cond.shape == (1, 3, condition_size(CONFIG))
    np.testing.assert_allclose(cond[..., :16], 1.0, rtol=1e-5)
    np.testing.assert_allclose(cond[0, :, 16:], [[0, 1, 2], [0.3, 1, 1], [0.9, 2, 1]], atol=1e-6)


@pytest.mark.parametrize("B", [1, 2])
def test_shapes(B):
    S, N, C = 2, 2 * CONFIG.spec.subframe, condition_size(CONFIG)

    def through(e, cond, noise):
        encoder, decoder = Encoder(CONFIG, rngs=nnx.Rngs(0)), Decoder(CONFIG, rngs=nnx.Rngs(0))
        y = encoder(encoder.start(B), e, e, cond)[1]
        with_step = jax.numpy.concatenate([cond, cond[..., :1]], axis=-1)
        return y, decoder(decoder.start(B), y, with_step, noise)[1]

    y, e = jax.eval_shape(
        through, np.zeros((B, N), np.float32), np.zeros((B, S, C), np.float32), np.zeros((8, 4), np.float32)
    )
    assert y.shape == (B, S, CONFIG.n_latents) and e.shape == (B, N)
