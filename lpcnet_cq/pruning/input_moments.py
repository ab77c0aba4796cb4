"""Second moments of the inputs of a model's weight matrices, captured while the model runs.

Place in the chain: between a model in training and `sparsify`, whose method "csp" needs them. The layers of a model
pass their inputs to `nn.capture`, and Flax collects them by the names of the parameters.

Letters: I inputs of a matrix, T rows.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.nn.capture import LayerInput
from lpcnet_cq.pruning.recovery import second_moment

Moments = dict[str, jax.Array]


def input_moments(function: Callable[..., Any], model: nnx.Module, *args: Any) -> Moments:
    """Return the second moments X' X / T (I, I) of all layer inputs in a call of `function(model, *args)`, by name.

    Parameters
    ----------
    function : callable
        A loss or a forward pass; its result is ignored. It must not call layers inside `lax.scan` or another
        transformation of JAX, because captured arrays cannot leave a transformation.
    model : nnx.Module
    args
        Further arguments, such as batches and keys.

    Returns
    -------
    dict
        Moments by the name of the parameter in a weights file; their mean if a matrix is used several times.

    Examples
    --------
    >>> from lpcnet_cq.nn.layers import CausalConv
    >>> conv = CausalConv(1, 3, 2, rngs=nnx.Rngs(0))
    >>> x = jax.numpy.array([[[1.0], [2.0]]])
    >>> input_moments(lambda conv: conv(conv.start(1), x), conv)
    {'kernel': Array([[0.5, 1. ],
           [1. , 2.5]], dtype=float32)}
    """
    _, inputs = nnx.capture(function, LayerInput)(model, *args)
    found = {"/".join(map(str, path)): uses.get_value() for path, uses in nnx.to_flat_state(inputs)}
    return {name: jnp.mean(jnp.stack([second_moment(x) for x in uses]), axis=0) for name, uses in found.items()}
