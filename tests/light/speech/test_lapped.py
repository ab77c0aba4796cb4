"""The lapped transform in NumPy against that in Flax."""

import numpy as np

from lpcnet_cq.light.speech.lapped import Lapped


def test_lapped_transform(random_speech, normal, n_subframes):
    model, floats, c = random_speech
    lapped, e = Lapped(floats["lapped"]), normal(n_subframes, c.n_latents)
    for name in ("analyse", "synthesise"):
        expected = getattr(model.lapped, name)(e[None, 3], e[None])[0]
        np.testing.assert_allclose(getattr(lapped, name)(e[3], e), expected, atol=1e-5)
