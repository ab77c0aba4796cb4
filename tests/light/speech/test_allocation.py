"""Bit allocation in NumPy against that in Flax; single packets give what many give."""

import jax
import numpy as np
import pytest

from lpcnet_cq.light.speech.allocation import Allocation, recent_peak
from lpcnet_cq.speech import allocation as judge_allocation


def test_allocation(random_speech, cond, normal, n_subframes, pieces):
    model, floats, _ = random_speech
    g, found = 3 * normal(n_subframes) - 6, Allocation(floats["allocation"], random_speech[2].spec.n_subframes)
    _, expected = jax.jit(lambda c, g: model.allocation(model.allocation.start(1), c, g))(cond[None], g[None])
    after, y = found(found.start(), cond, g)
    np.testing.assert_allclose(y, expected[0], atol=1e-5)
    np.testing.assert_allclose(pieces(found, found.start(), cond, g), y, atol=1e-5)
    peaks = judge_allocation.recent_peak(np.full((1, 1), -10, np.float32), g[None])[0]
    np.testing.assert_allclose(recent_peak(-10.0, g), peaks, atol=1e-5)
    assert after.peak == pytest.approx(float(peaks[-1]), abs=1e-5)
