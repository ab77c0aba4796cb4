"""Training in small: three phases, a function of the seed, and an interruption leaves no trace."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import soundfile
from flax import nnx

from lpcnet_cq.checkpoint.weights import flatten
from lpcnet_cq.evaluation import evaluate as evaluation
from lpcnet_cq.published import train as training
from lpcnet_cq.published.codec import PublishedCodec
from lpcnet_cq.published.config import PRESETS, Recipe
from lpcnet_cq.published.front import prepare
from lpcnet_cq.published.model import Model, encode, start_encoder
from lpcnet_cq.published.rate import PACKET_BITS, multiplier, start_control
from lpcnet_cq.published.train import (
    initialise_quantiser,
    make_run,
    multiplier_factor_at,
    phases_of,
    relative_rate,
    relaxation_at,
    setting_at,
    start_averages,
    target_bps_at,
    train,
    update_averages,
)
from lpcnet_cq.published.weights import load_system
from lpcnet_cq.training import loop
from lpcnet_cq.training.data import Clip
from lpcnet_cq.training.loop import Position, start_state
from lpcnet_cq.training.speech_data import Batches

pytestmark = pytest.mark.usefixtures("little_memory")
STEPS, STOP = 40, 28  # phases end at 24, 32 and 40


@pytest.fixture(scope="module", autouse=True)
def quick_optimiser():
    """Train by Adam on one flat vector: orthogonalised momentum, which `training/test_train` has, compiles for long."""
    adam = optax.flatten(optax.adam(1.0, b1=0.9, b2=0.99))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "OPTIMISER", adam)
        yield


def recipe(folder, tiny):
    """Return the settings of the runs in a folder."""
    return Recipe(
        tiny(n_modules=2, lpc="trained", level=1.0),
        bitrates_bps=(9e3, 18e3),
        learning_rates=(1e-2, 1e-2, 1e-3),
        shares=(3, 1, 1),
        warmup_steps=2,
        unquantised=0.25,
        data=str(folder / "data"),
        steps=STEPS,
        batch=2,
        frames=28,
        checkpoint_minutes=60.0,
    )


def train_all(folder, r, vowel):
    """Train in folders of a folder, see `runs`."""
    for name, f0_hz, formants_hz in (("ann", 210, (700, 1200, 2600)), ("ben", 110, (300, 2200, 3000))):
        (folder / "data" / name).mkdir(parents=True)
        soundfile.write(folder / "data" / name / "a.wav", vowel(f0_hz, formants_hz, seconds=3), 16000)
    ends = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LPCNET_CQ_CACHE", str(folder / "cache"))
        patch.setattr(loop, "LOG_EVERY", 4)
        patch.setattr(training, "COUNT_BATCHES", 4)
        made = {}  # the three runs share the compiled steps
        make_step, enter_phase = loop.make_step, loop.enter_phase
        patch.setattr(loop, "make_step", lambda run, phase: made.setdefault(phase, make_step(run, phase)))

        def watched(run, state, notes, progress):
            entered = enter_phase(run, state, notes, progress)
            if entered[1]["phase"] != notes["phase"]:
                ends.append(parameters(state))
            return entered

        patch.setattr(loop, "enter_phase", watched)
        train(r, folder / "whole", quiet=True)
        batch = Batches.batch

        def interrupted(self, step):
            if step == STOP:
                raise KeyboardInterrupt
            return batch(self, step)

        with pytest.MonkeyPatch.context() as stop, pytest.raises(KeyboardInterrupt):
            stop.setattr(Batches, "batch", interrupted)
            train(replace(r, checkpoint_minutes=0.0), folder / "parts", quiet=True)
        assert not (folder / "parts" / "weights.safetensors").exists()
        train(r, folder / "parts", quiet=True)
    (folder / "ends.pickle").write_bytes(pickle.dumps(ends[:2]))


@pytest.fixture(scope="module")
def runs(made_once, tiny, vowel):
    """Run once, and once more with an interruption; return the recipe, both folders, parameters at phases' ends."""
    folder = made_once("published", lambda folder: train_all(folder, recipe(folder, tiny), vowel))
    ends = pickle.loads((folder / "ends.pickle").read_bytes())
    ends.append(flatten(load_system(folder / "whole" / "weights.safetensors").floats))
    return recipe(folder, tiny), folder / "whole", folder / "parts", ends


