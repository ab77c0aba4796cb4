"""The training loop: steps in phases, rate control, log and checkpoints, for any model.

Place in the chain: training only. `train`, `pruning.prune` and `published.train` use it. A `Run` contains everything
that differs between them: loss, settings of a step, rate control.

A run writes `config.json`, `metrics.jsonl` and `checkpoint.safetensors` into its folder, and resumes from the
checkpoint. With a fixed number of steps, the result depends only on the settings and the data, with or without
interruptions. With a number of minutes, the schedule follows the clock. A run can be divided into sittings, which end
with a checkpoint.
"""

import json
import math
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

from lpcnet_cq.checkpoint.training_files import load_checkpoint, save_checkpoint
from lpcnet_cq.checkpoint.weights import read_tensors
from lpcnet_cq.training import parallel
from lpcnet_cq.training.optimiser import make_optimiser
from lpcnet_cq.training.schedule import Phase

OPTIMISER = make_optimiser()
LOG_EVERY = 50  # steps
BAR = "{l_bar}{bar}| {postfix}"


class State(NamedTuple):
    """Hold everything that a training step changes."""

    params: nnx.State
    optimiser_state: optax.OptState  # of the parameters that the phase trains
    control: Any  # state of the rate control, see `Run.update_control`
    masks: Any = ()  # what `Run.after_step` keeps: masks of pruning, or averages of parameters


class Setting(NamedTuple):
    """Hold the values that change from step to step."""

    learning_rate: jax.Array
    scalars: Any  # all other values: a tree of scalars


class Position(NamedTuple):
    """Hold the position in a run."""

    progress: float  # fraction of the run, 0..1
    done: float  # fraction of the phase, 0..1
    steps: int  # number of steps of the phase so far


class Budget(NamedTuple):
    """Hold the length of a run: a number of steps or, if it is 0, minutes of a clock."""

    minutes: float
    steps: int = 0
    clock: Callable[[], float] = time.monotonic  # seconds
    sitting_minutes: float = math.inf  # of the clock, after which a call of `train` ends before the run does

    def progress(self, notes: dict) -> float:
        """Return the position of a run with these notes, 0 at its start and 1 at its end."""
        return notes["step"] / self.steps if self.steps else notes["minutes"] / self.minutes


def is_finite(norm: jax.Array) -> jax.Array:
    """Return 1 for a gradient with a finite norm, else 0, so that steps without a finite gradient are skipped."""
    return jnp.isfinite(norm).astype(jnp.float32)


def unchanged(state: State, notes: dict, phase: Phase, position: Position) -> tuple[State, dict]:
    """Return state and notes: the default of `Run.before_step`."""
    return state, notes


@dataclass(frozen=True, eq=False)
class Run:
    """Hold everything that is constant during a training.

    Attributes
    ----------
    graph : nnx.GraphDef
        Graph of the model.
    phases : sequence of Phase
    batch : callable
        batch(i) returns batch number i, a dict of arrays; in a group of processes, the rows of this process, see
        `parallel.rows_here`. It runs in a second thread, one batch ahead.
    setting : callable
        setting(phase, position) returns the `Setting` of the next step.
    loss : callable
        loss(model, phase, batch, control, setting, key) returns the value to minimise and a pair: its parts (scalars
        that are logged, with `loss`, `bps` and `nsr_db`), and any other values that `update_control` uses.
    update_control : callable
        update_control(control, phase, setting, parts, other) returns the state of the rate control after a step.
    budget : Budget
    seed : int
        Seed of the keys for `loss`.
    checkpoint_minutes : float
    gradient_scale : callable
        gradient_scale(norm) returns a factor for the gradient; 0 skips the step.
    relative_rate : callable
        relative_rate(path) returns the relative learning rate of a parameter.
    before_step : callable
        before_step(state, notes, phase, position) is called before each step and returns the state and the notes with
        which the step starts. Its time does not count towards the budget.
    after_step : callable
        after_step(before, after) is called after each step with the states before and after it; it returns the state
        for the next step.
    phase_notes : dict
        Additional notes at the start of each phase.
    compiled : dict
        Compiled steps by phase.
    """

    graph: nnx.GraphDef
    phases: Sequence[Phase]
    batch: Callable[[int], dict]
    setting: Callable[[Phase, Position], Setting]
    loss: Callable
    update_control: Callable
    budget: Budget
    seed: int = 0
    checkpoint_minutes: float = 5.0
    gradient_scale: Callable[[jax.Array], jax.Array] = is_finite
    relative_rate: Callable[[tuple], float] = lambda path: 1.0
    before_step: Callable[[State, dict, Phase, Position], tuple[State, dict]] = unchanged
    after_step: Callable[[State, State], State] = lambda before, after: after
    phase_notes: dict = field(default_factory=dict)
    compiled: dict[Phase, Callable] = field(default_factory=dict)


