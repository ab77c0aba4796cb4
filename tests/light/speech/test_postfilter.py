"""The postfilter in NumPy against that in Flax; single packets give what many give."""

import jax
import numpy as np
import pytest

from lpcnet_cq.light.speech.postfilter import LongTermPostfilter
from lpcnet_cq.speech import residual_coder as judge_coder


@pytest.mark.parametrize("amplitude", [0.3, 0.0])
def test_postfilter(random_speech, normal, n_subframes, pieces, amplitude):
    """A tone in noise, and silence."""
    model, floats, c = random_speech
    n = np.arange(n_subframes * c.spec.subframe)
    y = np.float32(amplitude * np.sin(n / 9) ** 7 + 0.1 * amplitude * normal(len(n)))
    cond = normal(n_subframes, judge_coder.decoder_condition_size(c))
    found = LongTermPostfilter(floats["postfilter"], c.spec.subframe, c.spec.sample_rate_hz)
    judge = jax.jit(lambda y, cond: model.postfilter(model.postfilter.start(1), y, cond)[1])
    z = found(found.start(), y, cond)[1]
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, judge(y[None], cond[None])[0], atol=1e-4 * amplitude)
    np.testing.assert_allclose(pieces(found, found.start(), y, cond), z, atol=1e-4 * amplitude)
