"""Training of a published system: `train(recipe, workdir)` turns a folder of speech into a weights file.

Writes into `workdir`: `config.json`, `metrics.jsonl`, `checkpoint.safetensors` (resumed from when present), and at the
end `weights.safetensors` with the frequency tables inside. With `steps` set, the run is a function of recipe and data
alone; with `minutes`, the phases follow the processor time it takes, whatever else the machine does.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from tqdm import tqdm

from dsp.frames import FrameSpec
from lpcnet_cq.checkpoint.weights import load_checkpoint, read_tensors, save_checkpoint
from lpcnet_cq.published.config import Recipe
from lpcnet_cq.published.front import lsf_levels, prepare
from lpcnet_cq.published.model import Model, analyse, cascade, encode, filters_of, start_encoder
from lpcnet_cq.published.objective import objective
from lpcnet_cq.published.packet import LSF, frequency_tables
from lpcnet_cq.published.quantiser import Acting, clusters, quantise, spread
from lpcnet_cq.published.rate import Control, follow, price, start_control, used_bps
from lpcnet_cq.published.weights import save_weights
from lpcnet_cq.training.corpus import cache_folder
from lpcnet_cq.training.data import Batches, build_shards, open_corpus
from lpcnet_cq.training.optimiser import make_optimiser
from lpcnet_cq.training.schedule import Phase, phase_progress, two_phases
from lpcnet_cq.training.train import BAR, LOG_EVERY, log

OPTIMISER = make_optimiser()
CENTROID_RATE = 0.1  # learning rate of centroids, relative: their neighbours are some hundredths away
CROP_S = 2.0  # of speech that tell the level of a crop's frames
START_BATCHES = 32  # from which codebooks are begun
LEAST_BITS = 0.3  # per code sample, that a new module begins with
FURTHER_PRICE = 0.25  # that a further module begins with, of the price so far: its bits buy less
COUNT_BATCHES = 64  # whose symbols are counted into the frequency tables


class State(NamedTuple):
    """Hold what training changes: all parameters, the optimiser's memory of the trained ones, the rate control."""

    params: nnx.State
    memory: optax.OptState
    control: Control


@dataclass(frozen=True)
class Run:
    """Hold what stays the same throughout a training."""

    recipe: Recipe
    graph: nnx.GraphDef
    phases: list[Phase]
    batch: Callable[[int], dict]  # batch number, as `front.prepare` makes it
    workdir: Path
    bar: tqdm


def phases_of(r: Recipe) -> list[Phase]:
    """Return the phases of a recipe: module by module, a trained LSF codebook with the first one, then all."""
    codebook = (LSF,) if r.system.lpc == "trained" else ()
    groups = [(*codebook, 0), *((i,) for i in range(1, r.system.n_modules))]
    return two_phases(groups, r.learning_rates, r.shares)


def partition(params: nnx.State, phase: Phase) -> tuple[nnx.State, nnx.State]:
    """Return the parameters that a phase trains, and the others."""
    trained, frozen = nnx.split_state(params, lambda path, _: phase.trains(path), ...)
    return trained, frozen


def make_step(r: Recipe, graph: nnx.GraphDef, phase: Phase):
    """Return the jitted training step of a phase."""
    target_bps = r.bitrates_bps[phase.n_modules - 1]

    @jax.jit
    def step(trained, frozen, memory, control, batch, acting, rate, priced):
        def loss(trained):
            model = nnx.merge(graph, trained, frozen)
            return objective(model, r, phase, batch, acting, priced * price(control), control.tables)

        (_, (parts, shares)), gradient = jax.value_and_grad(loss, has_aux=True)(trained)
        norm = optax.tree.norm(gradient)
        # Every step counts the same: the error of one crop may be a hundred times another's, behind 1/A(z). One that
        # went wrong is left out.
        scale = jnp.where(jnp.isfinite(norm), 1 / jnp.maximum(norm, 1e-9), 0.0)
        gradient = jax.tree.map(lambda g: jnp.where(scale > 0, scale * g, 0.0), gradient)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            updates, memory = OPTIMISER.update(gradient, memory, trained)
        trained = jax.tree_util.tree_map_with_path(lambda path, p, u: p + rate * own_rate(path) * u, trained, updates)
        pace = priced * rate / phase.learning_rate
        control = follow(control, r.system, acting.on, pace, parts["bps"], target_bps, shares)
        return trained, memory, control, parts | {"gradient": norm}

    return step


def own_rate(path: tuple) -> float:
    """Return the factor of the learning rate for the parameter at a path of the tree."""
    return CENTROID_RATE if "centroids" in jax.tree_util.keystr(path) else 1.0