def partition(params: nnx.State, phase: Phase) -> tuple[nnx.State, nnx.State]:
    """Return the parameters that a phase trains, and the others."""
    trained, frozen = nnx.split_state(params, lambda path, _: phase.trains(path), ...)
    return trained, frozen


def start_state(run: Run, params: nnx.State, control: Any, masks: Any = (), phase: int = 0) -> State:
    """Return the state at the start of a phase, with a new state of the optimiser."""
    return State(params, OPTIMISER.init(partition(params, run.phases[phase])[0]), control, masks)


def make_step(run: Run, phase: Phase) -> Callable:
    """Return the compiled step of a phase: step(state, batch, key, setting) returns the next state and the parts.

    The state has no masks, so that all trainings share compiled code.
    """

    def step(state: State, batch: dict, key: jax.Array, setting: Setting):
        trained, frozen = partition(state.params, phase)

        def loss(trained):
            return run.loss(nnx.merge(run.graph, trained, frozen), phase, batch, state.control, setting, key)

        (_, (parts, other)), gradient = jax.value_and_grad(loss, has_aux=True)(trained)
        norm = optax.tree.norm(gradient)
        scale = run.gradient_scale(norm)
        gradient = jax.tree.map(lambda g: jnp.where(scale > 0, scale * g, 0.0), gradient)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            updates, optimiser_state = OPTIMISER.update(gradient, state.optimiser_state, trained)

        def updated(path, p, update):
            return p + setting.learning_rate * run.relative_rate(path) * update

        params = nnx.merge_state(jax.tree_util.tree_map_with_path(updated, trained, updates), frozen)
        control = run.update_control(state.control, phase, setting, parts, other)
        after = state._replace(params=params, optimiser_state=optimiser_state, control=control)
        return after, parts | {"gradient": norm}

    return parallel.compiled(step)


def take_step(run: Run, state: State, batch: dict, notes: dict, position: Position) -> tuple[State, dict]:
    """Take one step of the current phase; return the next state and the parts of the loss."""
    phase = run.phases[notes["phase"]]
    key = jax.random.fold_in(jax.random.key(run.seed), notes["step"])
    key, setting = parallel.place((key, run.setting(phase, position)))
    arguments = state._replace(masks=()), batch, key, setting
    if phase not in run.compiled:
        step = make_step(run, phase)
        run.compiled[phase] = parallel.compile_together(step, arguments, f"phase {notes['phase']}")
    after, parts = run.compiled[phase](*arguments)
    after = run.after_step(state, after._replace(masks=state.masks))
    return after, {name: float(value) for name, value in parts.items()}


def enter_phase(run: Run, state: State, notes: dict, progress: float) -> tuple[State, dict]:
    """Start the next phase when the current one is over, with a new state of the optimiser."""
    while run.phases[notes["phase"]].done(progress) >= 1:
        notes = notes | {"phase": notes["phase"] + 1, "since": notes["step"]} | run.phase_notes
        state = parallel.place(start_state(run, state.params, state.control, state.masks, notes["phase"]))
    return state, notes


