"""A small model for all tests of the codec for music, and sound to code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.config import PRESETS
from lpcnet_cq.music.model import Model

CONFIG = PRESETS["audio-tiny"].codec


@pytest.fixture(scope="session")
def perturbed():
    """Return a float model none of whose parameters is where it starts, and its nested values."""
    graph, params = jax.jit(lambda: nnx.split(Model(CONFIG, rngs=nnx.Rngs(0)), nnx.Param))()
    random = np.random.default_rng(1)
    params = jax.tree.map(lambda p: p + 0.1 * jnp.asarray(random.standard_normal(p.shape), jnp.float32), params)
    return nnx.merge(graph, params), jax.tree.map(np.asarray, nnx.to_pure_dict(params))


@pytest.fixture(scope="session")
def plucked():
    """Return plucked chords in stereo, 0.5 s at 44.1 kHz, float32 (n, 2)."""
    fs = CONFIG.spec.sample_rate_hz
    time = np.arange(fs // 2) / fs
    decay = np.exp(-8 * (time % 0.25))
    left, right = (sum(np.sin(2 * np.pi * f * k * time) / k for k in range(1, 6)) * decay for f in (330, 440))
    x = np.stack([left + 0.5 * right, right + 0.2 * left], axis=1)
    return (0.4 * x / np.abs(x).max()).astype(np.float32)