def parameters(state):
    return flatten(jax.tree.map(np.array, nnx.to_pure_dict(state.params)))


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_loss_falls_and_every_value_is_finite(runs):
    lines = metrics(runs[1])
    assert [line["step"] for line in lines] == list(range(4, STEPS + 1, 4))
    assert lines[5]["time"] < 0.9 * lines[0]["time"]
    assert all(np.isfinite(v) for line in lines for v in line.values())


def test_phases_follow_the_schedule(runs):
    lines = metrics(runs[1])
    assert [line["phase"] for line in lines] == [0] * 6 + [1] * 2 + [2] * 2
    assert [line["on"] for line in lines] == [0] + [1] * 9


def test_each_phase_changes_what_it_trains_and_nothing_else(runs):
    r, _, _, ends = runs
    for phase, before, after in zip(phases_of(r)[1:], ends, ends[1:], strict=False):
        paths = {name: tuple(int(key) if key.isdigit() else key for key in name.split("/")) for name in after}
        for name in (name for name, path in paths.items() if not phase.trains(path)):
            np.testing.assert_array_equal(after[name], before[name], err_msg=name)
        kernels = [n for n in after if n.endswith("kernel") and phase.trains(("modules", int(n.split("/")[1])))]
        assert kernels and not any(np.array_equal(after[n], before[n]) for n in kernels)


def test_collaboration_moves_the_lsf_codebook_in_the_joint_phase(runs):
    _, _, _, ends = runs
    assert not np.array_equal(ends[2]["lsf/centroids"], ends[1]["lsf/centroids"])


def test_an_interruption_leaves_no_trace(runs):
    _, whole, parts, _ = runs
    timeless = [[{k: v for k, v in line.items() if k != "minutes"} for line in metrics(f)] for f in (whole, parts)]
    assert timeless[0] == timeless[1]
    a, b = (load_system(f / "weights.safetensors") for f in (whole, parts))
    found = flatten(b.floats) | b.tables
    for name, value in (flatten(a.floats) | a.tables).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_finished_run_is_left_as_it_is(runs, tmp_path, monkeypatch):
    r, whole, _, _ = runs
    monkeypatch.setenv("LPCNET_CQ_CACHE", str(whole.parent / "cache"))
    monkeypatch.setattr(training, "COUNT_BATCHES", 4)
    copy = shutil.copytree(whole, tmp_path / "whole")  # other processes read the folder
    train(r, copy, quiet=True)
    for name in ("metrics.jsonl", "weights.safetensors"):
        assert (copy / name).read_bytes() == (whole / name).read_bytes()


def test_trained_weights_go_through_the_evaluation_of_our_own_codec(runs, tmp_path, monkeypatch):
    r, whole, _, _ = runs
    monkeypatch.setattr(evaluation, "METRICS", {"snr_db": evaluation.METRICS["snr_db"]})
    codec = PublishedCodec(whole / "weights.safetensors")
    clips = [Clip(Path(r.data) / "ann" / "a.wav", "ann", "dev", "made")]
    (row,) = evaluation.evaluate(codec, clips, codec.bitrates_bps[0], tmp_path)
    # Speakers differ, and packets round up to bytes: the rate of the last steps is met to a factor.
    assert 0.5 < row["kbps"] / (metrics(whole)[-1]["bps"] / 1000) < 2
    parts = sum(row[f"{k}_bits"] for k in ("lsf", "gain", "latents", "overhead"))
    assert row["bytes"] == pytest.approx(parts / 8, abs=0.03)  # each is rounded to a tenth of a bit
    assert np.isfinite(row["snr_db"])


