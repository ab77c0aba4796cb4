"""Pruning: `prune(config, workdir)` makes trained weights sparse by a short training.

Place in the chain: after `training.train`. It uses the training loop, the rate control and the files of `train`; after
each training step, `sparsify` sets weights to zero. The weights are packed (`half_precision.pack_weights`), so that
zeros save bytes. With the pattern "inputs", whole channels and their computation are removed (`channels`).
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
from lpcnet_cq.training.loop import Budget, Position, Run, State, start_state, take_step
from lpcnet_cq.training.optimiser import TABLES
from lpcnet_cq.training.step_sizes import draw_steps
from lpcnet_cq.training.tasks import task_of
from lpcnet_cq.training.train import Prepared, finish, make_run, prepare, start_control

MOMENT_BATCHES = 4  # number of batches over which the moments of layer inputs are averaged

Moment = Callable[[nnx.State], Moments]


def is_pruned(pattern: Pattern, dense: tuple[str, ...], name: str, leaf: Any) -> bool:
    """Return whether a parameter is pruned: layers of networks and of the entropy model.

    With INPUTS, only layers whose inputs can be removed are pruned. Tables and parameters with a word of `dense` in
    their names are never pruned.
    """
    if pattern == INPUTS:
        return has_prunable_inputs(name, leaf)
    return leaf.ndim > 1 and not any(word in name for word in (*TABLES, *dense)) and tiles(pattern, leaf.shape)


def make_moments(t: TrainConfig, start: Prepared) -> Moment:
    """Return a function of parameters that computes the moments of the inputs of all layers, averaged over batches."""
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
    """Return `Run.after_step` that prunes during a run of `steps` steps, and a function that returns initial masks."""
    pattern, schedule = PATTERNS[p.pattern], spread_over(steps, p.sparsity, p.until, p.events)
    chosen = partial(is_pruned, pattern, task_of(p.train.codec).dense)
    apply, init = make_sparse_update(p.method, schedule, moments, pattern=pattern, which=chosen, shrink=p.shrink)

    def after_step(before: State, after: State) -> State:
        params, masks = apply(before.params, after.params, before.masks)
        return after._replace(params=params, masks=masks)

    return after_step, init


def steps_within(minutes: float, run: Run, state: State) -> int:
    """Return how many steps fit into a number of minutes, from the duration of one step."""
    batch, notes, position = run.batch(0), {"step": 0, "phase": 0}, Position(0.0, 0.0, 0)
    for _ in range(2):  # the first step includes compilation
        began = time.monotonic()
        take_step(run, state, batch, notes, position)
    return max(1, round(60 * minutes / (time.monotonic() - began)))


def prune(p: PruneConfig, workdir: Path, quiet: bool = False) -> Path:
    """Make weights sparse and return the path of their file.

    Parameters
    ----------
    p : PruneConfig
    workdir : Path
        Created if missing. If it contains a checkpoint, the run resumes; with `train.steps` the result is the same as
        without interruption.
    quiet : bool
        Show no progress bar.

    Raises
    ------
    ValueError
        If the corpus or the initial weights cannot be used, settings do not fit the codec, or the method is unknown.
    """
    use_cache()  # consecutive runs compile the same steps
    t, workdir = p.train, Path(workdir)
    start = prepare(t)
    run, control = make_run(t, start), start_control(t)
    steps = t.steps or steps_within(t.minutes, run, start_state(run, start.params, control))
    after_step, start_masks = make_pruning(p, steps, make_moments(t, start))
    run = replace(run, budget=Budget(t.minutes, steps), after_step=after_step)
    masks = start_masks(start.params)
    state, notes = loop.train(run, workdir, p.as_dict(), start.params, control, masks, quiet)
    params = state.params
    if PATTERNS[p.pattern] == INPUTS:
        nnx.replace_by_pure_dict(params, prune_channels(nnx.to_pure_dict(params)))
    notes |= {"method": p.method, "sparsity": p.sparsity, "pattern": p.pattern}
    return finish(t, workdir, start, params, notes, small=True)
