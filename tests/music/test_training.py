"""The codec for music trained from given weights, pruned, and trained again: all these weights code bytes."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import soundfile
from flax import nnx

from lpcnet_cq.checkpoint.training_files import save_weights
from lpcnet_cq.checkpoint.weights import flatten, load_weights
from lpcnet_cq.cli import main
from lpcnet_cq.codec import Codec
from lpcnet_cq.music.freeze import freeze, thaw
from lpcnet_cq.pruning.config import PruneConfig
from lpcnet_cq.pruning.prune import prune
from lpcnet_cq.training import loop
from lpcnet_cq.training.presets import PRESETS, preset_for_weights
from lpcnet_cq.training.train import train

pytestmark = pytest.mark.usefixtures("little_memory")
TINY = PRESETS["audio-tiny"]
FS, Q = TINY.codec.spec.sample_rate_hz, TINY.codec.n_steps
MEAN_RATES_BPS = [round(400000 * 0.9**q) for q in range(Q)]
NOTES = {"steps": [0, Q], "mean_rates_bps": MEAN_RATES_BPS, "supported_bps": [40000, 400000]}
SPARSITY = 0.75


def settings(init, purpose, data, steps):
    """Return settings of a short training from weights."""
    return replace(preset_for_weights(str(init), purpose), data=str(data), steps=steps, seconds=0.1)


def train_all(folder, plucked, params):
    """Write dense weights and data; prune and train in folders of a folder."""
    (folder / "data").mkdir()
    for i in range(2):
        soundfile.write(folder / f"data/{i}.wav", plucked[:: i + 1, 0], FS)
    integers = freeze(jax.tree.map(np.asarray, nnx.to_pure_dict(params)), TINY.codec)
    dense = folder / "dense.safetensors"
    save_weights(dense, params, integers, TINY.codec, NOTES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LPCNET_CQ_CACHE", str(folder / "cache"))
        made = {}  # all runs share one compiled step
        make_step = loop.make_step
        patch.setattr(loop, "make_step", lambda *of: made.setdefault("step", make_step(*of)))
        t = settings(dense, "prune", folder / "data", 6)
        p = PruneConfig(t, method="gradual", sparsity=SPARSITY, events=2)
        pruned = prune(p, folder / "pruned", quiet=True)
        prune(replace(p, method="csp", pattern="inputs"), folder / "narrow", quiet=True)
        for name, init in (("trained", dense), ("again", pruned)):
            train(settings(init, "continue", folder / "data", 3), folder / name, quiet=True)


@pytest.fixture(scope="module")
def paths(made_once, plucked, music_model):
    """Return the paths of dense weights, of those trained on, pruned by weights and by channels, and trained again."""
    folder = made_once("music-training", lambda folder: train_all(folder, plucked, music_model[1]))
    trained = {name: folder / name / "weights.safetensors" for name in ("trained", "pruned", "narrow", "again")}
    return {"dense": folder / "dense.safetensors"} | trained


@pytest.mark.parametrize("name", ["trained", "pruned", "narrow", "again"])
def test_weights_code_bytes(paths, plucked, name):
    codec = Codec(paths[name])
    y, fs = codec.decode(codec.encode(plucked, FS, codec.bitrates_bps[1]))
    assert fs == FS and y.shape == plucked.shape and np.isfinite(y).all() and np.abs(y).max() > 0.01


def test_layers_are_as_sparse_as_asked_and_tables_stay(paths):
    dense, pruned = (flatten(load_weights(paths[name]).floats) for name in ("dense", "pruned"))
    assert dense.keys() == pruned.keys()
    zeros = {name: np.mean(value == 0) for name, value in pruned.items()}
    for name in ("decoder/lines/0/kernel", "decoder/lines/1/conv/kernel", "entropy/latent/w1", "entropy/side/w1"):
        assert zeros[name] >= SPARSITY - 1e-6, name
    assert zeros["allocation/bias"] == zeros["blocks/long"] == 0
    assert paths["pruned"].stat().st_size < paths["dense"].stat().st_size / 3


def test_channels_that_nothing_reads_are_gone(paths):
    dense, narrow = (flatten(load_weights(paths[name]).floats) for name in ("dense", "narrow"))
    C = TINY.codec.fine
    assert dense["decoder/lines/1/point/kernel"].shape == (1, C, C)
    assert narrow["decoder/lines/1/point/kernel"].shape == (1, C - round(SPARSITY * C), C)


def test_weights_name_those_they_come_from(paths):
    for name, init in (("trained", "dense"), ("pruned", "dense"), ("again", "pruned")):
        assert load_weights(paths[name]).notes["from"] == load_weights(paths[init]).sha256


def test_the_entropy_model_is_thawed_but_for_rounding(paths):
    dense = load_weights(paths["dense"])
    thawed = flatten(thaw(dense.integers, dense.config))
    floats = flatten(dense.floats["entropy"])
    assert floats.keys() == thawed.keys()
    for name, value in floats.items():
        known = np.triu(value, 1) if "triangular" in name else value
        np.testing.assert_allclose(thawed[name], known, atol=2e-3, err_msg=name)


@pytest.fixture
def asked(monkeypatch, paths):
    """Return what the commands ask training and pruning for, which are not run."""
    asked = []
    monkeypatch.setattr("lpcnet_cq.training.train.train", lambda t, _: asked.append(t) or paths["trained"])
    monkeypatch.setattr("lpcnet_cq.pruning.prune.prune", lambda p, _: asked.append(p) or paths["pruned"])
    monkeypatch.setattr("lpcnet_cq.cli.training.report_run", lambda *_: None)
    monkeypatch.setattr("lpcnet_cq.evaluation.plots.training_curves", lambda *_: None)
    return asked


def test_the_command_takes_preset_and_rates_from_the_weights(paths, asked, tmp_path, capsys):
    init = str(paths["dense"])
    options = ["--init", init, "--data", "d", "--minutes", "2", "--out", str(tmp_path)]
    assert main(["train", *options]) == 0
    expected = replace(preset_for_weights(init), data="d", minutes=2.0)
    assert asked.pop() == expected and expected.bitrates_bps == (64000, 128000)
    assert main(["train", "--preset", "audio", "--bitrate", "64k", *options]) == 0
    assert asked.pop() == replace(expected, bitrates_bps=(64000.0, 64000.0))
    assert main(["train", "--preset", "cq", *options]) == 1
    assert f"--preset is cq, it must be audio with the weights `{init}`" in capsys.readouterr().err
    assert main(["prune", "--bitrate", "64k-128k", "--sparsity", "0.5", *options]) == 0
    t = replace(preset_for_weights(init, "prune"), data="d", minutes=2.0)
    assert asked == [PruneConfig(t, sparsity=0.5)]
