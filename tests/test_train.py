"""Training in small: it learns, it is a function of its seed, and an interruption leaves no trace.

The smallest preset, some thirty steps, on vowels that are made here.
"""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
import soundfile

from lpcnet_cq import train as training
from lpcnet_cq.codec import Codec
from lpcnet_cq.config import PRESETS
from lpcnet_cq.data import Batches
from lpcnet_cq.train import learning_rate, train, trainable
from lpcnet_cq.weights import flatten, load_weights

STEPS, STOP = 32, 20


pytestmark = pytest.mark.usefixtures("quick_compilation")  # far less is run than compiled


@pytest.fixture(scope="module")
def runs(tmp_path_factory, vowel):
    """Run once, and once more with the same seed and an interruption; return configuration and both folders."""
    folder = tmp_path_factory.mktemp("train")
    for name, f0_hz, formants_hz in (
        ("ann", 210, (700, 1200, 2600)),
        ("ben", 110, (300, 2200, 3000)),
        ("cy", 150, (400, 800, 2500)),
    ):
        (folder / "data" / name).mkdir(parents=True)
        soundfile.write(folder / "data" / name / "a.wav", vowel(f0_hz, formants_hz, seconds=4), 16000)
    t = replace(PRESETS["tiny"], data=str(folder / "data"), steps=STEPS, warmup_steps=3, checkpoint_minutes=60.0)
    t = replace(t, soften=0.01, disturbance_from=0.0)  # all of the loss from the first step on, so that losses compare
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LPCNET_CQ_CACHE", str(folder / "cache"))
        patch.setattr(training, "LOG_EVERY", 5)
        made = {}  # the three runs share one compiled step
        make_step = training.make_step
        patch.setattr(training, "make_step", lambda *args: made.setdefault("step", make_step(*args)))
        train(t, folder / "whole", quiet=True)
        batch = Batches.batch

        def interrupted(self, step):
            if step == STOP:
                raise KeyboardInterrupt
            return batch(self, step)

        with pytest.MonkeyPatch.context() as stop, pytest.raises(KeyboardInterrupt):
            stop.setattr(Batches, "batch", interrupted)
            train(replace(t, checkpoint_minutes=0.0), folder / "parts", quiet=True)
        assert not (folder / "parts" / "weights.safetensors").exists()
        train(t, folder / "parts", quiet=True)
    return t, folder / "whole", folder / "parts"


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


def test_same_seed_gives_the_same_metrics_and_weights_through_an_interruption(runs):
    _, whole, parts = runs
    timeless = [[{k: v for k, v in line.items() if k != "minutes"} for line in metrics(f)] for f in (whole, parts)]
    assert timeless[0] == timeless[1]
    a, b = (load_weights(f / "weights.safetensors") for f in (whole, parts))
    found = flatten(b.floats) | b.integers
    for name, value in (flatten(a.floats) | a.integers).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_run_says_what_it_was(runs):
    t, whole, _ = runs
    assert json.loads((whole / "config.json").read_text()) == json.loads(json.dumps(t.as_dict()))
    notes = load_weights(whole / "weights.safetensors").notes
    assert notes["step"] == STEPS and notes["bitrates_bps"] == [9000, 24000]


def test_weights_know_their_rates(runs):
    """Finer steps cost more; what any speech reaches lies within."""
    notes = load_weights(runs[1] / "weights.safetensors").notes
    assert notes["steps"] == [0, PRESETS["tiny"].codec.n_steps] and len(notes["usual_bps"]) == notes["steps"][1]
    assert (np.diff(notes["usual_bps"]) < 0).all()
    low, high = notes["reach_bps"]
    assert low % 100 == high % 100 == 0 and notes["usual_bps"][-1] < low and high < notes["usual_bps"][0]


def test_trained_weights_make_a_codec(runs, vowel):
    codec = Codec(runs[1] / "weights.safetensors")
    x = vowel(130, (500, 1500, 2500))
    y, _ = codec.decode(codec.encode(x, 16000, codec.bitrates_bps[1]))
    assert len(y) == len(x) and np.isfinite(y).all() and np.abs(y).max() > 0.01


def test_finished_run_is_left_as_it_is(runs, monkeypatch):
    t, whole, _ = runs
    monkeypatch.setenv("LPCNET_CQ_CACHE", str(whole.parent / "cache"))
    before = (whole / "metrics.jsonl").read_text()
    again = load_weights(train(t, whole, quiet=True))
    assert (whole / "metrics.jsonl").read_text() == before
    assert again.notes["step"] == STEPS


def test_learning_rate_warms_up_and_falls_to_nothing():
    t = replace(PRESETS["cq"], warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate(t, i, i / 100) for i in range(101)]
    assert rates[0] == pytest.approx(0.1) and np.argmax(rates) == 9
    assert rates[50] == pytest.approx(0.5) and rates[100] == pytest.approx(0)
    assert (np.diff(rates[10:]) < 0).all()


def test_only_frozen_parts_stay_as_they_start():
    tree = {"lsf": {"mean": 0, "basis": 0}, "gain": {"basis": 0}, "encoder": {"fine": 0}}
    frozen = jax.tree.map(lambda _: 1.0, tree) | {"lsf": {"mean": 0.0, "basis": 0.0}}
    assert trainable(tree, ("lsf",)) == frozen
    assert set(jax.tree.leaves(trainable(tree, ()))) == {1.0}


def test_no_corpus_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="is no folder"):
        train(replace(PRESETS["tiny"], data=str(tmp_path / "nowhere")), tmp_path / "run", quiet=True)
