"""Training: `train(config, workdir)` turns a folder of speech into a weights file.

Writes into `workdir`: `config.json`, `metrics.jsonl`, `checkpoint.safetensors` (resumed from when present), and at
the end `weights.safetensors` with the integer entropy model inside. With `steps` set, the run is a function of
configuration and data alone; with `minutes`, the schedule follows the clock.
"""

import json
import math
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from tqdm import tqdm

from lpcnet_cq.checkpoint.weights import find_weights, load_checkpoint, load_weights, save_checkpoint, save_weights
from lpcnet_cq.training.corpus import cache_folder
from lpcnet_cq.training.data import open_corpus
from lpcnet_cq.training.optimiser import make_optimiser
from lpcnet_cq.training.presets import TrainConfig
from lpcnet_cq.training.schedule import Phase, phase_progress, two_phases
from lpcnet_cq.training.speech_objective import draw_steps
from lpcnet_cq.training.tasks import task_of

RATE_GAIN = 0.01  # rate control: log lambda moves by this times the relative excess of the rate, each step
LOG_EVERY = 50
RATE_BATCHES = 6  # that tell the rates of a trained codec
BAR = "{l_bar}{bar}| {postfix}"

AnyConfig = TypeVar("AnyConfig", bound=TrainConfig)


def phases_of(t: TrainConfig, params: nnx.State) -> list[Phase]:
    """Return the phases of a run: one for all parts, or one per group of `later` after all others, then all."""
    parts, named = tuple(params), [*t.frozen, *(part for group in t.staged for part in group)]
    for part in named:
        if part not in parts or named.count(part) > 1:
            raise ValueError(f"`{part}` in `frozen` or `later` must be one of {', '.join(parts)}, and named once")
    first = tuple(part for part in parts if part not in named)
    rates = t.learning_rate, t.learning_rate, t.joint_rate * t.learning_rate
    return two_phases([first, *t.staged], rates, t.shares)


def trainable(params: nnx.State, phases: list[Phase]) -> nnx.State:
    """Return for each parameter 1 in the phases that train it and 0 in the others, (phases,)."""

    def in_phases(path, _):
        return jnp.array([path[0].key in phase.trained for phase in phases], jnp.float32)

    return jax.tree_util.tree_map_with_path(in_phases, params)


class Setting(NamedTuple):
    """Say how one step trains; scalars.

    Attributes
    ----------
    hardness : array
        0..1, see `quantize.soft_to_hard`.
    hearing : array
        Weight of the model of hearing.
    rate : array
        Learning rate.
    fresh : array
        1 where a phase begins: the optimiser forgets.
    phase : integer array
    """

    hardness: jax.Array
    hearing: jax.Array
    rate: jax.Array
    fresh: jax.Array
    phase: jax.Array


def make_step(graphdef, t: TrainConfig, trained: nnx.State):
    """Return the jitted training step, one for all phases, and the optimiser; `trained` is from `trainable`."""
    optimiser, task = make_optimiser(), task_of(t.codec)
    target_bps = t.rate_share * t.bitrate_bps

    @jax.jit
    def step(state, batch, key, at: Setting):
        params, opt_state, log_lambda = state
        opt_state = jax.tree.map(lambda new, old: jnp.where(at.fresh > 0, new, old), optimiser.init(params), opt_state)
        lam = jnp.exp(log_lambda)

        B, T = task.shape(batch)
        sizes = draw_steps(key, t.codec.n_steps, t.span, B, T, t.centre)

        def loss(params):
            return task.objective(nnx.merge(graphdef, params), t, batch, sizes, at.hardness, lam, at.hearing)

        (_, parts), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        norm = optax.tree.norm(gradient)
        ok = jnp.isfinite(norm)  # a step that went wrong is left out, not averaged in
        gradient = jax.tree.map(lambda g: jnp.where(ok, g, 0.0), gradient)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            updates, opt_state = optimiser.update(gradient, opt_state, params)
        params = jax.tree.map(lambda p, u, m: p + at.rate * m[at.phase] * u, params, updates, trained)
        excess = jnp.clip(parts["bps"] / target_bps - 1, -0.5, 0.5)
        log_lambda += RATE_GAIN * jnp.where(jnp.isfinite(excess), excess, 0.0)
        return (params, opt_state, log_lambda), parts | {"lambda": lam, "gradient": norm}

    return step, optimiser


def learning_rate(t: TrainConfig, phases: list[Phase], index: int, step: int, progress: float) -> float:
    """Warm up linearly in the steps of a phase, then fall as a cosine of how far it is; short ones warm up faster."""
    phase, done = phases[index], phase_progress(phases, index, progress)
    share = phase.end - (phases[index - 1].end if index else 0.0)
    return phase.learning_rate * min(1.0, (step + 1) / (share * t.warmup_steps)) * 0.5 * (1 + np.cos(np.pi * done))


