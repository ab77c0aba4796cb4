"""Settings of training runs: what is out of range is refused, and JSON gives back what went in."""

import json
from dataclasses import replace

import pytest

from lpcnet_cq.training.config import MusicLoss, SpeechLoss, Stages, TrainConfig
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.tasks import config_from_dict, read_config


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bitrates_bps": (24000.0, 9000.0)}, "`bitrates_bps` is .* a lower and a higher"),
        ({"minutes": 0.0}, "`minutes` is 0.0, it must be positive if `steps` is 0"),
        ({"batch": 0}, "`batch` is 0, it must be positive"),
        ({"learning_rate": float("nan")}, "`learning_rate` is nan"),
        ({"steps": -1}, "`steps` is -1, it must not be negative"),
        ({"annealing": 1.5}, "`annealing` is 1.5, it must be 0 to 1"),
        ({"loss": SpeechLoss(pesq=-1.0)}, r"`loss.pesq` is -1.0, it must be finite and not negative"),
    ],
)
def test_values_out_of_range_are_one_sentence(changes, reason):
    with pytest.raises(ValueError, match=reason):
        replace(PRESETS["cq"], **changes)


def test_weights_of_speech_and_of_music_are_apart():
    with pytest.raises(TypeError, match="spectrum"):
        MusicLoss(spectrum=1.0)
    with pytest.raises(TypeError, match="mel_weight"):
        TrainConfig(mel_weight=1.0)


STAGES = Stages((("postfilter", "gain"), ("allocation",)), shares=(3.0, 2.0, 0.0))
CHANGED = replace(PRESETS["tiny"], frozen=("lsf",), stages=STAGES)


@pytest.mark.parametrize("t", [*PRESETS.values(), CHANGED], ids=[*PRESETS, "changed"])
def test_settings_survive_json(t, tmp_path):
    assert config_from_dict(json.loads(json.dumps(t.as_dict()))) == t
    (tmp_path / "config.json").write_text(json.dumps(t.as_dict()))
    assert read_config(tmp_path) == t


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"codec": 1}'])
def test_other_files_are_refused_in_one_sentence(tmp_path, text):
    with pytest.raises(ValueError, match="must be the folder of a training run"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match="is not the configuration of a training run"):
        read_config(tmp_path)


def test_unknown_and_missing_settings_are_refused():
    values = json.loads(json.dumps(PRESETS["tiny"].as_dict()))
    with pytest.raises(TypeError, match="hearing"):
        config_from_dict(values | {"hearing": 1.0})
