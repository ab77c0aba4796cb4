"""Compiled code: under which JAX settings it runs, where it is cached, how it gets its weights."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

MAX_OUTPUT = 1000.0  # amplitude, full scale 1: nothing an encoder writes comes near it

_process: int | None = None  # in which JAX began to run


@contextmanager
def own_settings(wide: bool = False) -> Iterator[None]:
    """Run JAX code with the codec's own settings, whatever the caller has chosen for the rest of the program.

    Parameters
    ----------
    wide : bool
        Whether types of 64 bits exist: in the integer entropy model they do, in networks they do not.

    Raises
    ------
    RuntimeError
        If the process was forked from one in which JAX had begun to run: JAX's threads are missing here.
    """
    global _process
    _process = _process or os.getpid()
    if _process != os.getpid():
        raise RuntimeError(
            "the codec cannot run in a process forked from one that used it: start processes with the method `spawn`"
        )
    with jax.enable_x64(wide), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("allow"):
        yield


def use_cache() -> None:
    """Keep compiled code in the user's cache folder, unless JAX was told of another or it cannot be written."""
    if jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        return
    try:
        folder = Path(os.environ.get("LPCNET_CQ_CACHE") or Path.home() / ".cache" / "lpcnet_cq") / "jax"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def with_values(model: Callable, floats: dict, config) -> tuple:
    """Return the graph of a model and its parameters with the values of a weights file."""
    use_cache()
    with own_settings():
        abstract = nnx.eval_shape(lambda: model(config, rngs=nnx.Rngs(0)))
        graph, params = nnx.split(abstract, nnx.Param)
        nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, floats))
    return graph, params


def one_batch(a: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    """Return an array as a batch of one, (1, ...), of a type that networks take."""
    return np.asarray(a, dtype)[None]


def is_valid_output(y: jax.Array) -> jax.Array:
    """Say whether decoded samples are finite and bounded: integers of a damaged stream may make filters unstable."""
    return jnp.max(jnp.abs(y)) < MAX_OUTPUT  # not so for NaN either
