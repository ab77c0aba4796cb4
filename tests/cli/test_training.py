"""What the commands `train` and `prune` ask for: settings of presets, weights and earlier runs, and of the options."""

import json
from dataclasses import replace

import pytest

from lpcnet_cq.cli import main
from lpcnet_cq.pruning.config import PruneConfig
from lpcnet_cq.training.presets import PRESETS, preset_for_weights


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Return settings and folders that training and pruning were asked for; neither is run."""
    asked = []

    def run(settings, workdir):
        asked.append((settings, workdir))
        workdir.mkdir(parents=True, exist_ok=True)
        return workdir / "weights.safetensors"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lpcnet_cq.training.train.train", run)
    monkeypatch.setattr("lpcnet_cq.pruning.prune.prune", run)
    monkeypatch.setattr("lpcnet_cq.pruning.size_report.report", lambda *_: "")
    monkeypatch.setattr("lpcnet_cq.training.corpus.default_corpus", lambda part: f"corpus of {part}")
    monkeypatch.setattr("lpcnet_cq.cli.training.report_run", lambda *_: None)
    monkeypatch.setattr("lpcnet_cq.evaluation.plots.training_curves", lambda *_: None)
    return asked


def settings(asked, *arguments):
    """Return what the only call of a command asked for, and the folder's name."""
    assert main([*arguments]) == 0
    ((found, workdir),) = asked
    asked.clear()
    return found, str(workdir)


def test_presets_bring_their_rates_corpora_and_folders(asked):
    assert settings(asked, "train") == (replace(PRESETS["cq"], data="corpus of speech/"), "runs/9000-24000")
    assert settings(asked, "train", "--preset", "audio") == (
        replace(PRESETS["audio"], data="corpus of audio/"),
        "runs/64000-128000",
    )


def test_options_change_settings(asked):
    options = "--bitrate 9.6k --minutes 2.5 --data d --seed 3 --batch 4 --out o"
    expected = replace(PRESETS["cq"], bitrates_bps=(9600.0, 9600.0), minutes=2.5, data="d", seed=3, batch=4)
    assert settings(asked, "train", *options.split()) == (expected, "o")


@pytest.mark.parametrize(("init", "part"), [("cq-sparse", "speech/"), ("audio", "audio/")])
def test_weights_bring_preset_rates_and_corpora(asked, init, part):
    data = f"corpus of {part}"
    assert settings(asked, "train", "--init", init)[0] == replace(preset_for_weights(init), data=data)
    found, _ = settings(asked, "prune", "--init", init, "--pattern", "inputs")
    assert found == PruneConfig(replace(preset_for_weights(init, "prune"), data=data), pattern="inputs")


def test_pruning_starts_from_the_released_weights(asked):
    found, folder = settings(asked, "prune", "--data", "d")
    assert found == PruneConfig(replace(PRESETS["cq-prune"], init="cq", data="d"))
    assert folder == "runs/9000-24000-sparse" and found.train.minutes == 5


def test_a_preset_that_is_not_that_of_the_weights_is_refused(asked, capsys):
    assert settings(asked, "train", "--preset", "audio", "--init", "audio")[0].init == "audio"
    assert main(["train", "--preset", "audio", "--init", "cq"]) == 1
    assert "--preset is audio, it must be cq with the weights `cq`" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", "2147483648", "x"])
def test_seeds_are_whole_numbers(seed, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--seed", seed])
    assert f"--seed: '{seed}' is not a whole number from 0 to 2147483647" in capsys.readouterr().err


def test_a_run_goes_on_with_its_own_settings(asked, tmp_path, capsys):
    t = replace(PRESETS["audio"], data="d", seed=5, minutes=7.0)
    (tmp_path / "checkpoint.safetensors").touch()
    (tmp_path / "config.json").write_text(json.dumps(t.as_dict()))
    out = ["--out", str(tmp_path)]
    assert settings(asked, "train", "--resume", *out) == (t, str(tmp_path))
    assert settings(asked, "train", "--resume", "--minutes", "9", *out)[0] == replace(t, minutes=9.0)
    assert main(["train", *out]) == 1
    assert "contains a run; use --resume to continue it" in capsys.readouterr().err
    assert main(["train", "--resume", "--out", str(tmp_path / "nowhere")]) == 1
    assert "must be the folder of a training run" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "--resume", "--init", "cq", *out])
