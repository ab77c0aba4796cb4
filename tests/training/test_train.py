"""Training in small: it learns, it is a function of its seed, and an interruption leaves no trace.

The smallest preset, some thirty steps, on vowels that are made here.
"""

import json
import pickle
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest
import soundfile
from flax import nnx

from lpcnet_cq.checkpoint.weights import flatten, load_weights
from lpcnet_cq.codec import Codec
from lpcnet_cq.speech.model import Model
from lpcnet_cq.training import loop
from lpcnet_cq.training.config import MusicLoss, SpeechLoss, Stages
from lpcnet_cq.training.loop import Position, partition
from lpcnet_cq.training.presets import PRESETS, preset_for_weights
from lpcnet_cq.training.speech_data import Batches
from lpcnet_cq.training.tasks import read_config
from lpcnet_cq.training.train import phases_of, setting_at, train

STEPS, STOP = 32, 20
PHASES, PHASE_STOP = 16, 10  # phases end at 8, 12 and 16
FIRST, LATER = ("entropy",), ("postfilter",)  # of the runs in phases, whose steps are compiled in little time


pytestmark = pytest.mark.usefixtures("little_memory")


def write_corpus(folder, vowel):
    """Write recordings of three speakers; return the folder."""
    for name, f0_hz, formants_hz in (
        ("ann", 210, (700, 1200, 2600)),
        ("ben", 110, (300, 2200, 3000)),
        ("cy", 150, (400, 800, 2500)),
    ):
        (folder / name).mkdir(parents=True)
        soundfile.write(folder / name / "a.wav", vowel(f0_hz, formants_hz, seconds=4), 16000)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, vowel):
    return write_corpus(tmp_path_factory.mktemp("corpus"), vowel)


def settings(folder):
    """Return the settings of the runs in a folder, and those in phases."""
    t = replace(PRESETS["tiny"], data=str(folder / "corpus"), steps=STEPS, warmup_steps=3, checkpoint_minutes=60.0)
    t = replace(t, annealing=0.01, loss=SpeechLoss(pesq_from=0.0))  # the whole loss from the first step on
    t = replace(t, step_margin=9.0)  # all step sizes, as in the tests of pruning, which run the same compiled step
    parts = [*nnx.state(nnx.eval_shape(lambda: Model(t.codec, rngs=nnx.Rngs(0))), nnx.Param)]
    frozen = tuple(part for part in parts if part not in FIRST + LATER)
    return t, replace(t, steps=PHASES, stages=Stages((LATER,)), frozen=frozen)


def settings_again(t, whole):
    """Return settings of a run that trains the weights of another one on, with a learning rate of next to nothing."""
    again = preset_for_weights(str(whole))
    return replace(again, data=t.data, batch=2, seconds=0.4, steps=2, step_margin=9.0, learning_rate=1e-9)


