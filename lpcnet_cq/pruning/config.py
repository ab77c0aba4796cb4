"""The settings of a run that makes trained weights sparse."""

from dataclasses import dataclass

from lpcnet_cq.training.presets import TrainConfig


@dataclass(frozen=True)
class PruneConfig(TrainConfig):
    """Hold one run that makes trained weights sparse; `prune(config, workdir)` needs nothing else."""

    init: str = "cq"
    learning_rate: float = 1e-3
    warmup_steps: int = 10
    lambda_start: float = 0.26  # what the released weights were trained with at last
    disturbance_from: float = 0.0
    method: str = "csp"  # a name in `sparsify.methods`
    sparsity: float = 0.8  # share of zeros in every matrix that is pruned
    pattern: str = "single"  # a name in `sparse_pattern.PATTERNS`
    shrink: float = 1e-3  # threshold of a proximal step, see `sparsify`
    until: float = 0.6  # share of the run after which nothing more is pruned
    events: int = 6  # prunings after the first, for methods with several
