"""Two-phase training: groups of parts of a model are trained one after another, then all parts together.

Place in the chain: training only, of the published cascades and of our own codecs. While a group is trained, earlier
groups do not change. The state of the optimiser is reset at the start of each phase.

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

Group = tuple[int | str, ...]  # names of parts of a model; modules of a cascade are identified by their index


@dataclass(frozen=True)
class Phase:
    """Hold one phase of training."""

    trained: Group
    learning_rate: float  # peak of the schedule
    start: float  # share of the run at which the phase starts, 0..1
    end: float  # share of the run at which the phase ends
    joint: bool  # whether the phase trains all groups together

    def trains(self, path: tuple) -> bool:
        """Return whether the parameter at `path` of the model, such as ("modules", 0, ...), is trained."""
        return (path[1] if path[0] == "modules" else path[0]) in self.trained

    def done(self, progress: float) -> float:
        """Return the position in the phase, 0 at its start and 1 at its end, at the fraction `progress` of the run."""
        return (progress - self.start) / (self.end - self.start)

    @property
    def n_modules(self) -> int:
        """Number of modules of a cascade in use: those that are trained and all modules before them."""
        return max((part + 1 for part in self.trained if isinstance(part, int)), default=0)


def two_phases(
    groups: Sequence[Group], learning_rates: tuple[float, float, float], shares: tuple[float, float, float]
) -> list[Phase]:
    """Return the phases of a training.

    Parameters
    ----------
    groups : sequence of tuples
        Groups of parts, in the order of training.
    learning_rates, shares : tuples of three
        Values for the first group, for each further group, and for joint training. Only the ratios of shares are
        relevant. There is no joint training if its share is 0 or there is a single group.

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
    """Return the learning rate of a phase: a linear warm-up to the peak, multiplied by a cosine that decreases to 0.

    Parameters
    ----------
    phase : Phase
    done : float
        Position in the phase, 0..1.
    warm : float
        Position in the warm-up, which ends at 1.

    Examples
    --------
    >>> (phase,) = two_phases([("encoder",)], (4e-3, 4e-3, 1e-3), (2, 1, 1))
    >>> [round(learning_rate(phase, done, 10 * done), 6) for done in (0.0, 0.05, 0.5, 1.0)]
    [0.0, 0.001988, 0.002, 0.0]
    """
    return phase.learning_rate * min(1.0, warm) * 0.5 * (1 + math.cos(math.pi * done))