def learning_rate(r: Recipe, phase: Phase, done: float) -> float:
    """Return the learning rate of a phase: up to its peak in a line, then down to nothing as a cosine of `done`."""
    return phase.learning_rate * min(1.0, done / r.warmup) * 0.5 * (1 + np.cos(np.pi * done))


def priced_at(r: Recipe, phase: Phase, done: float) -> float:
    """Return the share of the price that counts when a phase is `done`, 0..1.

    Priced from the start, a further module may fall silent before its decoder has learned to use the bits, and stay so.
    """
    further = phase.n_modules > 1 and not phase.joint
    return min(1.0, max(0.0, done - r.unquantised) / r.unpriced) if further else 1.0


def acting_at(r: Recipe, phase: Phase, done: float) -> Acting:
    """Return how quantisers act when a phase is `done`, 0..1.

    Where decoders get hard symbols, the gradient stays that of soft assignments: sharp ones pass next to none. Soft
    ones, as published, become as sharp as they are to be until the end of a new module's phase.
    """
    on = phase.joint or done >= r.unquantised
    sharpness = r.softness ** (1.0 if r.hard else max(0.0, 1 - done - phase.joint))
    return Acting(*(jnp.float32(v) for v in (on, sharpness, r.hard)))


def initial_model(r: Recipe, batches: list[dict]) -> Model:
    """Return a model whose LSF codebook, if it has one, spans the LSFs of some batches."""
    model = Model(r.system, rngs=nnx.Rngs(r.seed))
    if r.system.n_lsf:
        lsf = np.concatenate([b["lsf"] for b in batches]).reshape(-1, r.system.order)
        model.lsf.centroids[...] = jnp.asarray(lsf_levels(lsf, r.system.n_lsf_centroids))
    return model


def spread_code(run: Run, state: State, phase: Phase) -> State:
    """Spread the centroids of the newest module so far that its codes begin with what is left of the rate.

    A rate that has to fall from 36 kbps takes what was learned down with it, and a further module that meets the price
    of the first one falls silent: it begins with `FURTHER_PRICE` of it. Alpha is to the median distance what it is to
    even levels from -1 to 1. K-Net's centroids are at first the clusters of its codes (Kankanahalli 2018, 2.3).
    """
    c, index = run.recipe.system, phase.n_modules - 1

    @jax.jit
    def codes(params, batch):
        model, a = nnx.merge(run.graph, params), None
        if c.n_lsf:
            a = filters_of(c, quantise(model.lsf, batch["lsf"], None)[0])
        _, frames = analyse(c, start_encoder(c, batch["x"].shape[0]), batch["x"], a)
        return cascade(model, frames, phase.n_modules)[1][-1].z

    z = np.concatenate([np.asarray(codes(state.params, run.batch(i))).ravel() for i in range(START_BATCHES)])
    model = nnx.merge(run.graph, state.params)
    quantiser = model.modules[index].quantiser
    b = clusters(z, c.n_centroids) if c.autoencoder.kind == "knet" else np.asarray(quantiser.centroids[...])
    left_bps = run.recipe.bitrates_bps[index] - used_bps(c, state.control.tables, index)
    b = spread(b, z, max(LEAST_BITS, left_bps / (c.n_code * c.frames_per_second)))
    quantiser.centroids[...] = jnp.asarray(b, jnp.float32)
    even = 2 / (c.n_centroids - 1)
    quantiser.temperature[...] = jnp.float32(c.temperature * even / max(np.median(np.diff(b)), 1e-6))
    control = state.control
    if index:
        control = control._replace(log_tau=control.log_tau + math.log(FURTHER_PRICE), excess=jnp.float32(0))
    return state._replace(params=nnx.state(model, nnx.Param), control=control)


