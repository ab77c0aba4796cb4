"""Comfort noise: its level and spectrum are those of its gains and envelope, and it leaves a state to go on from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.speech import model as cq
from lpcnet_cq.speech.comfort_noise import comfort_noise
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
M, S, HOP = CONFIG.order, CONFIG.spec.n_subframes, CONFIG.spec.hop


@pytest.fixture(scope="module")
def run(speech_model):
    """Return a function of LSF and gain integers that returns T packets of comfort noise, (T, HOP), and the state."""
    graph, params = speech_model

    @jax.jit
    def step(state, n_lsf, n_gain):
        return comfort_noise(nnx.merge(graph, params), state, n_lsf, n_gain)

    def make(n_lsf, n_gain, T):
        state, frames = cq.start_decoder(nnx.merge(graph, params), 1), []
        for _ in range(T):
            state, y = step(state, n_lsf, n_gain)
            frames.append(np.asarray(y[0]))
        return state, np.stack(frames)

    return make


def flat(level):
    """Return side information with this level integer."""
    return jnp.zeros((1, 1, M)), jnp.zeros((1, 1, S)).at[..., 0].set(level)


def test_level_and_spectrum_are_those_of_the_side_information(run, speech_model):
    n_lsf, n_gain = flat(3)
    state, y = run(n_lsf, n_gain, 200)
    model = nnx.merge(*speech_model)
    g = float(model.gain.synthesise(n_gain)[0, 0].mean())
    response = np.abs(np.fft.rfft(np.asarray(state["a"][0, -1]), 4096)) ** -2
    expected = np.exp(2 * g) * np.mean(response)
    assert abs(10 * np.log10(np.mean(y[5:] ** 2) / expected)) < 0.5


def test_noise_does_not_repeat_and_follows_the_position(run):
    y = run(*flat(0), 20)[1]
    assert np.abs(np.corrcoef(y[5:]) - np.eye(15)).max() < 0.4
    np.testing.assert_array_equal(run(*flat(0), 20)[1], y)


def test_the_state_has_the_structure_of_the_decoder(run, speech_model):
    state, _ = run(*flat(0), 2)
    start = cq.start_decoder(nnx.merge(*speech_model), 1)
    assert jax.tree.map(jnp.shape, state) == jax.tree.map(jnp.shape, start)
    assert int(state["position"]) == 2 * HOP // CONFIG.step
