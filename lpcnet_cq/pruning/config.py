"""Settings of a pruning run."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from lpcnet_cq.checkpoint.weight_groups import PATTERNS
from lpcnet_cq.training.config import TrainConfig
from lpcnet_cq.training.tasks import config_from_dict


@dataclass(frozen=True)
class PruneConfig:
    """Hold all settings of a pruning run, `prune(config, workdir)`.

    Raises
    ------
    ValueError
        If `train` has no initial weights, the pattern is unknown, or a value is out of range.
    """

    train: TrainConfig  # the training during which weights become zero, such as `presets.preset_for_weights`
    method: str = "csp"  # a name in `sparsify.methods`
    sparsity: float = 0.8  # share of zeros in every pruned matrix
    pattern: str = "single"  # a name in `weight_groups.PATTERNS`
    shrink: float = 1e-3  # threshold of a proximal step, see `sparsify`; used by methods with such steps
    until: float = 0.6  # share of the run after which pruning stops
    events: int = 6  # number of pruning steps after the first one; used by methods with several

    def __post_init__(self):
        if not self.train.init:
            raise ValueError("`train.init` is empty, it must name the weights to prune")
        if self.pattern not in PATTERNS:
            raise ValueError(f"`pattern` is {self.pattern!r}, it must be one of {', '.join(PATTERNS)}")
        for name in ("sparsity", "until"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}, it must be at least 0 and less than 1")
        if self.shrink < 0 or self.events < 1:
            raise ValueError(f"`shrink` is {self.shrink} and `events` is {self.events}, they must be at least 0 and 1")

    def as_dict(self) -> dict:
        """Return nested JSON values, which `read_config` reads."""
        return dataclasses.asdict(self) | {"train": self.train.as_dict()}


def read_config(workdir: Path) -> PruneConfig:
    """Return the configuration that a pruning run wrote to its folder."""
    values = json.loads((Path(workdir) / "config.json").read_text(encoding="utf-8"))
    return PruneConfig(**values | {"train": config_from_dict(values["train"])})
