"""The training loop: steps in phases, rate control, log and checkpoints, for any model.

Place in the chain: training only. `train` and `pruning.prune` run our own codecs by it, `published.train` the published
systems; what a step minimises, and what changes from step to step, a `Run` says.

A run writes into its folder `config.json`, `metrics.jsonl` and `checkpoint.safetensors`, from which it is resumed where
there is one. With a number of steps it is a function of its settings and data alone, whether it was interrupted or not;
with a number of minutes its schedule follows the clock.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from tqdm import tqdm

from lpcnet_cq.checkpoint.weights import load_checkpoint, read_tensors, save_checkpoint
from lpcnet_cq.training.optimiser import make_optimiser
from lpcnet_cq.training.schedule import Phase

OPTIMISER = make_optimiser()
LOG_EVERY = 50  # steps
BAR = "{l_bar}{bar}| {postfix}"


class State(NamedTuple):
    """Hold what training changes."""

    params: nnx.State
    memory: optax.OptState  # the optimiser's, of the parameters that the phase trains
    control: Any  # of the rate, see `Run.follow`
    masks: Any = ()  # of pruning, see `Run.settle`


class Setting(NamedTuple):
    """Say how one step trains."""

    rate: jax.Array  # learning rate
    acts: Any  # what else changes from step to step: a tree of scalars


class Place(NamedTuple):
    """Say how far a run is."""

    progress: float  # of the run, 0..1
    done: float  # of the phase, 0..1
    steps: int  # of the phase, so far


class Budget(NamedTuple):
    """Hold how long a run may take: a number of steps, or where that is 0, minutes of a clock."""

    minutes: float
    steps: int = 0
    clock: Callable[[], float] = time.monotonic  # in seconds

    def progress(self, notes: dict) -> float:
        """Return how far a run with these notes is, 0..1 or beyond."""
        return notes["step"] / self.steps if self.steps else notes["minutes"] / self.minutes


def is_finite(norm: jax.Array) -> jax.Array:
    """Return 1 for a gradient of finite norm and 0 for others: a step that went wrong is left out."""
    return jnp.isfinite(norm).astype(jnp.float32)


@dataclass(frozen=True, eq=False)
class Run:
    """Hold what stays the same throughout a training.

    Attributes
    ----------
    graph : nnx.GraphDef
        Of the model.
    phases : sequence of Phase
    batch : callable
        batch(i) is batch number i, a dict of arrays; made in a thread of its own while a step runs.
    setting : callable
        setting(phase, place) says how the next step trains.
    loss : callable
        loss(model, phase, batch, control, setting, key) is the value to minimise, and beside it a pair: its parts,
        scalars that are logged, `bps` among them; and what else `follow` asks for.
    follow : callable
        follow(control, phase, setting, parts, other) is the state of the rate control after a step.
    budget : Budget
    seed : int
        Of the keys that `loss` gets.
    checkpoint_minutes : float
    gradient_scale : callable
        gradient_scale(norm) is the factor of a gradient; 0 leaves a step out.
    relative_rate : callable
        relative_rate(path) is the factor of a parameter's learning rate.
    begin : callable
        begin(state, notes, phase, place) may change a state and its notes before a step; not counted as time.
    settle : callable
        settle(before, after) may change what a step made of a state.
    phase_notes : dict
        Notes at the beginning of each phase.
    compiled : dict
        Steps that are compiled already, by phase.
    """

    graph: nnx.GraphDef
    phases: Sequence[Phase]
    batch: Callable[[int], dict]
    setting: Callable[[Phase, Place], Setting]
    loss: Callable
    follow: Callable
    budget: Budget
    seed: int = 0
    checkpoint_minutes: float = 5.0
    gradient_scale: Callable[[jax.Array], jax.Array] = is_finite
    relative_rate: Callable[[tuple], float] = lambda path: 1.0
    begin: Callable[[State, dict, Phase, Place], tuple[State, dict]] = lambda state, notes, phase, place: (state, notes)
    settle: Callable[[State, State], State] = lambda before, after: after
    phase_notes: dict = field(default_factory=dict)
    compiled: dict[Phase, Callable] = field(default_factory=dict)


def partition(params: nnx.State, phase: Phase) -> tuple[nnx.State, nnx.State]:
    """Return the parameters that a phase trains, and the others."""
    trained, frozen = nnx.split_state(params, lambda path, _: phase.trains(path), ...)
    return trained, frozen


def start_state(run: Run, params: nnx.State, control: Any, masks: Any = (), phase: int = 0) -> State:
    """Return the state at the start of a phase: the optimiser remembers nothing."""
    return State(params, OPTIMISER.init(partition(params, run.phases[phase])[0]), control, masks)


def make_step(run: Run, phase: Phase) -> Callable:
    """Return the compiled step of a phase: step(state, batch, key, setting) is the next state and the parts."""

    @jax.jit
    def step(state: State, batch: dict, key: jax.Array, setting: Setting):
        trained, frozen = partition(state.params, phase)

        def loss(trained):
            return run.loss(nnx.merge(run.graph, trained, frozen), phase, batch, state.control, setting, key)

        (_, (parts, other)), gradient = jax.value_and_grad(loss, has_aux=True)(trained)
        norm = optax.tree.norm(gradient)
        scale = run.gradient_scale(norm)
        gradient = jax.tree.map(lambda g: jnp.where(scale > 0, scale * g, 0.0), gradient)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            updates, memory = OPTIMISER.update(gradient, state.memory, trained)

        def moved(path, p, update):
            return p + setting.rate * run.relative_rate(path) * update

        params = nnx.merge_state(jax.tree_util.tree_map_with_path(moved, trained, updates), frozen)
        control = run.follow(state.control, phase, setting, parts, other)
        return state._replace(params=params, memory=memory, control=control), parts | {"gradient": norm}

    return step


def take_step(run: Run, state: State, batch: dict, notes: dict, place: Place) -> tuple[State, dict]:
    """Take one step of the phase that the notes name; return the state after it and the parts of the loss."""
    phase = run.phases[notes["phase"]]
    if phase not in run.compiled:
        run.compiled[phase] = make_step(run, phase)
    key = jax.random.fold_in(jax.random.key(run.seed), notes["step"])
    after, parts = run.compiled[phase](state, batch, key, run.setting(phase, place))
    return run.settle(state, after), {name: float(value) for name, value in parts.items()}


def enter_phase(run: Run, state: State, notes: dict, progress: float) -> tuple[State, dict]:
    """Begin the next phase where it is due, with an optimiser that remembers nothing."""
    while run.phases[notes["phase"]].done(progress) >= 1:
        notes = notes | {"phase": notes["phase"] + 1, "since": notes["step"]} | run.phase_notes
        state = start_state(run, state.params, state.control, state.masks, notes["phase"])
    return state, notes


def run_steps(run: Run, workdir: Path, state: State, notes: dict, quiet: bool) -> tuple[State, dict]:
    """Take steps until the budget is spent; log every `LOG_EVERY` steps, save checkpoints by the clock."""
    saved, sums, timed, clock = time.monotonic(), {}, set(), run.budget.clock
    checkpoint = workdir / "checkpoint.safetensors"
    with (
        tqdm(total=100, unit="%", disable=quiet, bar_format=BAR, file=sys.stderr) as bar,
        ThreadPoolExecutor(1) as ahead,  # makes the next batch while a step runs
    ):
        batch = ahead.submit(run.batch, notes["step"])
        while (progress := run.budget.progress(notes)) < 1:
            state, notes = enter_phase(run, state, notes, progress)
            phase = run.phases[notes["phase"]]
            place = Place(progress, phase.done(progress), notes["step"] - notes["since"])
            state, notes = run.begin(state, notes, phase, place)
            began = clock()
            now, batch = batch.result(), ahead.submit(run.batch, notes["step"] + 1)
            state, parts = take_step(run, state, now, notes, place)
            sums = {name: sums.get(name, 0.0) + value for name, value in (parts | {"n": 1}).items()}
            minutes = (clock() - began) / 60 if phase in timed else 0.0  # the first step is mostly compilation
            timed.add(phase)
            notes = notes | {"step": notes["step"] + 1, "minutes": notes["minutes"] + minutes}
            if notes["step"] % LOG_EVERY == 0:
                log(workdir, bar, notes, sums, progress)
                sums = {}
            if time.monotonic() - saved > 60 * run.checkpoint_minutes:
                save_checkpoint(checkpoint, state, notes)
                saved = time.monotonic()
        if sums:
            log(workdir, bar, notes, sums, 1.0)
    save_checkpoint(checkpoint, state, notes)
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


def resume(run: Run, workdir: Path, params: nnx.State, control: Any, masks: Any = ()) -> tuple[State, dict]:
    """Return state and notes of the folder's checkpoint, or those before the first step.

    Raises
    ------
    ValueError
        If the checkpoint does not fit the run.
    """
    notes: dict = {"step": 0, "minutes": 0.0, "phase": 0, "since": 0} | run.phase_notes
    path = workdir / "checkpoint.safetensors"
    if not path.exists():
        return start_state(run, params, control, masks), notes
    notes |= json.loads(read_tensors(path)[1]["notes"])
    notes["phase"] = min(notes["phase"], len(run.phases) - 1)
    try:
        state, _ = load_checkpoint(path, start_state(run, params, control, masks, notes["phase"]))
    except ValueError as error:
        raise ValueError(f"`{path}` is the checkpoint of another model or of other phases: {error}") from error
    print(f"resuming at step {notes['step']}, {notes['minutes']:.1f} minutes in", file=sys.stderr)
    return state, notes


def train(
    run: Run, workdir: Path, config: dict, params: nnx.State, control: Any, masks: Any = (), quiet: bool = False
) -> tuple[State, dict]:
    """Train in a folder, from its checkpoint where it has one; return the last state, and steps and minutes taken.

    Parameters
    ----------
    run : Run
    workdir : Path
        Created if missing.
    config : dict
        The settings of the run as JSON values, kept in the folder.
    params : nnx.State
    control, masks
        As `State` holds them before the first step.
    quiet : bool
        No progress bar.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    state, notes = run_steps(run, workdir, *resume(run, workdir, params, control, masks), quiet)
    return state, {name: notes[name] for name in ("step", "minutes")}