def setting_at(t: TrainConfig, phases: list[Phase], notes: dict, progress: float) -> tuple[Setting, dict]:
    """Return how the next step trains when the run is at `progress`, and its notes, in which a phase may begin."""
    fresh = phase_progress(phases, notes["phase"], progress) >= 1
    if fresh:
        notes = notes | {"phase": notes["phase"] + 1, "since": notes["step"]}
    hardness = min(1.0, progress / t.annealing) if not t.init else 1.0
    hearing = t.disturbance_weight * (progress >= t.disturbance_from)
    rate = learning_rate(t, phases, notes["phase"], notes["step"] - notes["since"], progress)
    scalars = [jnp.float32(v) for v in (hardness, hearing, rate, fresh)]
    return Setting(*scalars, phase=jnp.int32(notes["phase"])), notes


def start_from(t: TrainConfig, params: nnx.State) -> nnx.State:
    """Take the parameters of another run's weights, where `init` names them."""
    if not t.init:
        return params
    floats = load_weights(find_weights(t.init)).floats
    nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, floats))
    return params


def centre_of(t: TrainConfig, notes: dict) -> float:
    """Return where among the step sizes weights with these notes have the rates asked for."""
    usual = np.log(notes["mean_rates_bps"][::-1])
    steps = np.arange(*notes["steps"])[::-1]
    q = np.interp(np.mean(np.log(t.bitrates_bps)), usual, steps)
    return float(np.clip((q + 0.5) / t.codec.n_steps, t.span / 2, 1 - t.span / 2))


def continued(t: AnyConfig) -> tuple[AnyConfig, str]:
    """Give a run the dimensions of the weights it starts from, and their step sizes; return their SHA-256 as well."""
    start = load_weights(find_weights(t.init))
    t = replace(t, codec=start.config)
    return replace(t, centre=centre_of(t, start.notes)), start.sha256


class Prepared(NamedTuple):
    """Hold what a run starts from: the model's structure, its parameters, the material, and what is trained when."""

    graphdef: nnx.GraphDef
    params: nnx.State
    batches: Any  # with `batch(step)`, see `kinds`
    phases: list[Phase]


def run_steps(t: TrainConfig, workdir: Path, step, run: Prepared, state, notes: dict, quiet: bool):
    """Run until the budget is spent; log every `LOG_EVERY` steps, checkpoint by the clock."""
    key, batches = jax.random.key(t.seed), run.batches
    i, before = notes["step"], notes["minutes"]
    began = saved = time.monotonic()
    sums: dict[str, float] = {}
    with (
        tqdm(total=100, unit="%", disable=quiet, bar_format=BAR, file=sys.stderr) as bar,
        ThreadPoolExecutor(1) as ahead,  # makes the next batch while a step runs
    ):
        batch = ahead.submit(batches.batch, i)
        while True:
            minutes = before + (time.monotonic() - began) / 60
            progress = i / t.steps if t.steps else minutes / t.minutes
            if progress >= 1:
                break
            setting, notes = setting_at(t, run.phases, notes, progress)
            now, batch = batch.result(), ahead.submit(batches.batch, i + 1)
            state, parts = step(state, now, jax.random.fold_in(key, i), setting)
            sums = {k: sums.get(k, 0.0) + float(v) for k, v in parts.items()} | {"n": sums.get("n", 0.0) + 1}
            if i == 0:  # the first step was mostly compilation: the schedule starts after it
                began = saved = time.monotonic()
            i += 1
            notes = notes | {"step": i, "minutes": before + (time.monotonic() - began) / 60}
            if i % LOG_EVERY == 0:
                log(workdir, bar, notes, sums, progress)
                sums = {}
            if time.monotonic() - saved > 60 * t.checkpoint_minutes:
                save_checkpoint(workdir / "checkpoint.safetensors", state, notes)
                saved = time.monotonic()
        if sums:
            log(workdir, bar, notes, sums, 1.0)
    save_checkpoint(workdir / "checkpoint.safetensors", state, notes)
    return state, notes


def log(workdir: Path, bar: tqdm, notes: dict, sums: dict, progress: float) -> None:
    """Append the means of `n` steps' sums to `metrics.jsonl` and show loss, rate and time left."""
    values = notes | {k: v / sums["n"] for k, v in sums.items() if k != "n"}
    with open(workdir / "metrics.jsonl", "a") as f:
        f.write(json.dumps({k: round(v, 5) for k, v in values.items()}) + "\n")
    left = values["minutes"] * (1 / progress - 1) if progress > 0 else 0.0
    bar.update(100 * progress - bar.n)
    loss, kbps, nsr_db = values["loss"], values["bps"] / 1000, values["nsr_db"]
    bar.set_postfix_str(f"loss {loss:.3f}, {kbps:.2f} kbps, NSR {nsr_db:.2f} dB, {left:.0f} min left")


