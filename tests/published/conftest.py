"""Small systems and a vowel for the tests of the published systems."""

from dataclasses import replace

import jax
import pytest
from flax import nnx

from dsp.frames import FrameSpec
from lpcnet_cq.published.config import AutoencoderConfig, SystemConfig

FRAMES = FrameSpec(window=128, hop=112, look_ahead=16, subframe=16)


@pytest.fixture(scope="session")
def tiny():
    """Return a maker of small systems: frames of 128, four channels, four LSFs."""

    def make(kind="bottleneck", **changes):
        system = SystemConfig(
            AutoencoderConfig(kind, channels=4, hidden=2), spec=FRAMES, order=4, n_centroids=8, n_lsf_centroids=32
        )
        return replace(system, **changes)

    return make


@pytest.fixture(scope="session")
def awake():
    """Return a function that gives the silent kernels of a new module random weights, in place."""

    def wake(module):
        def random(v):
            return 0.1 * jax.random.normal(jax.random.key(v.size), v.shape) if v.ndim > 1 and not v.any() else v

        nnx.update(module, jax.tree.map(random, nnx.state(module, nnx.Param)))
        return module

    return wake
