"""Capture of the inputs of weight matrices; pruning needs their statistics.

Layers pass their inputs to `sow_input`. Inside `nnx.capture(function, LayerInput)`, Flax collects them by the names of
the parameters. Outside of a capture the call has no effect and no cost.

Letters: I inputs, O outputs of a matrix (I, O).
"""

from collections.abc import Callable

import jax
from flax import nnx


class LayerInput(nnx.Intermediate):
    """Hold the inputs (..., I) of a weight matrix (I, O), one array per use of the matrix."""


def sow_input(module: nnx.Module, name: str, rows: Callable[[], jax.Array]) -> None:
    """Store the input (..., I) of the parameter `name` of a module; `rows` is called only inside a capture.

    Examples
    --------
    >>> linear = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
    >>> sow_input(linear, "kernel", lambda: jax.numpy.ones((5, 2)))  # no capture: nothing is stored
    >>> def run(linear):
    ...     sow_input(linear, "kernel", lambda: jax.numpy.ones((5, 2)))
    >>> nnx.capture(run, LayerInput)(linear)[1]["kernel"][0].shape
    (5, 2)
    """
    if hasattr(module, "__captures__"):  # set by `nnx.capture`; outside of it `sow` would add attributes to modules
        module.sow(LayerInput, name, rows())


def multiply(module: nnx.Module, name: str, x: jax.Array) -> jax.Array:
    """Return x @ W, shape (..., O), for an input x (..., I) and the module's parameter `name`, W (I, O)."""
    sow_input(module, name, lambda: x)
    return x @ getattr(module, name)[...]
