"""Settings of a pruning run."""

from dataclasses import dataclass

from lpcnet_cq.training.presets import TrainConfig


@dataclass(frozen=True)
class PruneConfig(TrainConfig):
    """Hold the settings of a pruning run; `prune(config, workdir)` needs nothing else."""

    init: str = "cq"
    learning_rate: float = 1e-3
    warmup_steps: int = 10
    lambda_start: float = 0.26  # final value of the training of the released weights
    disturbance_from: float = 0.0
    method: str = "csp"  # a name in `sparsify.methods`
    sparsity: float = 0.8  # share of zeros in every matrix that is pruned
    pattern: str = "single"  # a name in `weight_groups.PATTERNS`
    shrink: float = 1e-3  # threshold of a proximal step, see `sparsify`
    until: float = 0.6  # share of the run after which pruning stops
    events: int = 6  # pruning steps after the first one, for methods with several
