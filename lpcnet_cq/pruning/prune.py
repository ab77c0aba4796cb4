"""Pruning: `prune(config, workdir)` makes trained weights sparse by a short training.

Place in the chain: after `train`, whose steps, rate control and files it uses unchanged: after each step `sparsify`
decides which weights are zero. It writes what `train` writes, with packed weights (`half_precision.pack_weights`), so
that zeros save bytes. With the pattern "inputs", whole channels and their computation are removed (`channels`).
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
from lpcnet_cq.speech.model import decode, start_decoder
from lpcnet_cq.training.optimiser import FEW
from lpcnet_cq.training.presets import TrainConfig
from lpcnet_cq.training.speech_objective import draw_steps, quantise, rates
from lpcnet_cq.training.train import Prepared, Setting, continued, finish, follow, make_step, prepare, trainable

MOMENT_BATCHES = 4  # that tell the moments of the layers' inputs
DENSE = (*FEW, "lapped")  # tables, and the transform that reconstructs by all of its weights

Moment = Callable[[nnx.State], Moments]


def is_pruned(pattern: Pattern, name: str, leaf: Any) -> bool:
    """Choose the layers of networks and entropy model; with INPUTS, those whose inputs can be taken away."""
    if pattern == INPUTS:
        return has_prunable_inputs(name, leaf)
    return leaf.ndim > 1 and not any(word in name for word in DENSE) and tiles(pattern, leaf.shape)


def make_moments(t: TrainConfig, run: Prepared) -> Moment:
    """Return a function that gives the moments of all layers' inputs at parameters, over some batches."""
    material = [run.batches.batch(i) for i in range(MOMENT_BATCHES)]
    B, T = material[0]["lsf"].shape[0], material[0]["lsf"].shape[1] - 1

    def forward(model, batch, step):
        side, n = quantise(model, batch, step, jnp.float32(1.0))
        _, y = decode(model, start_decoder(model, B), side["lsf"], side["gain"], n, step)
        return y, rates(model, side, n, step)

    one = jax.jit(lambda params, batch, step: input_moments(forward, nnx.merge(run.graphdef, params), batch, step))
    keys = jax.random.split(jax.random.key(t.seed), MOMENT_BATCHES)
    steps = [draw_steps(key, t.codec.n_steps, t.span, B, T, t.centre) for key in keys]

    def moments(params: nnx.State) -> Moments:
        found = [one(params, batch, step) for batch, step in zip(material, steps, strict=True)]
        return jax.tree.map(lambda *G: sum(G[1:], G[0]) / len(G), *found)

    return moments


def make_sparse_step(t: PruneConfig, dense_step: Callable, moments: Moment):
    """Return `train`'s step with sparsity behind it, and what starts its masks.

    Its state is a pair: the state of the dense step, whose parameters come first, and the masks.
    """
    pattern, schedule = PATTERNS[t.pattern], spread_over(t.steps, t.sparsity, t.until, t.events)
    chosen = partial(is_pruned, pattern)
    update, init = make_sparse_update(t.method, schedule, moments, pattern=pattern, which=chosen, shrink=t.shrink)

    def step(state, *arguments):
        (before, *_), masks = state
        (after, *rest), parts = dense_step(state[0], *arguments)
        params, masks = update(before, after, masks)
        return ((params, *rest), masks), parts

    return step, init


def steps_within(minutes: float, step: Callable, state: Any, run: Prepared) -> int:
    """Return how many steps fit a time, by the second of two."""
    batch, zero = run.batches.batch(0), jnp.float32(0.0)
    setting = Setting(zero, zero, zero, fresh=zero, phase=jnp.int32(0))
    for _ in range(2):  # the first compiles
        began = time.monotonic()
        jax.block_until_ready(step(state, batch, jax.random.key(0), setting))
    return max(1, round(60 * minutes / (time.monotonic() - began)))


def prune(t: PruneConfig, workdir: Path, quiet: bool = False) -> Path:
    """Make weights sparse and return the path of their file.

    Parameters
    ----------
    t : PruneConfig
    workdir : Path
        Created if missing. A checkpoint in it is resumed, exactly where `steps` is set.
    quiet : bool
        No progress bar.

    Raises
    ------
    ValueError
        If the corpus or the weights to start from cannot be used, or method or pattern are unknown.
    """
    if t.pattern not in PATTERNS:
        raise ValueError(f"no pattern `{t.pattern}`: choose from {', '.join(PATTERNS)}")
    use_cache()  # one run after another compiles the same steps
    t, source = continued(t)
    workdir = Path(workdir)
    run = prepare(t, workdir)
    dense_step, optimiser = make_step(run.graphdef, t, trainable(run.params, run.phases))
    dense = (run.params, optimiser.init(run.params), jnp.log(jnp.float32(t.lambda_start)))
    t = t if t.steps else replace(t, steps=steps_within(t.minutes, dense_step, dense, run))
    step, start_masks = make_sparse_step(t, dense_step, make_moments(t, run))
    (dense, _), notes = follow(t, workdir, step, run, (dense, start_masks(run.params)), quiet)
    if PATTERNS[t.pattern] == INPUTS:
        nnx.replace_by_pure_dict(dense[0], prune_channels(nnx.to_pure_dict(dense[0])))
    notes |= {"method": t.method, "sparsity": t.sparsity, "pattern": t.pattern, "from": source}
    return finish(t, workdir, run._replace(params=dense[0]), notes, small=True)


