"""Training of our own codecs: `train(config, workdir)` trains on a folder of recordings and writes a weights file.

It writes the files of `loop` to `workdir`, and at the end `weights.safetensors`, which contains the integer entropy
model.
"""

import math
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.checkpoint.training_files import save_weights
from lpcnet_cq.checkpoint.weights import Weights, find_weights, load_weights
from lpcnet_cq.registry import record_of
from lpcnet_cq.training import loop
from lpcnet_cq.training.config import Stages, TrainConfig
from lpcnet_cq.training.corpus import cache_folder
from lpcnet_cq.training.data import open_corpus
from lpcnet_cq.training.lagrangian import relative_excess
from lpcnet_cq.training.loop import Budget, Position, Run, Setting
from lpcnet_cq.training.parallel import is_first, leave_group, rows_here
from lpcnet_cq.training.schedule import Phase, learning_rate, two_phases
from lpcnet_cq.training.step_sizes import draw_steps, step_range
from lpcnet_cq.training.tar_corpus import ShardBatches, shards_of
from lpcnet_cq.training.tasks import task_of

RATE_GAIN = 0.01  # change of log lambda per step and relative excess of the rate
RATE_BATCHES = 6  # number of batches for the measurement of the rates of a trained codec


class Prepared(NamedTuple):
    """Hold the data and the initial state of a run.

    `drawn` is the range of step sizes, see `step_range`; `notes` contain the SHA-256 of the initial weights, if any.
    """

    graph: nnx.GraphDef
    params: nnx.State
    batches: Any  # with `batch(step)`
    drawn: tuple[float, float]
    notes: dict


def phases_of(t: TrainConfig, params: nnx.State) -> list[Phase]:
    """Return the phases of a run: a single one, or with `stages` other parts, each group of parts, all parts."""
    stages = t.stages or Stages(())
    parts, named = tuple(params), [*t.frozen, *(part for group in stages.groups for part in group)]
    for part in named:
        if part not in parts or named.count(part) > 1:
            raise ValueError(f"`{part}` in `frozen` or `stages` must be one of {', '.join(parts)}, and occur once")
    first = tuple(part for part in parts if part not in named)
    rates = t.learning_rate, t.learning_rate, stages.joint_rate * t.learning_rate
    return two_phases([first, *stages.groups], rates, stages.shares)


def setting_at(t: TrainConfig, phase: Phase, position: Position) -> Setting:
    """Return the learning rate, the hardness of the quantisers and the progress for the next step."""
    warm = (position.steps + 1) / ((phase.end - phase.start) * t.warmup_steps)
    hardness = min(1.0, position.progress / t.annealing) if t.annealing else 1.0
    scalars = {"hardness": jnp.float32(hardness), "progress": jnp.float32(position.progress)}
    return Setting(jnp.float32(learning_rate(phase, position.done, warm)), scalars)


def start_weights(t: TrainConfig) -> Weights | None:
    """Return the initial weights of a run, or None.

    Raises
    ------
    ValueError
        If no such weights exist, or their dimensions are not those of the run.
    """
    if not t.init:
        return None
    weights = load_weights(find_weights(t.init))
    if weights.config != t.codec:
        raise ValueError(f"`codec` must be the configuration of the weights `{t.init}`; see `preset_for_weights`")
    return weights


def prepare(t: TrainConfig) -> Prepared:
    """Open the corpus and create a model, with the weights `init` if they are given."""
    task, weights = task_of(t.codec), start_weights(t)
    if type(t.loss) is not task.loss:
        raise ValueError(f"`loss` is a {type(t.loss).__name__}, it must be a {task.loss.__name__} for this codec")
    if shards := shards_of(t.data, "train"):
        read = partial(task.read_shard, spec=t.codec.spec)
        material = read(shards[0])  # for the initial values of the model
        batches = ShardBatches(shards, lambda path: task.batches(read(path), t), t.batch, t.seed)
    else:
        clips = [clip for clip in open_corpus(Path(t.data), task.part) if clip.split == "train"]
        material = task.material(clips, cache_folder() / "shards", t.codec.spec)
        batches = task.batches(material, t)
    graph, params = nnx.split(task.model(t, material), nnx.Param)
    if weights:
        nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, weights.floats))
    drawn = step_range(t, weights.notes if weights else None)
    notes = {"from": weights.sha256} if weights else {}
    return Prepared(graph, params, batches, drawn, notes)