def measure_rates(t: TrainConfig, graphdef, params: nnx.State, batches) -> dict:
    """Return what a codec must know of its rates, for the notes of its weights.

    `steps` are the indices that training drew, from and to; `mean_rates_bps` the mean rate at each of them;
    `supported_bps` the lowest rate that nine of ten crops reach at the coarsest step, and the highest that a share of
    them, `task.reach`, reaches at the finest.
    """
    c, task = t.codec, task_of(t.codec)
    first, stop = (c.n_steps * (t.centre - t.span / 2), c.n_steps * (t.centre + t.span / 2))
    steps = range(math.floor(first + 1e-6), math.ceil(stop - 1e-6))

    @jax.jit
    def bps(params, batch, step):
        model = nnx.merge(graphdef, params)
        return task.rates(model, *task.quantise(model, batch, step, jnp.float32(1.0)), step)["bps"]

    material = [batches.batch(i) for i in range(RATE_BATCHES)]
    shape = task.shape(material[0])
    table = [np.concatenate([bps(params, b, jnp.full(shape, q, jnp.int32)) for b in material]) for q in steps]
    low, high = np.quantile(table[-1], 0.9), np.quantile(table[0], 1 - task.reach)
    return {
        "steps": [steps.start, steps.stop],
        "mean_rates_bps": [round(float(np.mean(row))) for row in table],
        "supported_bps": [100 * math.ceil(low / 100), 100 * math.floor(high / 100)],
    }


def prepare(t: TrainConfig, workdir: Path) -> Prepared:
    """Make the run's folder, open the corpus, and build the model or take it from `t.init`."""
    workdir.mkdir(parents=True, exist_ok=True)
    task = task_of(t.codec)
    clips = [clip for clip in open_corpus(Path(t.data), task.part) if clip.split == "train"]
    material = task.material(clips, cache_folder() / "shards", t.codec.spec)
    graphdef, params = nnx.split(task.model(t, material), nnx.Param)
    return Prepared(graphdef, start_from(t, params), task.batches(material, t), phases_of(t, params))


def follow(t: TrainConfig, workdir: Path, step, run: Prepared, state, quiet: bool):
    """Run all steps from the run's checkpoint, or from `state` where there is none; return state and notes."""
    notes = {"step": 0, "minutes": 0.0, "phase": 0, "since": 0}
    checkpoint = workdir / "checkpoint.safetensors"
    if checkpoint.exists():
        state, saved = load_checkpoint(checkpoint, state)
        notes |= saved
        print(f"resuming at step {notes['step']}, {notes['minutes']:.1f} minutes in", file=sys.stderr)
    (workdir / "config.json").write_text(json.dumps(t.as_dict(), indent=1))
    state, notes = run_steps(t, workdir, step, run, state, notes, quiet)
    return state, {name: notes[name] for name in ("step", "minutes")}


def finish(t: TrainConfig, workdir: Path, run: Prepared, notes: dict, small: bool = False) -> Path:
    """Round the entropy model to integers, measure the rates, and save the weights; return their path."""
    floats = jax.tree.map(np.asarray, nnx.to_pure_dict(run.params))
    path = workdir / "weights.safetensors"
    notes |= {"bitrates_bps": list(t.bitrates_bps)} | measure_rates(t, run.graphdef, run.params, run.batches)
    save_weights(path, run.params, task_of(t.codec).freeze(floats, t.codec), t.codec, notes, small)
    return path


def train(t: TrainConfig, workdir: Path, quiet: bool = False) -> Path:
    """Train a codec and return the path of its weights file.

    Parameters
    ----------
    t : TrainConfig
    workdir : Path
        Created if missing. A checkpoint in it is resumed, exactly where `steps` is set.
    quiet : bool
        No progress bar.

    Raises
    ------
    ValueError
        If the corpus or the weights to start from cannot be used.
    """
    workdir = Path(workdir)
    t = continued(t)[0] if t.init else t
    run = prepare(t, workdir)
    step, optimiser = make_step(run.graphdef, t, trainable(run.params, run.phases))
    state = (run.params, optimiser.init(run.params), jnp.log(jnp.float32(t.lambda_start)))
    state, notes = follow(t, workdir, step, run, state, quiet)
    return finish(t, workdir, run._replace(params=state[0]), notes)


