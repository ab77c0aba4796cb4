"""Models whose every parameter is random, in JAX and as nested arrays: what both runtimes are made from."""

from dataclasses import replace

import numpy as np
import pytest


@pytest.fixture(scope="session")
def random_speech():
    """Return a small speech model with concealment in JAX, its nested floats, and its configuration."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from lpcnet_cq.speech.model import Model
    from lpcnet_cq.training.presets import PRESETS

    config = replace(PRESETS["tiny"].codec, concealment=True, fine_blocks=2, coarse_blocks=2)
    graph, params = jax.jit(lambda: nnx.split(Model(config, rngs=nnx.Rngs(0)), nnx.Param))()
    random = np.random.default_rng(1)
    params = jax.tree.map(lambda p: p + 0.05 * jnp.asarray(random.standard_normal(p.shape), jnp.float32), params)
    return nnx.merge(graph, params), jax.tree.map(np.asarray, nnx.to_pure_dict(params)), config


@pytest.fixture(scope="session")
def normal():
    """Return a function: shape to the same standard normal values on every call, float32."""
    return lambda *shape: np.random.default_rng(7).standard_normal(shape).astype(np.float32)