def run_and_state(r, batch):
    """Return the run of a new model of one phase, and its state before the first step."""
    graph, params = nnx.split(Model(r.system, rngs=nnx.Rngs(0)), nnx.Param)
    run = make_run(r, graph, lambda i: batch)
    return run, start_state(run, params, start_control(r.system, r.tau), start_averages(params))


def test_multiplier_follows_the_rate(tiny, vowel):
    recipes = [Recipe(tiny(), bitrates_bps=(target_bps,), tau=1.0) for target_bps in (1e3, 1e6)]
    batch = prepare(vowel()[None, : 6 * recipes[0].system.spec.hop], recipes[0].system, 4)
    run, state = run_and_state(recipes[0], batch)
    step = loop.make_step(run, run.phases[0])  # the target is an argument
    for r, rises in zip(recipes, (True, False), strict=True):
        for on, done in ((True, 0.5), (False, 0.0)):
            setting = setting_at(r, phases_of(r)[0], Position(done, done, 100))
            log_tau = float(step(state, batch, jax.random.key(0), setting)[0].control.log_tau)
            assert (log_tau > 0) is (on and rises) and (log_tau < 0) is (on and not rises)


def types_of(tree):
    """Return what decides whether code that was compiled for a tree of arrays takes another one."""
    return jax.tree.map(lambda v: (v.shape, v.dtype, v.weak_type), tree)


def test_a_step_is_compiled_once(tiny, vowel):
    """Types that change with the first step would compile the second one anew, out of the budget of minutes."""
    r = Recipe(tiny("knet", window_at="analysis"), bitrates_bps=(9e3,))
    batch = prepare(vowel()[None, : 6 * r.system.spec.hop], r.system, 4)
    run, state = run_and_state(r, batch)
    (phase,) = run.phases
    settings = [run.setting(phase, Position(done, done, i)) for i, done in enumerate((0.0, 0.5, 0.9))]
    assert all(types_of(setting) == types_of(settings[0]) for setting in settings)
    step = loop.make_step(run, phase)
    after = jax.eval_shape(step, state._replace(masks=()), batch, jax.random.key(0), settings[0])[0]
    after = jax.eval_shape(run.after_step, state, after._replace(masks=state.masks))
    assert types_of(after) == types_of(state)


@pytest.mark.parametrize("hard", [True, False])
def test_soft_quantisers_of_a_new_module_end_sharp_and_hard_ones_keep_their_gradient(hard):
    r = replace(PRESETS["cmrl"], hard=hard)
    first, _, joint = phases_of(r)
    relaxation = [relaxation_at(r, first, done) for done in (0, 0.25, 0.5, 0.75, 0.999)]
    assert [a.on for a in relaxation] == [0, 1, 1, 1, 1] and [float(a.hard) for a in relaxation] == 5 * [float(hard)]
    sharpness = [float(a.sharpness) for a in relaxation]
    assert sharpness == pytest.approx(5 * [0.2] if hard else [0.2 ** (1 - d) for d in (0, 0.25, 0.5, 0.75, 0.999)])
    at_last = pytest.approx((1, 0.2 if hard else 1, float(hard)))
    assert [tuple(map(float, relaxation_at(r, joint, done))) for done in (0, 1)] == [at_last, at_last]


@pytest.mark.parametrize("hard", [True, False])
def test_alpha_is_trained_only_with_soft_symbols(hard):
    r, key = replace(PRESETS["cmrl"], hard=hard), jax.tree_util.GetAttrKey
    found = [relative_rate(r, (key("quantiser"), key(name))) for name in ("kernel", "centroids", "temperature")]
    assert found == [1.0, 0.1, 0.0 if hard else 1.0]


