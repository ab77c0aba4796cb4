"""Settings, compilation cache and parameters of compiled JAX code."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.nn.limits import MAX_OUTPUT

_process: int | None = None  # id of the process in which JAX first ran


@contextmanager
def own_settings(wide: bool = False) -> Iterator[None]:
    """Run JAX code with the codec's own settings, independent of the settings of the calling program.

    Parameters
    ----------
    wide : bool
        True enables 64-bit types, which the integer entropy model needs; networks run without them.

    Raises
    ------
    RuntimeError
        If this process was forked after JAX first ran, because a forked process does not have the threads of JAX.
    """
    global _process
    _process = _process or os.getpid()
    if _process != os.getpid():
        raise RuntimeError(
            "the codec cannot run in a process that was forked after its use; start processes with the method `spawn`"
        )
    with jax.enable_x64(wide), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("allow"):
        yield


def use_cache() -> None:
    """Store compiled code in the cache folder of the user, if it is writable and JAX has no other cache folder."""
    if jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        return
    try:
        folder = Path(os.environ.get("LPCNET_CQ_CACHE") or Path.home() / ".cache" / "lpcnet_cq") / "jax"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError):  # RuntimeError: no home folder
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def with_values(model: Callable, floats: dict, config) -> tuple:
    """Return the graph of a model, and its parameters with the values from a weights file."""
    use_cache()
    with own_settings():
        abstract = nnx.eval_shape(lambda: model(config, rngs=nnx.Rngs(0)))
        graph, params = nnx.split(abstract, nnx.Param)
        nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, floats))
    return graph, params


@lru_cache(maxsize=32)
def compiled(function: Callable, graph: nnx.GraphDef) -> Callable:
    """Return `function(model, *arguments)` compiled, as a function of the model's parameters and the arguments.

    Models with the same graph share compiled code, however often their weights are loaded.
    """
    return jax.jit(lambda params, *arguments: function(nnx.merge(graph, params), *arguments))


def one_batch(a: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    """Return an array as a batch of one, (1, ...), converted to `dtype`."""
    return np.asarray(a, dtype)[None]


def is_valid_output(y: jax.Array) -> jax.Array:
    """Return whether decoded samples are finite and bounded; a damaged stream can make the filters unstable."""
    return jnp.all(jnp.abs(y) < MAX_OUTPUT)  # False for NaN, which XLA's maximum may skip
