"""Pruning: `prune(config, workdir)` makes trained weights sparse by a short training.

Place in the chain: after `training.train`, whose loop, rate control and files it uses unchanged: after each step
`sparsify` decides which weights are zero. It writes what `train` writes, with packed weights
(`half_precision.pack_weights`), so that zeros save bytes. With the pattern "inputs", whole channels and their
computation are removed (`channels`).
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.checkpoint.weight_groups import INPUTS, PATTERNS, Pattern, tiles
from lpcnet_cq.nn.runtime import use_cache
from lpcnet_cq.pruning.channels import has_prunable_inputs, prune_channels
from lpcnet_cq.pruning.config import PruneConfig
from lpcnet_cq.pruning.input_moments import Moments, input_moments
from lpcnet_cq.pruning.schedule import spread_over
from lpcnet_cq.pruning.sparsify import make_sparse_update
from lpcnet_cq.training import loop
from lpcnet_cq.training.config import TrainConfig
from lpcnet_cq.training.loop import Budget, Place, Run, State, start_state, take_step
from lpcnet_cq.training.optimiser import FEW
from lpcnet_cq.training.step_sizes import draw_steps
from lpcnet_cq.training.tasks import task_of
from lpcnet_cq.training.train import Prepared, finish, make_run, prepare, start_control

MOMENT_BATCHES = 4  # that tell the moments of the layers' inputs

Moment = Callable[[nnx.State], Moments]


def is_pruned(pattern: Pattern, dense: tuple[str, ...], name: str, leaf: Any) -> bool:
    """Return whether a parameter is pruned: layers of networks and of the entropy model.

    With INPUTS, only the layers whose inputs can be removed. Tables and what `dense` names are never pruned.
    """
    if pattern == INPUTS:
        return has_prunable_inputs(name, leaf)
    return leaf.ndim > 1 and not any(word in name for word in (*FEW, *dense)) and tiles(pattern, leaf.shape)


def make_moments(t: TrainConfig, start: Prepared) -> Moment:
    """Return a function of parameters that computes the moments of all layers' inputs, over some batches."""
    task = task_of(t.codec)
    material = [start.batches.batch(i) for i in range(MOMENT_BATCHES)]
    one = jnp.float32(1.0)

    def forward(model, batch, step):
        return task.objective(model, t.loss, batch, step, hardness=one, lam=one, progress=one)

    found_in = jax.jit(lambda params, batch, step: input_moments(forward, nnx.merge(start.graph, params), batch, step))
    keys = jax.random.split(jax.random.key(t.seed), MOMENT_BATCHES)
    steps = [draw_steps(key, start.drawn, *task.shape(material[0])) for key in keys]

    def moments(params: nnx.State) -> Moments:
        found = [found_in(params, batch, step) for batch, step in zip(material, steps, strict=True)]
        return jax.tree.map(lambda *G: sum(G[1:], G[0]) / len(G), *found)

    return moments


def make_pruning(p: PruneConfig, steps: int, moments: Moment):
    """Return `Run.settle` of a run of so many steps that ends sparse, and a function that returns its first masks."""
    pattern, schedule = PATTERNS[p.pattern], spread_over(steps, p.sparsity, p.until, p.events)
    chosen = partial(is_pruned, pattern, task_of(p.train.codec).dense)
    apply, init = make_sparse_update(p.method, schedule, moments, pattern=pattern, which=chosen, shrink=p.shrink)

    def settle(before: State, after: State) -> State:
        params, masks = apply(before.params, after.params, before.masks)
        return after._replace(params=params, masks=masks)

    return settle, init


def steps_within(minutes: float, run: Run, state: State) -> int:
    """Return how many steps fit a time, by the second of two."""
    batch, notes, place = run.batch(0), {"step": 0, "phase": 0}, Place(0.0, 0.0, 0)
    for _ in range(2):  # the first compiles
        began = time.monotonic()
        take_step(run, state, batch, notes, place)
    return max(1, round(60 * minutes / (time.monotonic() - began)))


def prune(p: PruneConfig, workdir: Path, quiet: bool = False) -> Path:
    """Make weights sparse and return the path of their file.

    Parameters
    ----------
    p : PruneConfig
    workdir : Path
        Created if missing. A checkpoint in it is resumed, exactly where `train.steps` is set.
    quiet : bool
        No progress bar.

    Raises
    ------
    ValueError
        If the corpus or the weights to start from cannot be used, settings do not fit the codec, or the method is
        unknown.
    """
    use_cache()  # one run after another compiles the same steps
    t, workdir = p.train, Path(workdir)
    start = prepare(t)
    run, control = make_run(t, start), start_control(t)
    steps = t.steps or steps_within(t.minutes, run, start_state(run, start.params, control))
    settle, start_masks = make_pruning(p, steps, make_moments(t, start))
    run = replace(run, budget=Budget(t.minutes, steps), settle=settle)
    masks = start_masks(start.params)
    state, notes = loop.train(run, workdir, p.as_dict(), start.params, control, masks, quiet)
    params = state.params
    if PATTERNS[p.pattern] == INPUTS:
        nnx.replace_by_pure_dict(params, prune_channels(nnx.to_pure_dict(params)))
    notes |= {"method": p.method, "sparsity": p.sparsity, "pattern": p.pattern}
    return finish(t, workdir, start, params, notes, small=True)
