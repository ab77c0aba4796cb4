"""The two-phase training of a cascade: greedily module by module, then all together.

Place in the chain: training only. A phase names the parts it trains; every other part is as the decoder has it, hard
and fixed. A cascade has any number of modules, and may have one part beside them that is trained with the first
(the LSF codebook). Fresh Adam state at the start of each phase.

References
----------
K. Zhen et al., "Cascaded cross-module residual learning towards lightweight end-to-end speech coding", arXiv
1906.07769 (2019), section 3.
"""

from dataclasses import dataclass

import numpy as np

LSF = "lsf"  # name of the codebook among the parts; modules go by their index


@dataclass(frozen=True)
class Phase:
    """Hold one phase of training."""

    n_modules: int  # modules in use
    trained: tuple[int | str, ...]  # parts that are trained, and that pay for their bits
    learning_rate: float
    end: float  # share of the run at which the phase ends, 0..1
    bitrate_bps: float  # aimed at by all modules in use and the codebook together
    fresh: bool  # begins with a module that is new, its quantiser not acting yet

    def trains(self, path: tuple) -> bool:
        """Say whether the parameter at `path` of the model, such as ("modules", 0, ...), is trained."""
        return (path[1] if path[0] == "modules" else path[0]) in self.trained


def two_phases(
    bitrates_bps: tuple[float, ...],
    learning_rates: tuple[float, float, float],
    shares: tuple[float, float, float],
    others: tuple[str, ...] = (),
) -> list[Phase]:
    """Return the phases of a cascade's training.

    Parameters
    ----------
    bitrates_bps : tuple
        Rate to aim at with the first module, with the first two, and so on: one per module.
    learning_rates, shares : tuples of three
        Of the first module, of each further one, and of all together. Only ratios of shares count; 0 for the last
        leaves joint training out, as a single module does.
    others : tuple of str
        Parts beside the modules, trained with the first module and with all together.

    Examples
    --------
    >>> for phase in two_phases((4000.0, 9000.0), (4e-3, 4e-3, 1e-3), (4, 1, 1)):
    ...     print(phase.trained, round(phase.end, 3), phase.bitrate_bps, phase.fresh)
    (0,) 0.667 4000.0 True
    (1,) 0.833 9000.0 True
    (0, 1) 1.0 9000.0 False
    """
    n = len(bitrates_bps)
    parts: list[tuple[int | str, ...]] = [(*others, 0), *((i,) for i in range(1, n))]
    stages = [0] + [1] * (n - 1)
    if n > 1 and shares[2]:
        parts.append((*others, *range(n)))
        stages.append(2)
    ends = np.cumsum([shares[stage] for stage in stages])
    return [
        Phase(
            n_modules=min(i + 1, n),
            trained=part,
            learning_rate=learning_rates[stage],
            end=float(end / ends[-1]),
            bitrate_bps=bitrates_bps[min(i, n - 1)],
            fresh=stage < 2,
        )
        for i, (part, stage, end) in enumerate(zip(parts, stages, ends, strict=True))
    ]


def phase_progress(phases: list[Phase], index: int, progress: float) -> float:
    """Return how far phase `index` is, 0..1 or beyond, when the whole run is at `progress`."""
    start = phases[index - 1].end if index else 0.0
    return (progress - start) / (phases[index].end - start)