@pytest.mark.parametrize("kind", ["knet", "bottleneck"])
def test_a_new_module_begins_with_what_is_left_of_the_rate(tiny, vowel, kind):
    """Bytes aside: the entropy of all its hard symbols; and alpha is to their distances what it is to even levels."""
    r = Recipe(tiny(kind), bitrates_bps=(14e3,), start_bps=14e3)
    c = r.system
    graph, params = nnx.split(Model(c, rngs=nnx.Rngs(0)), nnx.Param)

    def batch(i):
        return prepare(vowel(120 + 5 * i)[None, : 6 * c.spec.hop], c, 4)

    state = loop.State(params, None, start_control(c, 1.0), start_averages(params))
    moved = nnx.merge(graph, initialise_quantiser(r, graph, batch, state, phases_of(r)[0]).params)
    b, alpha = (np.asarray(v[...]) for v in nnx.state(moved.modules[0].quantiser, nnx.Param).values())
    assert (np.diff(b) >= 0).all() and alpha * np.median(np.diff(b)) == pytest.approx(300 * 2 / 7, rel=1e-3)
    s = [encode(moved, start_encoder(c, 1), batch(i)["x"], None)[1] for i in range(training.START_BATCHES)]
    share = np.bincount(np.ravel(s), minlength=c.n_centroids) / np.size(s)
    bits = -np.sum(share * np.log2(np.maximum(share, 1e-9)))
    assert (bits * c.n_code + PACKET_BITS) * c.frames_per_second == pytest.approx(14e3, rel=0.1)


def test_a_further_module_begins_with_a_lower_multiplier(tiny, vowel):
    c = replace(tiny("bottleneck"), n_modules=2)
    r = Recipe(c, bitrates_bps=(9e3, 20e3))
    graph, params = nnx.split(Model(c, rngs=nnx.Rngs(0)), nnx.Param)
    batch = prepare(vowel(120)[None], c, 4)
    control = start_control(c, 8.0)._replace(excess=jnp.float32(0.1))
    state = loop.State(params, None, control, start_averages(params))
    states = [initialise_quantiser(r, graph, lambda i: batch, state, phase) for phase in phases_of(r)[:2]]
    first, second = (multiplier(after.control) for after in states)
    assert first == pytest.approx(8 * np.exp(0.2), rel=1e-4) and second == pytest.approx(2.0, rel=1e-4)


def test_the_first_module_starts_above_its_target_and_further_ones_at_it():
    r = replace(PRESETS["cmrl"], unquantised=0.1, descent=0.4, start_bps=13500.0)
    first, second, joint = phases_of(r)
    found = [target_bps_at(r, first, done) for done in (0.0, 0.1, 0.3, 0.5, 1.0)]
    assert found == pytest.approx([13500, 13500, 6750, 3375, 3375])
    assert target_bps_at(r, second, 0.0) == target_bps_at(r, joint, 0.0) == 9000
    assert target_bps_at(replace(r, start_bps=1e3), first, 0.0) == 3375


def test_averages_are_means_at_first_and_then_forget(monkeypatch):
    monkeypatch.setattr(training, "AVERAGED_STEPS", 3)
    update = update_averages.__wrapped__
    averages = start_averages({"a": jnp.float32(100)})
    for value in (1, 2, 3):
        averages = update(averages, {"a": jnp.float32(value)})
    assert float(averages[0]["a"]) == pytest.approx(2)
    assert float(update(averages, {"a": jnp.float32(8)})[0]["a"]) == pytest.approx(4)


def test_a_further_module_learns_before_it_pays():
    r = replace(PRESETS["cmrl"], unquantised=0.1, multiplier_ramp=0.4)
    first, second, joint = phases_of(r)
    assert [multiplier_factor_at(r, second, done) for done in (0, 0.1, 0.3, 0.5, 1)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert multiplier_factor_at(r, first, 0.1) == multiplier_factor_at(r, joint, 0.0) == 1


def test_no_corpus_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="is not a folder"):
        train(replace(PRESETS["cmrl"], data=str(tmp_path / "nowhere")), tmp_path / "run", quiet=True)
