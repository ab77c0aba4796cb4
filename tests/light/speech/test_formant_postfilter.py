"""The formant postfilter in NumPy against that in JAX, through received, lost and skipped packets."""

import jax
import numpy as np
import pytest

from lpcnet_cq.light.speech.formant_postfilter import FormantPostfilter
from lpcnet_cq.speech import formant_postfilter as judge

LOST = (2, 3, 5, 6, 9)


@pytest.mark.parametrize("amplitude", [0.3, 0.0])
def test_formant_postfilter(random_speech, normal, amplitude):
    """Noise and silence, through filters that change in every subframe, at steps of any size."""
    c = random_speech[2]
    S, L, M = c.spec.n_subframes, c.spec.subframe, c.order
    ours, run = FormantPostfilter(c), jax.jit(judge.formant_postfilter, static_argnums=0)
    state, other, changed = ours.start(), judge.start(1), 0
    for t in range(12):
        x = np.float32(amplitude * normal(S * L))
        a = 0.3 * normal(S, M + 2) * 0.7 ** np.arange(M + 2)
        a[:, 0], q, lost = 1.0, t % c.n_steps, t in LOST
        state, y = ours(state, x, a, q, lost)
        other, expected = run(c, other, x[None], np.float32(a[None]), np.array([q]), np.array([lost]))
        assert y.dtype == state.x.dtype == state.energy.dtype == np.float32
        np.testing.assert_allclose(y, expected[0], atol=1e-5 * amplitude)
        changed += np.abs(y - x).max() > 0.01 * amplitude
        if t % 4 == 3:
            state, other = ours.skip(state, x), judge.skip(other, x[None], L)
        np.testing.assert_array_equal(state.x, other["x"][0])
        np.testing.assert_allclose(state.energy, other["energy"][0], rtol=1e-4)
        np.testing.assert_allclose(state.losses, other["losses"][0], rtol=1e-5)
    assert 0 < changed < 12 or not amplitude
