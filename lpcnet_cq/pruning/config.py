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
    """Hold the settings of a pruning run; `prune(config, workdir)` needs nothing else.

    Raises
    ------
    ValueError
        If `train` names no weights to start from, the pattern is unknown, or a value is out of range.
    """

    train: TrainConfig  # the training during which weights become zero; `presets.preset_for_weights` has one
    method: str = "csp"  # a name in `sparsify.methods`
    sparsity: float = 0.8  # share of zeros in every matrix that is pruned
    pattern: str = "single"  # a name in `weight_groups.PATTERNS`
    shrink: float = 1e-3  # threshold of a proximal step, see `sparsify`; for methods with such steps
    until: float = 0.6  # share of the run after which pruning stops
    events: int = 6  # pruning steps after the first one, for methods with several

    def __post_init__(self):
        if not self.train.init:
            raise ValueError("`train.init` is empty, pruning needs weights to start from")
        if self.pattern not in PATTERNS:
            raise ValueError(f"no pattern `{self.pattern}`: choose from {', '.join(PATTERNS)}")
        for name in ("sparsity", "until"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}, it must be at least 0 and less than 1")
        if self.shrink < 0 or self.events < 1:
            raise ValueError(f"`shrink` is {self.shrink}, `events` is {self.events}: they must be at least 0 and 1")

    def as_dict(self) -> dict:
        """Return nested plain values, ready for JSON; `read_config` reads them back."""
        return dataclasses.asdict(self) | {"train": self.train.as_dict()}


def read_config(workdir: Path) -> PruneConfig:
    """Return the configuration that a pruning run wrote into its folder."""
    values = json.loads((Path(workdir) / "config.json").read_text(encoding="utf-8"))
    return PruneConfig(**values | {"train": config_from_dict(values["train"])})
