"""The training tasks of the codecs, and functions that read the configuration of a run from JSON.

Place in the chain: training only, so that coding does not need the packages of training.
"""

import json
from pathlib import Path
from typing import Any

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.checkpoint.weights import codec_config_from_dict
from lpcnet_cq.registry import record_of
from lpcnet_cq.training.config import Stages, TrainConfig
from lpcnet_cq.training.task import Task


def task_of(config: CodecConfig) -> Task:
    """Return the training task of the codec that a configuration describes."""
    return record_of(config).task


def config_from_dict(values: dict) -> TrainConfig:
    """Return the configuration of values from `TrainConfig.as_dict`, also after JSON, which has lists for tuples."""
    codec = codec_config_from_dict(values["codec"], values["kind"])
    stages = values["stages"]
    if stages:
        groups = tuple(map(tuple, stages["groups"]))
        stages = Stages(**stages | {"groups": groups, "shares": tuple(stages["shares"])})
    fields: dict[str, Any] = {name: value for name, value in values.items() if name != "kind"}
    fields |= {"codec": codec, "loss": task_of(codec).loss(**values["loss"]), "stages": stages}
    fields |= {name: tuple(values[name]) for name in ("bitrates_bps", "frozen")}
    return TrainConfig(**fields)


def read_config(workdir: Path) -> TrainConfig:
    """Return the configuration that a training run wrote to its folder.

    Raises
    ------
    ValueError
        If the configuration is missing, or this version cannot read it.
    """
    path = Path(workdir) / "config.json"
    try:
        return config_from_dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise ValueError(f"`{workdir}` must be the folder of a training run, it has no config.json") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"`{path}` is not the configuration of a training run: {error}") from error
