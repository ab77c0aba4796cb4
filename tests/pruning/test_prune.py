"""Pruning in small: it ends as sparse as asked, in a small file that is a codec like any other.

The smallest preset, a dozen steps, on vowels that are made here.
"""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from lpcnet_cq.checkpoint.training_files import save_weights
from lpcnet_cq.checkpoint.weight_groups import UNSTRUCTURED
from lpcnet_cq.checkpoint.weights import flatten, load_weights
from lpcnet_cq.cli import main
from lpcnet_cq.codec import Codec
from lpcnet_cq.pruning.config import PruneConfig, read_config
from lpcnet_cq.pruning.prune import is_pruned, prune
from lpcnet_cq.pruning.size_report import report, tensor_sizes
from lpcnet_cq.training import loop
from lpcnet_cq.training.presets import PRESETS, preset_for_weights
from lpcnet_cq.training.speech_task import SPEECH

TINY = PRESETS["tiny"]
NOTES = {"steps": [0, 17], "mean_rates_bps": [round(36000 * 0.9**q) for q in range(17)], "supported_bps": [9000, 24000]}
STEPS, SPARSITY = 12, 0.75

pytestmark = pytest.mark.usefixtures("little_memory")


def settings(init, data, steps):
    """Return settings of a short training of the smallest crops, with the compiled step of `training/test_train`."""
    t = preset_for_weights(str(init), "prune")
    return replace(t, data=str(data), steps=steps, batch=2, seconds=0.4, step_margin=9.0)