def make_run(t: TrainConfig, start: Prepared) -> Run:
    """Return the functions that the training loop calls: objective at random step sizes, and rate control."""
    task, target_bps = task_of(t.codec), t.rate_share * t.bitrate_bps
    rows = rows_here(t.batch)

    def loss(model, phase, batch, log_lambda, setting, key):
        step, lam = draw_steps(key, start.drawn, *task.shape(batch)), jnp.exp(log_lambda)
        value, parts = task.objective(model, t.loss, batch, step, lam=lam, **setting.scalars)
        return value, (parts | {"lambda": lam}, None)

    def update_control(log_lambda, phase, setting, parts, _):
        return log_lambda + RATE_GAIN * relative_excess(parts["bps"], target_bps)

    return Run(
        graph=start.graph,
        phases=phases_of(t, start.params),
        batch=lambda i: start.batches.batch(i, rows),
        setting=lambda phase, position: setting_at(t, phase, position),
        loss=loss,
        update_control=update_control,
        budget=Budget(t.minutes, t.steps),
        seed=t.seed,
        checkpoint_minutes=t.checkpoint_minutes,
    )


def start_control(t: TrainConfig) -> jax.Array:
    """Return the logarithm of lambda before the first step."""
    return jnp.log(jnp.float32(t.lambda_start))


def measure_rates(t: TrainConfig, start: Prepared, params: nnx.State) -> dict:
    """Return the notes of a weights file about the rates of the codec.

    `steps` is the range of step indices in training; `mean_rates_bps` has the mean bitrate at each of them. The lower
    limit of `supported_bps` is the bitrate that nine of ten crops do not exceed at the coarsest step. The upper limit
    is the bitrate that a share of the crops, `Task.rate_share`, reaches at the finest step.
    """
    task, (first, stop) = task_of(t.codec), start.drawn
    steps = range(math.floor(first + 1e-6), math.ceil(stop - 1e-6))

    @jax.jit
    def bps(params, batch, step):
        model = nnx.merge(start.graph, params)
        return task.rates(model, *task.quantise(model, batch, step, jnp.float32(1.0)), step)["bps"]

    material = [start.batches.batch(i) for i in range(RATE_BATCHES)]
    shape = task.shape(material[0])
    table = [np.concatenate([bps(params, b, jnp.full(shape, q, jnp.int32)) for b in material]) for q in steps]
    low, high = np.quantile(table[-1], 0.9), np.quantile(table[0], 1 - task.rate_share)
    return {
        "steps": [steps.start, steps.stop],
        "mean_rates_bps": [round(float(np.mean(row))) for row in table],
        "supported_bps": [100 * math.ceil(low / 100), 100 * math.floor(high / 100)],
    }


def finish(t: TrainConfig, workdir: Path, start: Prepared, params: nnx.State, notes: dict, small: bool = False) -> Path:
    """Round the entropy model to integers, measure the rates, and save the weights; return their path."""
    integers = record_of(t.codec).freeze(jax.tree.map(np.asarray, nnx.to_pure_dict(params)), t.codec)
    notes = notes | start.notes | {"bitrates_bps": list(t.bitrates_bps)} | measure_rates(t, start, params)
    path = workdir / "weights.safetensors"
    save_weights(path, params, integers, t.codec, notes, small)
    return path


def train(t: TrainConfig, workdir: Path, quiet: bool = False) -> Path:
    """Train a codec and return the path of its weights file.

    In a group of processes (`parallel.join_group`), each calls this function, and the first one writes all files.

    Parameters
    ----------
    t : TrainConfig
    workdir : Path
        Created if missing. If it contains a checkpoint, the run resumes; with `steps` the result is the same as without
        interruption.
    quiet : bool
        Show no progress bar.

    Raises
    ------
    ValueError
        If the corpus or the initial weights cannot be used, or settings do not fit the codec.
    """
    start = prepare(t)
    run = make_run(t, start)
    state, notes = loop.train(run, Path(workdir), t.as_dict(), start.params, start_control(t), quiet=quiet)
    leave_group()
    if not is_first():
        return Path(workdir) / "weights.safetensors"
    return finish(t, Path(workdir), start, state.params, notes)
