"""Compiled code: where it is cached, how it gets its weights, how runs of packets are filled up to its shape."""

import os
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

MAX_OUTPUT = 1000.0  # amplitude, full scale 1: nothing an encoder writes comes near it


def use_cache() -> None:
    """Keep compiled code in the user's cache folder, unless JAX was told of another."""
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        root = Path(os.environ.get("LPCNET_CQ_CACHE") or Path.home() / ".cache" / "lpcnet_cq")
        jax.config.update("jax_compilation_cache_dir", str(root / "jax"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def with_values(model: Callable, floats: dict, config) -> tuple:
    """Return the graph of a model and its parameters with the values of a weights file."""
    use_cache()
    abstract = nnx.eval_shape(lambda: model(config, rngs=nnx.Rngs(0)))
    graph, params = nnx.split(abstract, nnx.Param)
    nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, floats))
    return graph, params


def fill(a: np.ndarray, T: int) -> np.ndarray:
    """Return packets (t, ...) as a batch of one, (1, T, ...), the last one repeated."""
    return np.pad(a, [(0, T - len(a))] + [(0, 0)] * (a.ndim - 1), mode="edge")[None]


def is_valid_output(y: jax.Array) -> jax.Array:
    """Say whether what was decoded is sound: integers of a damaged stream may blow filters up."""
    return jnp.max(jnp.abs(y)) < MAX_OUTPUT  # not so for NaN either
