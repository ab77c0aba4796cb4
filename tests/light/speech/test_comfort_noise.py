"""Comfort noise in NumPy against that in JAX: between packets, and followed by losses."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.light.speech.signal_model import LightSpeechModel
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.speech.runtime import SpeechSignalModel

STEP = 1 / 32768  # one 16-bit step


@pytest.mark.parametrize("weights", ["cq", "cq3"])
def test_sound_is_that_of_jax(weights):
    """Letters: packet, noise of the last descriptor, loss."""
    floats, integers, config, _, _ = load_weights(find_weights(weights))
    entropy = SubframeModel(integers, config)
    random, found = np.random.default_rng(0), []
    side = random.integers(-2, 3, (24, entropy.K))
    latents = random.integers(-1, 2, (24, entropy.S, entropy.D))
    n = Integers(np.full(24, config.nominal_step), side, latents)
    for model in (LightSpeechModel(floats, entropy, config), SpeechSignalModel(floats, entropy, config)):
        state, frames, lost = model.start_decoder(), [], 0
        for t, kind in enumerate("pppnnnnnnnnpppnnnlllllpp"):
            lost = lost + 1 if kind == "l" else 0
            last = n[t - t % 3 : t - t % 3 + 1]
            state, y = model.synthesise(state, n[t : t + 1]) if kind == "p" else model.conceal(state, last, lost)
            frames.append(y)
        found.append(np.stack(frames))
    assert np.abs(found[0]).max() > 0.01
    np.testing.assert_allclose(*found, rtol=0, atol=STEP)