def run_steps(run: Run, workdir: Path, state: State, notes: dict, quiet: bool) -> tuple[State, dict]:
    """Take steps until the budget or the sitting is used; log every `LOG_EVERY` steps, save checkpoints regularly.

    `notes["sums"]` are those of the steps since the last line of the log.
    """
    notes, sums = {name: value for name, value in notes.items() if name != "sums"}, notes.get("sums", {})
    saved, timed, clock, state = time.monotonic(), set(), run.budget.clock, parallel.place(state)
    checkpoint = workdir / "checkpoint.safetensors"
    with (
        tqdm(total=100, unit="%", disable=quiet, bar_format=BAR, file=sys.stderr) as bar,
        ThreadPoolExecutor(1) as ahead,  # computes the next batch while a step runs
    ):
        batch = ahead.submit(run.batch, notes["step"])
        until = notes["minutes"] + run.budget.sitting_minutes
        while notes["minutes"] < until and (progress := run.budget.progress(notes)) < 1:
            state, notes = enter_phase(run, state, notes, progress)
            phase = run.phases[notes["phase"]]
            position = Position(progress, phase.done(progress), notes["step"] - notes["since"])
            state, notes = run.before_step(state, notes, phase, position)
            began = clock()
            now, batch = batch.result(), ahead.submit(run.batch, notes["step"] + 1)
            state, parts = take_step(run, state, parallel.place_batch(now), notes, position)
            sums = {name: sums.get(name, 0.0) + value for name, value in (parts | {"n": 1}).items()}
            minutes = parallel.shared((clock() - began) / 60) if phase in timed else 0.0  # the first is compilation
            timed.add(phase)
            notes = notes | {"step": notes["step"] + 1, "minutes": notes["minutes"] + minutes}
            if notes["step"] % LOG_EVERY == 0:
                log(workdir, bar, notes, sums, progress)
                sums = {}
            if time.monotonic() - saved > 60 * run.checkpoint_minutes:
                save(checkpoint, state, notes | {"sums": sums})
                saved = time.monotonic()
        if sums and run.budget.progress(notes) >= 1:
            log(workdir, bar, notes, sums, 1.0)
            sums = {}
    notes = notes | {"sums": sums} if sums else notes
    save(checkpoint, state, notes)
    return parallel.local(state), notes


def save(path: Path, state: State, notes: dict) -> None:
    """Save a checkpoint, in one process of a group: the state is the same in all, whatever their number is."""
    if parallel.is_first():
        save_checkpoint(path, state, notes)


def log(workdir: Path, bar: tqdm, notes: dict, sums: dict, progress: float) -> None:
    """Append the means of the last steps to `metrics.jsonl`, from sums and their number `n`; show them in the bar."""
    if not parallel.is_first():
        return
    values = notes | {k: v / sums["n"] for k, v in sums.items() if k != "n"}
    with open(workdir / "metrics.jsonl", "a") as f:
        f.write(json.dumps({k: round(v, 5) for k, v in values.items()}) + "\n")
    left = values["minutes"] * (1 / progress - 1) if progress > 0 else 0.0
    bar.update(100 * progress - bar.n)
    loss, kbps, nsr_db = values["loss"], values["bps"] / 1000, values["nsr_db"]
    bar.set_postfix_str(f"loss {loss:.3f}, {kbps:.2f} kbps, NSR {nsr_db:.2f} dB, {left:.0f} min left")


def resume(run: Run, workdir: Path, params: nnx.State, control: Any, masks: Any = ()) -> tuple[State, dict]:
    """Return the state and the notes of the checkpoint in the folder, or those of a new run.

    Lines of the log after the checkpoint, of a run that was killed, are removed: their steps are taken again.

    Raises
    ------
    ValueError
        If the checkpoint belongs to another model or to other phases.
    """
    notes: dict = {"step": 0, "minutes": 0.0, "phase": 0, "since": 0} | run.phase_notes
    path = workdir / "checkpoint.safetensors"
    if not path.exists():
        return start_state(run, params, control, masks), notes
    notes |= json.loads(read_tensors(path)[1]["notes"])
    keep_lines(workdir / "metrics.jsonl", notes["step"])
    notes["phase"] = min(notes["phase"], len(run.phases) - 1)
    try:
        state, _ = load_checkpoint(path, start_state(run, params, control, masks, notes["phase"]))
    except ValueError as error:
        raise ValueError(f"`{path}` is the checkpoint of another model or of other phases: {error}") from error
    print(f"resuming at step {notes['step']}, after {notes['minutes']:.1f} minutes", file=sys.stderr)
    return state, notes


def keep_lines(path: Path, step: int) -> None:
    """Remove the lines of a log that are later than a step, or not complete."""
    if not (parallel.is_first() and path.exists()):
        return
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    path.write_text("".join(line for line in lines if json.loads(line)["step"] <= step))


def train(
    run: Run, workdir: Path, config: dict, params: nnx.State, control: Any, masks: Any = (), quiet: bool = False
) -> tuple[State, dict]:
    """Train in a folder; resume from its checkpoint if it has one; return the last state, and steps and minutes.

    Parameters
    ----------
    run : Run
    workdir : Path
        Created if missing.
    config : dict
        Settings of the run as JSON values, written to the folder.
    params : nnx.State
    control, masks
        Initial values for `State`.
    quiet : bool
        Show no progress bar.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    if parallel.is_first():
        (workdir / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    quiet = quiet or not parallel.is_first()
    state, notes = run_steps(run, workdir, *resume(run, workdir, params, control, masks), quiet)
    return state, {name: notes[name] for name in ("step", "minutes")}