def run_phase(run: Run, state: State, notes: dict) -> tuple[State, dict]:
    """Run one phase until its share of the budget is spent; log every `LOG_EVERY` steps, checkpoint by the clock."""
    r, phase = run.recipe, run.phases[notes["phase"]]
    step, (trained, frozen), memory, control = (
        make_step(r, run.graph, phase),
        partition(state.params, phase),
        *state[1:],
    )
    saved, first, sums = time.monotonic(), True, {}
    with ThreadPoolExecutor(1) as ahead:  # makes the next batch while a step runs
        batch = ahead.submit(run.batch, notes["step"])
        while True:
            progress = notes["step"] / r.steps if r.steps else notes["minutes"] / r.minutes
            done = phase_progress(run.phases, notes["phase"], progress)
            if done >= 1:
                break
            acting = acting_at(r, phase, done)
            if not notes["on"] and acting.on:
                notes = notes | {"on": 1}
                if not phase.joint:
                    state = spread_code(run, state, phase)
                    (trained, frozen), control = partition(state.params, phase), state.control
            began = time.process_time()
            now, batch = batch.result(), ahead.submit(run.batch, notes["step"] + 1)
            rate = jnp.float32(learning_rate(r, phase, done))
            priced = jnp.float32(priced_at(r, phase, done))
            trained, memory, control, parts = step(trained, frozen, memory, control, now, acting, rate, priced)
            sums = {k: sums.get(k, 0.0) + float(v) for k, v in parts.items()} | {"n": sums.get("n", 0.0) + 1}
            minutes = 0.0 if first else (time.process_time() - began) / 60  # the first step is mostly compilation
            notes, first = notes | {"step": notes["step"] + 1, "minutes": notes["minutes"] + minutes}, False
            if notes["step"] % LOG_EVERY == 0:
                log(run.workdir, run.bar, notes, sums, progress)
                sums = {}
            state = State(nnx.merge_state(trained, frozen), memory, control)
            if time.monotonic() - saved > 60 * r.checkpoint_minutes:
                save_checkpoint(run.workdir / "checkpoint.safetensors", state, notes)
                saved = time.monotonic()
    if sums:
        log(run.workdir, run.bar, notes, sums, min(1.0, progress))
    return state, notes


def run_phases(run: Run, state: State, notes: dict) -> tuple[State, dict]:
    """Run the phases that are left, each with a fresh memory of the optimiser."""
    while notes["phase"] < len(run.phases):
        state, notes = run_phase(run, state, notes)
        notes = notes | {"phase": notes["phase"] + 1, "on": 0}
        if notes["phase"] < len(run.phases):
            state = state._replace(memory=OPTIMISER.init(partition(state.params, run.phases[notes["phase"]])[0]))
        save_checkpoint(run.workdir / "checkpoint.safetensors", state, notes)
    return state, notes


def resume(run: Run, params: nnx.State) -> tuple[State, dict]:
    """Return the state of the checkpoint, or that before the first step."""
    path = run.workdir / "checkpoint.safetensors"
    notes = {"step": 0, "minutes": 0.0, "phase": 0, "on": 0}
    if path.exists():
        notes = json.loads(read_tensors(path)[1]["notes"])
        print(f"resuming at step {notes['step']}, {notes['minutes']:.1f} minutes in", file=sys.stderr)
    phase = run.phases[min(notes["phase"], len(run.phases) - 1)]
    memory = OPTIMISER.init(partition(params, phase)[0])
    state = State(params, memory, start_control(run.recipe.system, run.recipe.tau))
    return load_checkpoint(path, state) if path.exists() else (state, notes)


def count_symbols(run: Run, params: nnx.State) -> dict[str, np.ndarray]:
    """Return the frequency tables of the hard symbols of some training batches."""
    c = run.recipe.system

    @jax.jit
    def coded(params, batch):
        start = start_encoder(c, batch["x"].shape[0])
        return encode(nnx.merge(run.graph, params), start, batch["x"], batch.get("lsf"))[1]

    s = [np.asarray(coded(params, run.batch(i))) for i in range(COUNT_BATCHES)]
    return frequency_tables(np.concatenate(s).reshape(-1, s[0].shape[-1]), c)


def train(r: Recipe, workdir: Path, quiet: bool = False) -> Path:
    """Train a published system and return the path of its weights file.

    Parameters
    ----------
    r : Recipe
    workdir : Path
        Created if missing. A checkpoint in it is resumed, exactly where `steps` is set.
    quiet : bool
        No progress bar.

    Raises
    ------
    ValueError
        If the corpus cannot be used.
    """
    workdir = Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    c = r.system
    clips = [clip for clip in open_corpus(Path(r.data)) if clip.split == "train"]
    spec = FrameSpec()  # the crops are those of our own codec's training
    seconds = max(CROP_S, spec.ms((r.frames + 3) * c.spec.hop) / 1000)
    batches = Batches(build_shards(clips, cache_folder() / "shards", spec), r.batch, seconds, r.seed)

    def batch(i: int) -> dict:
        return prepare(batches.batch(i)["x"], c, r.frames)

    graph, params = nnx.split(initial_model(r, [batch(i) for i in range(START_BATCHES)]), nnx.Param)
    (workdir / "config.json").write_text(json.dumps(r.as_dict(), indent=1))
    with tqdm(total=100, unit="%", disable=quiet, bar_format=BAR, file=sys.stderr) as bar:
        run = Run(r, graph, phases_of(r), batch, workdir, bar)
        state, notes = run_phases(run, *resume(run, params))
    path = workdir / "weights.safetensors"
    tables = count_symbols(run, state.params)
    save_weights(path, state.params, tables, c, notes | {"bitrate_bps": r.bitrate_bps})
    return path
