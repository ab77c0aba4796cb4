"""What every weight matrix of a model is multiplied with, read off the model's trace.

Place in the chain: between a model in training and `sparsify`, which wants the second moments of its layers' inputs.
The model knows nothing of it: its function is traced to a jaxpr, and where an equation multiplies something by a leaf
of the parameters, that something is the input of a layer. Nothing is added to models, and nothing to training.

Letters: T rows, k taps, C channels, I = k C inputs.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from lpcnet_cq.pruning.recovery import second_moment
from lpcnet_cq.pruning.sparsify import name_of

INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # parameters of equations that stand for a whole function
Moments = dict[str, jax.Array]


def input_moments(function: Callable, params: Any, *args: Any) -> Moments:
    """Return by name the second moments (I, I) of what `function(params, *args)` multiplies matrices of params with.

    Parameters
    ----------
    function : callable
        Any that JAX can trace: a loss, a forward pass. What it returns is left aside.
    params : tree
        Leaves are named as in weights files. Found are those that stand on the right of `x @ W`, or are the kernel of
        a convolution over time, also within `lax.scan`; where one is used several times, the mean is returned.
    args
        Batches, keys and so on; arrays.

    Returns
    -------
    dict
        For `sparsify`'s `moments`, once the names of leaves that are not made sparse are left out.

    Examples
    --------
    >>> input_moments(lambda p, x: x @ p["w"], {"w": jnp.ones((2, 3))}, jnp.array([[1.0, 2.0], [3.0, 4.0]]))
    {'w': Array([[ 5.,  7.],
           [ 7., 10.]], dtype=float32)}
    """
    closed = jax.make_jaxpr(function)(params, *args)
    leaves = jax.tree_util.tree_leaves_with_path(params)
    values = jax.tree.leaves((params, *args))
    names = [name_of(path) for path, _ in leaves] + [None] * (len(values) - len(leaves))
    return _evaluate(closed.jaxpr, closed.consts, values, names)[1]


def _evaluate(jaxpr, consts: Sequence, values: Sequence, names: Sequence[str | None]) -> tuple[list, Moments]:
    """Return the results of a jaxpr, and the moments of what it multiplies named inputs with."""
    value = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *values], strict=True))
    name = {v: n for v, n in zip(jaxpr.invars, names, strict=True) if n is not None}
    found = defaultdict(list)
    for equation in jaxpr.eqns:
        literal = [isinstance(v, core.Literal) for v in equation.invars]
        inputs = [v.val if of else value[v] for v, of in zip(equation.invars, literal, strict=True)]
        named = [None if of else name.get(v) for v, of in zip(equation.invars, literal, strict=True)]
        outputs, moments = _apply(equation, inputs, named)
        for of, G in moments.items():
            found[of].append(G)
        value |= dict(zip(equation.outvars, outputs, strict=True))
    results = [v.val if isinstance(v, core.Literal) else value[v] for v in jaxpr.outvars]
    return results, {of: sum(several[1:], several[0]) / len(several) for of, several in found.items()}


def _apply(equation, inputs: list, names: list[str | None]) -> tuple[list, Moments]:
    """Return the results of one equation and the moments found in it."""
    primitive, of = equation.primitive, equation.params
    moments = {}
    if any(names):
        if primitive.name == "scan":
            return _scan(of, inputs, names)
        if inner := next((of[key] for key in INNER if key in of), None):
            jaxpr, consts = (inner.jaxpr, inner.consts) if isinstance(inner, core.ClosedJaxpr) else (inner, ())
            return _evaluate(jaxpr, consts, inputs, names)
        if len(names) > 1 and names[1]:
            moments = _multiplied(primitive.name, of, inputs, names[1])
    outputs = primitive.bind(*inputs, **primitive.get_bind_params(of))
    return (outputs if primitive.multiple_results else [outputs]), moments


def _multiplied(primitive: str, of: dict, inputs: list, name: str) -> Moments:
    """Return the moments of x where an equation is x @ W or a convolution over time."""
    x, W = inputs
    if primitive == "dot_general" and of["dimension_numbers"] == (((x.ndim - 1,), (0,)), ((), ())) and W.ndim == 2:
        return {name: second_moment(x.reshape(1, -1, x.shape[-1]))}
    if primitive == "conv_general_dilated" and W.ndim == 3:
        layout, padding = of["dimension_numbers"], of["padding"]
        if layout.lhs_spec == (0, 2, 1) and layout.rhs_spec == (2, 1, 0):  # x (B, time, C), W (k, C, O)
            x = jnp.pad(x, ((0, 0), tuple(padding[0]), (0, 0)))
            return {name: second_moment(x, W.shape[0], of["window_strides"][0], of["rhs_dilation"][0])}
    return {}


def _scan(of: dict, inputs: list, names: list[str | None]) -> tuple[list, Moments]:
    """Return the results of a scan, and the moments of what its constants are multiplied with, all steps together."""
    n_consts, n_carry = of["num_consts"], of["num_carry"]
    inner, consts = of["jaxpr"], inputs[:n_consts]
    named = [*names[:n_consts], *[None] * (len(inputs) - n_consts)]

    def step(carry, xs):
        results, moments = _evaluate(inner.jaxpr, inner.consts, [*consts, *carry, *xs], named)
        return results[:n_carry], (results[n_carry:], moments)

    carry, xs = inputs[n_consts : n_consts + n_carry], inputs[n_consts + n_carry :]
    carry, (ys, moments) = lax.scan(step, carry, xs, of["length"], of["reverse"])
    return [*carry, *ys], {name: G.mean(axis=0) for name, G in moments.items()}
