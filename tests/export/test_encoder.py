"""The encoder's graphs against the runtime of NumPy: side integers and latents, packet by packet."""

import numpy as np
import pytest


@pytest.mark.parametrize("weights", ["cq", "cq3"])
def test_encoder(light, steps, speech, weights):
    (model, config), run = light(weights), steps(weights)
    ahead, hop = config.spec.look_ahead, config.spec.hop
    state = model.start_encoder(speech[:ahead])
    assert run("encoder_start", ahead=speech[:ahead]) == {}
    for at in range(ahead, len(speech) - hop, hop):
        state, side, z = model.analyse(state, speech[at : at + hop], 1)
        found = run("encoder", samples=speech[at : at + hop])
        assert found["side"].dtype == np.int32 and found["latents"].dtype == np.float32
        np.testing.assert_array_equal(found["side"], side[0])
        np.testing.assert_allclose(found["latents"], z[0], atol=1e-4 * max(1.0, np.abs(z).max()))
