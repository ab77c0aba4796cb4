"""The two-phase training of what is made of parts: greedily, one group of parts after another, then all together.

Place in the chain: training only, of the published cascades and of our own codec. A group learns on what the earlier
ones left, while these stay as they are. Fresh memory of the optimiser at the start of each phase.

References
----------
K. Zhen et al., "Cascaded cross-module residual learning towards lightweight end-to-end speech coding", arXiv
1906.07769 (2019), section 3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

Group = tuple[int | str, ...]  # parts of a model by name; the modules of a cascade go by their index


@dataclass(frozen=True)
class Phase:
    """Hold one phase of training."""

    trained: Group
    learning_rate: float  # its peak
    start: float  # share of the run at which the phase starts, 0..1
    end: float  # and at which it ends
    joint: bool  # trains all groups together, after they were trained one by one

    def trains(self, path: tuple) -> bool:
        """Say whether the parameter at `path` of the model, such as ("modules", 0, ...), is trained."""
        return (path[1] if path[0] == "modules" else path[0]) in self.trained

    def done(self, progress: float) -> float:
        """Return the position in the phase, 0 at its start and 1 at its end, when the run is at `progress`."""
        return (progress - self.start) / (self.end - self.start)

    @property
    def n_modules(self) -> int:
        """Modules of a cascade that are in use: those that are trained and all before them."""
        return max((part + 1 for part in self.trained if isinstance(part, int)), default=0)


def two_phases(
    groups: Sequence[Group], learning_rates: tuple[float, float, float], shares: tuple[float, float, float]
) -> list[Phase]:
    """Return the phases of a training.

    Parameters
    ----------
    groups : sequence of tuples
        Parts that are trained together, in the order in which they learn.
    learning_rates, shares : tuples of three
        Of the first group, of each further one, and of all together. Only ratios of shares count; 0 for the last
        leaves joint training out, as a single group does.

    Examples
    --------
    >>> for phase in two_phases([("lsf", 0), (1,)], (4e-3, 4e-3, 1e-3), (4, 1, 1)):
    ...     print(phase.trained, round(phase.end, 3), phase.joint)
    ('lsf', 0) 0.667 False
    (1,) 0.833 False
    ('lsf', 0, 1) 1.0 True
    """
    parts, stages = list(groups), [0] + [1] * (len(groups) - 1)
    if len(groups) > 1 and shares[2]:
        parts.append(sum(parts, ()))
        stages.append(2)
    ends = np.cumsum([shares[stage] for stage in stages])
    ends = [0.0, *(ends / ends[-1]).tolist()]
    return [
        Phase(group, learning_rates[stage], start, end, joint=stage == 2)
        for group, stage, (start, end) in zip(parts, stages, pairwise(ends), strict=True)
    ]


def learning_rate(phase: Phase, done: float, warm: float) -> float:
    """Return the learning rate of a phase: a linear rise to its peak, multiplied by a cosine that falls to 0.

    Parameters
    ----------
    phase : Phase
    done : float
        Position in the phase, 0..1.
    warm : float
        Position in its warm-up, which ends at 1.

    Examples
    --------
    >>> (phase,) = two_phases([("encoder",)], (4e-3, 4e-3, 1e-3), (2, 1, 1))
    >>> [round(learning_rate(phase, done, 10 * done), 6) for done in (0.0, 0.05, 0.5, 1.0)]
    [0.0, 0.001988, 0.002, 0.0]
    """
    return phase.learning_rate * min(1.0, warm) * 0.5 * (1 + math.cos(math.pi * done))
