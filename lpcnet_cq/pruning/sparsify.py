"""Sparsification during training: CSP and four baselines, as one optax transformation for any tree of parameters.

Place in the chain: the last transformation of an optimiser, after the learning rate, because it determines the weights
after the step. Every method combines some of four parts (`methods`):

1. sparsity induction: proximal steps of lambda ||W||_1 (ISTA) between pruning steps;
2. pruning: the groups with the smallest norms are set to zero, as many as the schedule requires;
3. compression-error reduction: the remaining weights are refitted to the outputs of the dense layer (`recovery`);
4. masking: pruned weights stay zero while the gradient of the task trains the others.

`docs/sparsify.md` states which parts are from K. Zhen et al., "Sparsification via compressed sensing for automatic
speech recognition" (ICASSP 2021, arXiv 2102.04932), and which are new here.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from lpcnet_cq.checkpoint.weight_groups import UNSTRUCTURED, Pattern, from_groups, tiles, to_groups
from lpcnet_cq.pruning.patterns import expand_mask, group_norms, select_groups, soft_threshold
from lpcnet_cq.pruning.recovery import output_error, recover
from lpcnet_cq.pruning.schedule import Schedule, is_event, target_sparsity


class Method(NamedTuple):
    """Hold the settings of a method."""

    events: Schedule  # the steps at which it prunes, and the sparsity after each
    shrinks: bool = False  # whether it has part 1, from `begin` to `end` of the schedule
    rest: float = 0.0  # share of the interval after a pruning step in which part 1 is off
    recovers: bool = False  # whether it has part 3; needs the moments of the inputs
    regrows: bool = False  # pruned weights may become non-zero again until the end of the schedule


def methods(schedule: Schedule) -> dict[str, Method]:
    """Return all methods on one schedule, by name."""
    return {
        "one-shot": Method(replace(schedule, end=schedule.begin)),
        "gradual": Method(schedule),
        "l1": Method(replace(schedule, begin=schedule.end), shrinks=True),
        "iht": Method(replace(schedule, initial=schedule.final), regrows=True),
        "csp": Method(schedule, shrinks=True, rest=0.5, recovers=True),
    }


class SparseState(NamedTuple):
    """Hold masks and statistics of the pruned leaves, by name."""

    step: jax.Array
    masks: dict[str, jax.Array]  # False where a weight is pruned, shaped like the leaf
    error: dict[str, jax.Array]  # relative error of the last pruning: of the outputs if moments are given, else weights


class Leaf(NamedTuple):
    """Hold the values of one leaf in a step."""

    weights: jax.Array
    mask: jax.Array
    error: jax.Array


def name_of(path) -> str:
    """Return the name of a leaf in weights files, without the `value` at the end of paths of Flax."""
    if path and getattr(path[-1], "name", None) == "value":
        path = path[:-1]
    return jax.tree_util.keystr(path, simple=True, separator="/")


def is_matrix(name: str, value: Any) -> bool:
    """Return whether a leaf has inputs and outputs."""
    return value.ndim >= 2


def sparsity(state: SparseState) -> dict[str, float]:
    """Return the share of zeros per leaf."""
    return {name: 1 - float(jnp.mean(mask, dtype=jnp.float32)) for name, mask in state.masks.items()}


def sparsify(
    method: str,
    schedule: Schedule,
    *,
    pattern: Pattern = UNSTRUCTURED,
    which: Callable[[str, Any], bool] = is_matrix,
    shrink: float | Callable[[jax.Array], jax.Array] = 1e-3,
) -> optax.GradientTransformationExtraArgs:
    """Return the optax transformation that makes weights sparse; it must be the last one of the optimiser.

    Parameters
    ----------
    method : str
        A name in `methods`.
    schedule : Schedule
        In steps of the optimiser.
    pattern : Pattern
        Shape of the groups that are pruned together.
    which : callable
        which(name, leaf) returns whether a leaf is pruned; it must be a matrix or kernel that the pattern tiles.
    shrink : float or callable
        Threshold of a proximal step (lambda times the learning rate), relative to the root mean square of the
        remaining weights of a leaf. A callable is a function of the step, so that it can follow the learning rate.
        Methods without proximal steps ignore it.

    Returns
    -------
    optax.GradientTransformationExtraArgs
        Its `update(updates, state, params, moments=...)` takes the second moments (I, I) of the layers' inputs by
        name. The method "csp" uses them at pruning steps (`is_event`); they are ignored at all others.

    Raises
    ------
    ValueError
        If the method is unknown, no leaf is selected, the pattern does not tile a leaf, or moments are given for a
        leaf that is not pruned.

    Examples
    --------
    >>> optimiser = optax.chain(optax.sgd(0.1), sparsify("one-shot", Schedule(begin=0, end=0, final=0.5)))
    >>> params = {"w": jnp.array([[1.0, -4.0], [0.5, 3.0]])}
    >>> updates, state = optimiser.update({"w": jnp.zeros((2, 2))}, optimiser.init(params), params)
    >>> optax.apply_updates(params, updates)["w"].tolist()
    [[0.0, -4.0], [0.0, 3.0]]
    """
    known = methods(schedule)
    if method not in known:
        raise ValueError(f"`method` is {method!r}, it must be one of {', '.join(known)}")
    m = known[method]
    amount = shrink if callable(shrink) else lambda _: jnp.float32(shrink)

    def init(params):
        return _start(params, which, pattern)

    def update(updates, state, params=None, *, moments=None, **_):
        if params is None:
            raise ValueError("`params` is None, it must be given: sparsity is a property of weights, not of updates")
        moments = moments or {}
        if stray := moments.keys() - state.masks.keys():
            raise ValueError(f"`moments` has `{min(stray)}`, it must have only names of pruned leaves")
        step = state.step
        leaves, tree = jax.tree_util.tree_flatten_with_path(params)
        changes = tree.flatten_up_to(updates)
        masks, errors = {}, {}
        for i, (path, old) in enumerate(leaves):
            if (name := name_of(path)) not in state.masks:
                continue
            held = state.masks[name] | (m.regrows & (step <= schedule.end))
            leaf = Leaf(jnp.where(held, old + changes[i], 0.0), state.masks[name], state.error[name])
            if m.shrinks:
                leaf = lax.cond(_is_shrinking(m, schedule, step), partial(_shrink, pattern, amount(step)), _same, leaf)
            prune = partial(_prune, m, pattern, target_sparsity(m.events, step), moments.get(name))
            leaf = lax.cond(is_event(m.events, step), prune, _same, leaf)
            changes[i] = leaf.weights - old
            masks[name], errors[name] = leaf.mask, leaf.error
        return tree.unflatten(changes), SparseState(step + 1, masks, errors)

    return optax.GradientTransformationExtraArgs(init, update)


def make_sparse_update(method: str, schedule: Schedule, moments: Callable[[Any], dict[str, jax.Array]], **options: Any):
    """Return the sparsification for a training loop that does not call `update` of an optax optimiser.

    Parameters
    ----------
    method, schedule, options
        As for `sparsify`.
    moments : callable
        moments(params) returns the second moments of the layers' inputs; it is called at pruning steps of methods
        that use them.

    Returns
    -------
    update : callable
        update(before, after, state) takes the parameters before and after a training step, and returns the
        sparsified parameters and the next state.
    init : callable
        init(params) returns the state before the first step.
    """
    sparse = sparsify(method, schedule, **options)
    m = methods(schedule)[method]

    @jax.jit
    def apply(before, after, state, G):
        updates, state = sparse.update(jax.tree.map(jnp.subtract, after, before), state, before, moments=G)
        return jax.tree.map(jnp.add, before, updates), state

    def update(before, after, state):
        G = None
        if m.recovers and is_event(m.events, state.step):
            G = {name: of for name, of in moments(after).items() if name in state.masks}
        return apply(before, after, state, G)

    return update, sparse.init


def _start(params: Any, which: Callable[[str, Any], bool], pattern: Pattern) -> SparseState:
    """Select the leaves to prune; no weight is pruned yet."""
    named = {name_of(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    found = {name: leaf for name, leaf in named.items() if which(name, leaf)}
    if not found:
        raise ValueError(f"`which` selects no leaf, it must select at least one of {', '.join(named)}")
    for name, leaf in found.items():
        if not tiles(pattern, leaf.shape):
            raise ValueError(f"`pattern` is {pattern}, it must tile `{name}`, whose shape is {leaf.shape}")
    masks = {name: jnp.ones(leaf.shape, bool) for name, leaf in found.items()}
    return SparseState(jnp.int32(0), masks, {name: jnp.float32(0) for name in found})


def _same(leaf: Leaf) -> Leaf:
    return leaf


def _is_shrinking(m: Method, schedule: Schedule, step: jax.Array) -> jax.Array:
    """Return whether part 1 is on: from begin to end, in the last part of the interval between two pruning steps."""
    phase = (step - schedule.begin) % schedule.every
    return (step >= schedule.begin) & (step <= schedule.end) & (phase >= math.ceil(m.rest * schedule.every))


def _shrink(pattern: Pattern, amount: jax.Array, leaf: Leaf) -> Leaf:
    """Take a proximal step; a weight that becomes zero is not masked, so that it can become non-zero until pruned."""
    w = leaf.weights
    rms = jnp.sqrt(jnp.sum(w**2) / jnp.sum(leaf.mask, dtype=w.dtype))
    return leaf._replace(weights=from_groups(soft_threshold(to_groups(w, pattern), amount * rms), w.shape, pattern))


def _prune(m: Method, pattern: Pattern, share: jax.Array, G: jax.Array | None, leaf: Leaf) -> Leaf:
    """Set the smallest groups to zero; if the moments of the inputs are known, refit the others."""
    w = leaf.weights
    alive = jnp.any(to_groups(leaf.mask, pattern), axis=1) | m.regrows
    W = w.reshape(-1, w.shape[-1])
    if m.recovers and G is not None:
        W_hat, keep = recover(G, W, alive, share, pattern)
        mask = expand_mask(keep, w.shape, pattern)
        return Leaf(W_hat.reshape(w.shape), mask, output_error(W, W_hat, G))
    mask = expand_mask(select_groups(group_norms(to_groups(w, pattern)), alive, share), w.shape, pattern)
    pruned = jnp.where(mask, w, 0.0)
    return Leaf(pruned, mask, output_error(w, pruned))
