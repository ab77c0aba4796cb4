"""Networks of the residual coder in NumPy against those in Flax; single packets give what many give."""

import jax
import numpy as np

from lpcnet_cq.light.speech.residual_coder import Decoder, Encoder, conditions
from lpcnet_cq.speech import residual_coder as judge_coder


def test_conditions(random_speech, normal, n_subframes):
    lsf, g = normal(n_subframes, random_speech[2].order), normal(n_subframes + 2)
    expected = judge_coder.conditions(lsf[None], lsf[0], g[None, 2:], g[None, :2])[0]
    np.testing.assert_allclose(conditions(lsf, lsf[0], g[2:], g[:2]), expected, atol=1e-5)


def test_encoder_network(random_speech, cond, normal, n_subframes, pieces):
    model, floats, c = random_speech
    e, x = normal(n_subframes * c.spec.subframe), normal(2 * n_subframes * c.spec.subframe)[::2].copy()
    found = Encoder(floats["encoder"], c)
    judge = jax.jit(lambda e, x, cond: model.encoder(model.encoder.start(1), e, x, cond)[1])
    y = found(found.start(), e, x, cond)[1]
    np.testing.assert_allclose(y, judge(e[None], x[None], cond[None])[0], atol=1e-4)
    np.testing.assert_allclose(pieces(found, found.start(), e, x, cond), y, atol=1e-4)


def test_decoder_network(random_speech, normal, n_subframes, pieces):
    model, floats, c = random_speech
    y, cond = normal(n_subframes, c.n_latents), normal(n_subframes, judge_coder.decoder_condition_size(c))
    noise, found = normal(n_subframes * c.spec.subframe // c.step, c.noise), Decoder(floats["decoder"], c)
    judge = jax.jit(lambda y, cond, noise: model.decoder(model.decoder.start(1), y, cond, noise)[1])
    e = found(found.start(), y, cond, noise)[1]
    np.testing.assert_allclose(e, judge(y[None], cond[None], noise)[0], atol=1e-4)
    np.testing.assert_allclose(pieces(found, found.start(), y, cond, noise), e, atol=1e-4)