def train_all(folder, vowel, forget):
    """Train in folders of a folder, see `runs`."""
    write_corpus(folder / "corpus", vowel)
    t, phased = settings(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LPCNET_CQ_CACHE", str(folder / "cache"))
        patch.setattr(loop, "LOG_EVERY", 5)
        made, before = {}, []  # runs that train the same parts share compiled steps; parameters before each step
        make_step, take_step = loop.make_step, loop.take_step

        def shared_step(run, phase):
            return made.setdefault(frozenset(phase.trained), make_step(run, phase))

        def watched(run, state, *arguments):
            if len(run.phases) > 1:
                before.append(flatten(jax.tree.map(np.array, nnx.to_pure_dict(state.params))))
            return take_step(run, state, *arguments)

        patch.setattr(loop, "make_step", shared_step)
        patch.setattr(loop, "take_step", watched)
        train(t, folder / "whole", quiet=True)
        interrupted_run(t, STOP, folder / "parts")
        train(settings_again(t, folder / "whole"), folder / "again", quiet=True)
        made.clear()
        forget()
        train(phased, folder / "phases-whole", quiet=True)
        (folder / "before.pickle").write_bytes(pickle.dumps(before))
        interrupted_run(phased, PHASE_STOP, folder / "phases-parts")


@pytest.fixture(scope="module")
def runs(made_once, vowel, little_memory):
    """Run once, and once more with the same seed and an interruption, and both in phases too.

    Returns configuration and folders, whole and in parts, the same in phases, and parameters before the steps there.
    """
    folder = made_once("train", lambda folder: train_all(folder, vowel, little_memory))
    before = pickle.loads((folder / "before.pickle").read_bytes())
    t, phased = settings(folder)
    return t, folder / "whole", folder / "parts", phased, folder / "phases-whole", folder / "phases-parts", before


def interrupted_run(t, at_step, folder):
    """Train, end at a step with checkpoints after every one, and go on."""
    batch = Batches.batch

    def interrupted(self, step, rows=None):
        if step == at_step:
            raise KeyboardInterrupt
        return batch(self, step, rows)

    with pytest.MonkeyPatch.context() as stop, pytest.raises(KeyboardInterrupt):
        stop.setattr(Batches, "batch", interrupted)
        train(replace(t, checkpoint_minutes=0.0), folder, quiet=True)
    assert not (folder / "weights.safetensors").exists()
    train(t, folder, quiet=True)


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_loss_falls(runs):
    """In thirty steps the distortion falls by a twelfth at least: networks and codebooks learn."""
    lines = metrics(runs[1])
    assert [line["step"] for line in lines] == [5, 10, 15, 20, 25, 30, 32]
    assert lines[-1]["loss"] < 0.92 * lines[0]["loss"]
    assert lines[-1]["mel"] < 0.92 * lines[0]["mel"]
    assert all(np.isfinite(value) for line in lines for value in line.values())


def test_parts_of_the_rate_are_its_sum(runs):
    for line in metrics(runs[1]):
        assert line["bps"] == pytest.approx(line["lsf_bps"] + line["gain_bps"] + line["latent_bps"], abs=0.1)


@pytest.mark.parametrize("first", [1, 4], ids=["at once", "in phases"])
def test_same_seed_gives_the_same_metrics_and_weights_through_an_interruption(runs, first):
    whole, parts = runs[first : first + 2]
    timeless = [[{k: v for k, v in line.items() if k != "minutes"} for line in metrics(f)] for f in (whole, parts)]
    assert timeless[0] == timeless[1]
    a, b = (load_weights(f / "weights.safetensors") for f in (whole, parts))
    found = flatten(b.floats) | b.integers
    for name, value in (flatten(a.floats) | a.integers).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_run_says_what_it_was(runs):
    t, whole, *_ = runs
    assert read_config(whole) == t and read_config(runs[4]) == runs[3]
    notes = load_weights(whole / "weights.safetensors").notes
    assert notes["step"] == STEPS and notes["bitrates_bps"] == [9000, 24000]


def test_weights_know_their_rates(runs):
    """Finer steps cost more; what any speech reaches lies within."""
    notes = load_weights(runs[1] / "weights.safetensors").notes
    assert notes["steps"] == [0, PRESETS["tiny"].codec.n_steps] and len(notes["mean_rates_bps"]) == notes["steps"][1]
    assert (np.diff(notes["mean_rates_bps"]) < 0).all()
    low, high = notes["supported_bps"]
    assert low % 100 == high % 100 == 0 and notes["mean_rates_bps"][-1] < low and high < notes["mean_rates_bps"][0]


def test_trained_weights_make_a_codec(runs, vowel):
    codec = Codec(runs[1] / "weights.safetensors")
    x = vowel(130, (500, 1500, 2500))
    y, _ = codec.decode(codec.encode(x, 16000, codec.bitrates_bps[1]))
    assert len(y) == len(x) and np.isfinite(y).all() and np.abs(y).max() > 0.01


def test_finished_run_is_left_as_it_is(runs, tmp_path, monkeypatch):
    t, whole, *_ = runs
    monkeypatch.setenv("LPCNET_CQ_CACHE", str(whole.parent / "cache"))
    copy = shutil.copytree(whole, tmp_path / "whole")  # other processes read the folder
    again = load_weights(train(t, copy, quiet=True))
    assert (copy / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    assert again.notes["step"] == STEPS


def test_weights_are_trained_on_with_settings_that_fit_them(runs):
    """With a learning rate of next to nothing they stay as they are; and they name the weights they come from."""
    t, whole, *_ = runs
    again = settings_again(t, whole)
    assert again.codec == t.codec and again.loss == SpeechLoss(pesq_from=0.0) and again.annealing == 0
    before, after = (load_weights(f / "weights.safetensors") for f in (whole, whole.parent / "again"))
    found = flatten(after.floats)
    for name, value in flatten(before.floats).items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, err_msg=name)
    assert after.notes["from"] == before.sha256 and "from" not in before.notes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"init": "cq"}, "`codec` must be the configuration of the weights `cq`"),
        ({"init": "cqq"}, "no weights `cqq`"),
        ({"loss": MusicLoss()}, "`loss` is a MusicLoss, it must be a SpeechLoss for this codec"),
    ],
)
def test_settings_that_do_not_fit_are_refused(corpus, tmp_path, changes, reason):
    with pytest.raises(ValueError, match=reason):
        train(replace(PRESETS["tiny"], data=str(corpus), **changes), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def rates_of(t, n):
    """Return the learning rate of every step of a run of n."""
    phases, rates, since, index = phases_of(t, MODEL), [], 0, 0
    for i in range(n):
        if phases[index].done(i / n) >= 1:
            index, since = index + 1, i
        position = Position(i / n, phases[index].done(i / n), i - since)
        rates.append(float(setting_at(t, phases[index], position).learning_rate))
    return np.array(rates)


def test_learning_rate_warms_up_and_falls_to_nothing():
    rates = rates_of(replace(PRESETS["cq"], warmup_steps=10, learning_rate=1.0), 100)
    assert rates[0] == pytest.approx(0.1) and np.argmax(rates) == 9
    assert rates[50] == pytest.approx(0.5) and rates[99] == pytest.approx(0, abs=1e-3)
    assert (np.diff(rates[10:]) < 0).all()


@pytest.mark.parametrize(("annealing", "hardness"), [(0.5, [0, 0.5, 1, 1]), (0.0, [1, 1, 1, 1])])
def test_quantisers_harden_over_the_annealing(annealing, hardness):
    t = replace(PRESETS["cq"], annealing=annealing)
    (phase,) = phases_of(t, MODEL)
    settings = [setting_at(t, phase, Position(progress, progress, 0)) for progress in (0, 0.25, 0.5, 1)]
    assert [float(s.scalars["hardness"]) for s in settings] == pytest.approx(hardness)
    assert [float(s.scalars["progress"]) for s in settings] == pytest.approx([0, 0.25, 0.5, 1])


MODEL = {"lsf": {"mean": 0, "basis": 0}, "gain": {"basis": 0}, "encoder": {"fine": [0, 0]}, "postfilter": 0}


def test_only_frozen_parts_stay_as_they_start():
    t = replace(PRESETS["cq"], frozen=("lsf",))
    (phase,) = phases_of(t, MODEL)
    assert phase.trained == ("gain", "encoder", "postfilter") and phase.end == 1
    assert phases_of(PRESETS["cq"], MODEL)[0].trained == tuple(MODEL)


def test_later_groups_learn_on_what_the_earlier_left_then_all_together():
    stages = Stages((("gain",), ("postfilter",)), shares=(2, 1, 1), joint_rate=0.3)
    t = replace(PRESETS["cq"], frozen=("lsf",), stages=stages, learning_rate=1.0)
    phases = phases_of(t, MODEL)
    assert [p.trained for p in phases] == [("encoder",), ("gain",), ("postfilter",), ("encoder", "gain", "postfilter")]
    assert [p.end for p in phases] == pytest.approx([0.4, 0.6, 0.8, 1])
    assert [p.learning_rate for p in phases] == [1, 1, 1, 0.3]


TWICE = Stages((("postfilter",), ("lsf", "postfilter")))


@pytest.mark.parametrize("changes", [{"frozen": ("comp",)}, {"stages": TWICE}])
def test_parts_must_be_known_and_named_once(changes):
    with pytest.raises(ValueError, match="must be one of lsf, gain, encoder, postfilter, and occur once"):
        phases_of(replace(PRESETS["cq"], **changes), MODEL)


def test_parameters_are_trained_in_the_phases_of_their_part():
    t = replace(PRESETS["tiny"], frozen=("lsf",), stages=Stages((LATER,)))
    params = nnx.state(nnx.eval_shape(lambda: Model(t.codec, rngs=nnx.Rngs(0))), nnx.Param)
    first, later, joint = ({*nnx.to_pure_dict(partition(params, phase)[0])} for phase in phases_of(t, params))
    assert later == {*LATER} and joint == {*params} - {"lsf"} and first == joint - later


def test_every_phase_warms_up_anew():
    t = replace(PRESETS["cq"], warmup_steps=20, learning_rate=1.0, stages=Stages((("postfilter",),)))
    rates = rates_of(t, 100)
    assert [np.argmax(rates[a:b]) for a, b in ((0, 50), (50, 75), (75, 100))] == [9, 4, 4]
    assert rates[75:].max() < 0.25 < 0.8 < rates[50:75].max()


def test_the_optimiser_forgets_where_a_phase_begins(runs):
    """Without optimiser_state, Adam's first step is as long for every parameter."""
    t, before = runs[3], runs[-1]
    taps = [of["postfilter/gains/bias"] for of in before[12:14]]
    assert np.abs(taps[1] - taps[0]) == pytest.approx(np.abs(taps[1] - taps[0]).max(), rel=1e-3)
    assert t.stages.groups == (LATER,)


def test_each_phase_changes_what_it_trains_and_nothing_else(runs):
    before = runs[-1]
    for first, last, parts in ((0, 8, FIRST), (8, 12, LATER), (12, 15, FIRST + LATER)):
        moved = {name for name, value in before[last].items() if not np.array_equal(value, before[first][name])}
        trained = {name for name in before[last] if name.split("/")[0] in parts}
        matrices = {name for name in trained if before[last][name].ndim > 1}
        assert matrices and matrices <= moved <= trained


def test_no_corpus_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="is not a folder"):
        train(replace(PRESETS["tiny"], data=str(tmp_path / "nowhere")), tmp_path / "run", quiet=True)