def prune_all(folder, vowel, params, integers):
    """Write dense weights and data, and prune in folders of a folder by pattern."""
    for name, f0_hz in (("ann", 210), ("ben", 110)):
        (folder / "data" / name).mkdir(parents=True)
        soundfile.write(folder / "data" / name / "a.wav", vowel(f0_hz, (500, 1500, 2500), seconds=4), 16000)
    save_weights(folder / "dense.safetensors", params, integers, TINY.codec, NOTES)
    t = settings(folder / "dense.safetensors", folder / "data", STEPS)
    p = PruneConfig(t, method="gradual", sparsity=SPARSITY, events=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LPCNET_CQ_CACHE", str(folder / "cache"))
        made = {}  # both runs share one compiled step
        make_step = loop.make_step
        patch.setattr(loop, "make_step", lambda *of: made.setdefault("step", make_step(*of)))
        prune(p, folder / "single", quiet=True)
        prune(replace(p, method="csp", pattern="inputs"), folder / "inputs", quiet=True)


@pytest.fixture(scope="module")
def runs(made_once, vowel, speech_model, speech_integers):
    """Return the dense weights' path, and by pattern those of runs that pruned them."""
    folder = made_once("prune", lambda folder: prune_all(folder, vowel, speech_model[1], speech_integers))
    return folder / "dense.safetensors", {name: folder / name / "weights.safetensors" for name in ("single", "inputs")}


def test_every_layer_is_as_sparse_as_asked(runs):
    dense, paths = (flatten(load_weights(path).floats) for path in (runs[0], runs[1]["single"]))
    assert dense.keys() == paths.keys()
    chosen = [name for name, value in dense.items() if is_pruned(UNSTRUCTURED, SPEECH.dense, name, value)]
    assert {"encoder/down/kernel", "decoder/fine/0/conv/kernel", "entropy/latent/wp"} < set(chosen)
    assert not any(word in name for name in chosen for word in ("lapped", "basis", "triangular", "bias"))
    zeros = {name: np.mean(value == 0) for name, value in paths.items()}
    for name in chosen:
        size = dense[name].size
        assert zeros[name] >= round(SPARSITY * size) / size - 1e-6, name
    assert max(share for name, share in zeros.items() if "lapped" in name) < 0.01


def test_survivors_were_trained(runs):
    dense, pruned = (flatten(load_weights(path).floats)["decoder/up/kernel"] for path in (runs[0], runs[1]["single"]))
    alive = pruned != 0
    assert 1e-5 < np.mean(np.abs(pruned - dense)[alive]) / np.mean(np.abs(dense)) < 2


def test_the_sparse_file_is_small_and_says_what_it_is(runs):
    before, path = runs[0], runs[1]["single"]
    assert path.stat().st_size < before.stat().st_size / 3
    notes = load_weights(path).notes
    assert (notes["method"], notes["sparsity"], notes["pattern"]) == ("gradual", SPARSITY, "single")
    assert notes["step"] == STEPS and notes["from"] == load_weights(before).sha256


@pytest.mark.parametrize("pattern", ["single", "inputs"])
def test_pruned_weights_make_a_codec(runs, vowel, pattern):
    codec = Codec(runs[1][pattern])
    x = vowel(130)
    y, _ = codec.decode(codec.encode(x, 16000, codec.bitrates_bps[0]))
    assert len(y) == len(x) and np.isfinite(y).all() and np.abs(y).max() > 0.001


def test_channels_that_nothing_reads_are_gone(runs):
    wide, thin = (flatten(load_weights(path).floats) for path in (runs[0], runs[1]["inputs"]))
    changed = {name for name in wide if wide[name].shape != thin[name].shape}
    assert changed and all("/conv/" in name or "/point/kernel" in name for name in changed)
    for name in (name for name in changed if name.endswith("point/kernel")):
        _, C, O = wide[name].shape
        left = C - round(SPARSITY * C)
        assert thin[name].shape == (1, left, O)
        assert thin[name.replace("point", "conv")].shape[-1] == left


def test_sizes_add_up_to_the_file(runs):
    for path in (runs[0], *runs[1].values()):
        found = tensor_sizes(path)
        assert path.stat().st_size - 40000 < sum(of.n_bytes for of in found) < path.stat().st_size
    single = {of.name: of for of in tensor_sizes(runs[1]["single"])}
    up = single["decoder/up/kernel"]
    assert up.n_values == 24 * 64 and up.zeros == pytest.approx(SPARSITY, abs=0.01)
    assert up.n_bytes == pytest.approx(0.25 * 2 * up.n_values + up.n_values / 8 + 20, abs=8)
    text = report(runs[1]["single"], runs[0])
    assert f"{runs[0].stat().st_size:,} bytes" in text and "| decoder/up/kernel | 1,536 | 75 % |" in text


def test_a_run_says_what_it_was(runs):
    dense, paths = runs
    p = read_config(paths["inputs"].parent)
    assert (p.method, p.pattern, p.sparsity, p.train.init) == ("csp", "inputs", SPARSITY, str(dense))
    assert p.train == settings(dense, dense.parent / "data", STEPS)


def test_command_line_prunes_reports_and_evaluates(runs, tmp_path, monkeypatch, capsys):
    dense, paths = runs
    asked, shown = [], []
    monkeypatch.setattr("lpcnet_cq.pruning.prune.prune", lambda p, workdir: asked.append(p) or paths["single"])
    monkeypatch.setattr("lpcnet_cq.cli.training.report_run", lambda *of: shown.append(of))
    out = tmp_path / "run"
    options = f"--bitrate 9k --sparsity 0.7 --method l1 --pattern 1x8 --minutes 2 --data d --init {dense} --out {out}"
    out.mkdir()
    assert main(["prune", *options.split()]) == 0
    t = replace(preset_for_weights(str(dense), "prune"), data="d", bitrates_bps=(9000.0, 9000.0), minutes=2.0)
    assert asked == [PruneConfig(t, method="l1", sparsity=0.7, pattern="1x8")]
    assert shown == [(paths["single"], "d", 9000, 9000)]
    assert (out / "sizes.md").read_text() in capsys.readouterr().out
    (out / "checkpoint.safetensors").touch()
    assert main(["prune", *options.split()]) == 1
    assert "contains a run; use another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"pattern": "2x2"}, "`pattern` is '2x2'"),
        ({"sparsity": 1.0}, "`sparsity` is 1.0"),
        ({"events": 0}, "`events` is 0"),
        ({"train": PRESETS["cq-prune"]}, "`train.init` is empty"),
    ],
)
def test_wrong_settings_are_named(wrong, reason):
    with pytest.raises(ValueError, match=reason):
        replace(PruneConfig(replace(PRESETS["cq-prune"], init="cq")), **wrong)


def test_an_unknown_method_is_named(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("LPCNET_CQ_CACHE", str(tmp_path))
    t = settings(runs[0], runs[0].parent / "data", 2)
    with pytest.raises(ValueError, match="`method` is 'magic'"):
        prune(PruneConfig(t, method="magic"), tmp_path / "run", quiet=True)
