"""Pruning schedule: the steps at which weights are pruned, and the sparsity after each, by a cubic ramp.

Place in the chain: none in the codec; `sparsify` evaluates it at every step of a training run.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Schedule:
    """Hold the steps at which weights are pruned, and the share of zeros after the first and the last of these steps.

    Raises
    ------
    ValueError
        If the steps are not in order or a share is not within 0 <= initial <= final < 1.
    """

    begin: int  # t0, first pruning step
    end: int  # t0 + n dt, last pruning step
    every: int = 1  # dt, steps between pruning steps
    final: float = 0.8  # s_f, share of zeros from `end` on
    initial: float = 0.0  # s_0, share of zeros at `begin`

    def __post_init__(self):
        if not 0 <= self.begin <= self.end:
            raise ValueError(f"`begin` is {self.begin} and `end` is {self.end}, they must be 0 <= begin <= end")
        if self.every < 1:
            raise ValueError(f"`every` is {self.every}, it must be at least 1")
        if not 0 <= self.initial <= self.final < 1:
            range_ = f"`initial` is {self.initial} and `final` is {self.final}"
            raise ValueError(f"{range_}, they must be 0 <= initial <= final < 1")


def spread_over(steps: int, final: float, until: float = 0.6, events: int = 6) -> Schedule:
    """Return a schedule from the first step of a run to the share `until`; the rest of the run has no pruning.

    Examples
    --------
    >>> spread_over(200, 0.8)
    Schedule(begin=0, end=120, every=20, final=0.8, initial=0.0)
    """
    end = max(round(until * steps), 1)
    return Schedule(begin=0, end=end, every=max(end // events, 2), final=final)  # CSP needs two steps


def target_sparsity(schedule: Schedule, step) -> jax.Array:
    """Return the required share of zeros at a step: `initial` before `begin`, `final` after `end`.

    Parameters
    ----------
    schedule : Schedule
    step : int or integer array

    References
    ----------
    M. Zhu and S. Gupta, "To prune, or not to prune" (2017), arXiv 1710.01878, eq. 1.

    Examples
    --------
    >>> schedule = Schedule(begin=100, end=300, every=50, final=0.8)
    >>> [round(float(target_sparsity(schedule, step)), 3) for step in (0, 100, 200, 300, 400)]
    [0.0, 0.0, 0.7, 0.8, 0.8]
    """
    s0, sf = schedule.initial, schedule.final
    left = (schedule.end - jnp.asarray(step, jnp.float32)) / max(schedule.end - schedule.begin, 1)  # 1 - (t-t0)/(n dt)
    return sf + (s0 - sf) * jnp.clip(left, 0, 1) ** 3


def is_event(schedule: Schedule, step) -> jax.Array:
    """Return whether weights are pruned at a step: every `every` steps from `begin`, and at `end`.

    Examples
    --------
    >>> [step for step in range(50) if is_event(Schedule(begin=10, end=35, every=10), step)]
    [10, 20, 30, 35]
    """
    step = jnp.asarray(step, jnp.int32)
    due = ((step - schedule.begin) % schedule.every == 0) | (step == schedule.end)
    return due & (step >= schedule.begin) & (step <= schedule.end)
