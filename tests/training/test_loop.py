"""The training loop on a model of two numbers: phases, budgets, checkpoints, steps that went wrong."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.checkpoint.training_files import save_checkpoint
from lpcnet_cq.training import loop
from lpcnet_cq.training.loop import Budget, Run, Setting, State, start_state
from lpcnet_cq.training.schedule import two_phases


class Line(nnx.Module):
    """Predict y = slope x + offset."""

    def __init__(self):
        self.slope, self.offset = nnx.Param(jnp.zeros(1)), nnx.Param(jnp.zeros(1))

    def __call__(self, x):
        return self.slope[...] * x + self.offset[...]


def make_run(steps=12, minutes=1.0, groups=(("slope", "offset"),), **changes):
    """Return a run that fits y = 2 x + 1, and its parameters; the rate control counts the steps."""
    graph, params = nnx.split(Line(), nnx.Param)

    def loss(model, phase, batch, control, setting, key):
        error = jnp.mean((model(batch["x"]) - 2 * batch["x"] - 1) ** 2) * batch["factor"]
        return error, ({"loss": error, "bps": error, "nsr_db": error, "random": jax.random.uniform(key)}, jnp.int32(1))

    run = Run(
        graph=graph,
        phases=two_phases(groups, (0.1, 0.1, 0.01), (1, 1, 1)),
        batch=lambda i: {"x": np.random.default_rng(i).standard_normal(8).astype(np.float32), "factor": np.float32(1)},
        setting=lambda phase, position: Setting(jnp.float32(phase.learning_rate), None),
        loss=loss,
        update_control=lambda control, phase, setting, parts, counted: control + counted,
        budget=Budget(minutes, steps),
    )
    return replace(run, **changes), params


def train(run, params, folder):
    state, notes = loop.train(run, folder, {"a": 1}, params, jnp.int32(0), quiet=True)
    return {name: float(v[0]) for name, v in nnx.to_pure_dict(state.params).items()}, state, notes


def lines(folder):
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "minutes"} for line in found]


def test_a_run_learns_counts_and_says_what_it_was(tmp_path):
    values, state, notes = train(*make_run(steps=60), tmp_path)
    assert values == pytest.approx({"slope": 2, "offset": 1}, abs=0.3)
    assert int(state.control) == notes["step"] == 60 and json.loads((tmp_path / "config.json").read_text()) == {"a": 1}
    assert [line["step"] for line in lines(tmp_path)] == [50, 60]


def test_phases_train_their_parts_alone_then_together(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    run, params = make_run(groups=(("slope",), ("offset",)))
    seen = []
    after_step = lambda before, after: (seen.append(nnx.to_pure_dict(after.params)), after)[1]  # noqa: E731
    train(replace(run, after_step=after_step), params, tmp_path)
    slope, offset = (np.array([float(of[name][0]) for of in seen]) for name in ("slope", "offset"))
    assert (np.diff(slope)[:3] != 0).all() and (np.diff(slope)[3:7] == 0).all() and (np.diff(slope)[7:] != 0).all()
    assert (offset[:4] == 0).all() and (np.diff(offset)[3:] != 0).all()
    assert [line["phase"] for line in lines(tmp_path)] == [0] * 4 + [1] * 4 + [2] * 4
    assert [line["since"] for line in lines(tmp_path)] == [0] * 4 + [4] * 4 + [8] * 4


@pytest.mark.parametrize("stop", [2, 4, 7])
def test_an_interruption_leaves_no_trace(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    run, params = make_run(groups=(("slope",), ("offset",)), checkpoint_minutes=0.0)
    whole, whole_state, _ = train(run, params, tmp_path / "whole")

    def interrupted(i):
        if i == stop:
            raise KeyboardInterrupt
        return run.batch(i)

    with pytest.raises(KeyboardInterrupt):
        train(replace(run, batch=interrupted), params, tmp_path / "parts")
    parts, parts_state, _ = train(run, params, tmp_path / "parts")
    assert parts == whole and lines(tmp_path / "parts") == lines(tmp_path / "whole")
    for a, b in zip(jax.tree.leaves(whole_state), jax.tree.leaves(parts_state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_step_that_went_wrong_is_left_out():
    run, params = make_run()
    state = start_state(run, params, jnp.int32(0))
    step = loop.make_step(run, run.phases[0])
    bad = run.batch(0) | {"factor": np.float32(np.inf)}
    after, parts = step(state, bad, jax.random.key(0), Setting(jnp.float32(0.1), None))
    assert not np.isfinite(parts["gradient"])
    for before, value in zip(jax.tree.leaves(state.params), jax.tree.leaves(after.params), strict=True):
        np.testing.assert_array_equal(before, value)


def test_scale_of_the_gradient_and_relative_rates_count():
    run, params = make_run(relative_rate=lambda path: 0.5 if "slope" in jax.tree_util.keystr(path) else 1.0)
    state = start_state(run, params, jnp.int32(0))
    arguments = state, run.batch(0), jax.random.key(0), Setting(jnp.float32(1), None)
    after, _ = loop.make_step(run, run.phases[0])(*arguments)
    moved = {name: abs(float(v[0])) for name, v in nnx.to_pure_dict(after.params).items()}
    assert moved["offset"] == pytest.approx(2 * moved["slope"], rel=1e-3) and moved["slope"] > 0
    still, params = make_run(gradient_scale=lambda norm: 0.0 * norm)
    after, _ = loop.make_step(still, still.phases[0])(*arguments)
    assert not any(float(v[0]) for v in nnx.to_pure_dict(after.params).values())


def test_minutes_are_those_of_the_clock_without_the_first_step(tmp_path):
    """The clock moves by 15 s between two looks at it: four counted steps are a minute."""
    time_s = iter(range(0, 10000, 15))
    run, params = make_run(budget=Budget(minutes=1.0, clock=lambda: next(time_s)))
    _, _, notes = train(run, params, tmp_path)
    assert notes["step"] == 5 and notes["minutes"] == 1.0


def test_a_run_in_sittings_is_the_run_in_one(tmp_path):
    run, params = make_run(groups=(("slope",), ("offset",)))
    whole, *_ = train(run, params, tmp_path / "whole")
    time_s = iter(range(0, 10000, 15))
    for steps in (6, 12):  # the first step of a phase in a sitting takes no time, the others a quarter of a minute
        budget = Budget(1.0, run.budget.steps, lambda: next(time_s), sitting_minutes=1.0)
        parts, _, notes = train(replace(run, budget=budget, compiled={}), params, tmp_path / "parts")
        assert notes["step"] == steps
    assert parts == whole


def test_before_step_may_change_a_state_and_its_notes_once_a_phase(tmp_path):
    begun = []

    def before_step(state, notes, phase, position):
        if notes["on"] or position.done < 0.5:
            return state, notes
        begun.append(notes["step"])
        return state, notes | {"on": 1}

    train(*make_run(groups=(("slope",), ("offset",)), before_step=before_step, phase_notes={"on": 0}), tmp_path)
    assert begun == [2, 6, 10]


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    run, params = make_run()
    notes = {"step": 1, "minutes": 0.0, "phase": 0, "since": 0}
    save_checkpoint(tmp_path / "checkpoint.safetensors", State({"a": np.zeros(2)}, (), np.zeros(1)), notes)
    with pytest.raises(ValueError, match="is the checkpoint of another model"):
        train(run, params, tmp_path)
