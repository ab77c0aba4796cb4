"""Units of work on an engine: every unit is completed once, whatever happens to the workers.

Place in the chain: between the commands for folders and the engines, `processes` and `ray_tasks`. An engine starts
units and reports results and lost workers. This module decides: a unit whose worker was lost starts again, a unit that
takes much longer than all others gets a second copy, and the first result of a unit counts. Therefore the work must
give the same result each time, and replace its output only when it is complete.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any, Protocol

MOST_LOSSES = 3  # lost workers after which a unit is given up: the unit itself may be the reason
POLL_S = 1.0  # longest wait before late units are looked for
LATE = 5.0  # ratio of a unit's time to the longest time of completed units above which it gets a second copy
LATE_S = 30.0  # shortest time of a late unit
LOST_TEXT = f"its process was lost {MOST_LOSSES} times, possibly because of memory; try fewer --jobs"


class Lost:
    """Stand for the result of a unit whose worker was lost."""


LOST = Lost()


class Engine(Protocol):
    """Run units of work on workers.

    Attributes
    ----------
    slots : int
        Number of units that run at the same time, at least 1. It may change.
    """

    @property
    def slots(self) -> int:
        """Return the number of units that run at the same time."""
        ...

    def start(self, ticket: int, unit: Any) -> None:
        """Start a unit; `wait` reports it under its ticket."""
        ...

    def wait(self, timeout_s: float) -> list[tuple[int, Any]]:
        """Return tickets that ended, each with its result or `LOST`; none if no unit ends in so many seconds."""
        ...

    def close(self) -> None:
        """End all workers, also those that run."""
        ...


class Here:
    """Run units in this process, one at a time."""

    slots = 1

    def __init__(self, work: Callable[[Any], Any]):
        self._work, self._started = work, deque()

    def start(self, ticket: int, unit: Any) -> None:
        """Start a unit; it runs in `wait`."""
        self._started.append((ticket, unit))

    def wait(self, timeout_s: float) -> list[tuple[int, Any]]:
        """Run the unit and return its result."""
        ticket, unit = self._started.popleft()
        return [(ticket, self._work(unit))]

    def close(self) -> None:
        """Do nothing."""


def completed(
    units: Sequence[Any], engine: Engine, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[Any, Any]]:
    """Yield every unit once with its result, in the order in which the units are completed; then close the engine.

    Parameters
    ----------
    units : sequence
        In the order in which they start; the longest first avoids a late end.
    engine : Engine
    clock : callable
        Seconds.

    Yields
    ------
    unit
    result
        What the work returned, or `LOST` if the unit lost `MOST_LOSSES` workers.

    Examples
    --------
    >>> list(completed([1, 2], Here(lambda unit: 10 * unit)))
    [(1, 10), (2, 20)]
    """
    queue, tickets, losses, done = deque(range(len(units))), count(), Counter(), set()
    running: dict[int, tuple[int, float]] = {}  # ticket to index of the unit and its start
    longest_s = 0.0

    def start(i: int) -> None:
        ticket = next(tickets)
        running[ticket] = i, clock()
        engine.start(ticket, units[i])

    try:
        while len(done) < len(units):
            while queue and len(running) < engine.slots:
                start(queue.popleft())
            free = max(0, engine.slots - len(running))  # a cluster may have become smaller
            for i in late_units(running, clock(), longest_s)[:free]:
                start(i)
            for ticket, result in engine.wait(POLL_S):
                i, began = running.pop(ticket)
                if i in done:
                    continue
                if result is LOST:
                    losses[i] += 1
                    if losses[i] < MOST_LOSSES:
                        queue.appendleft(i)
                        continue
                done.add(i)
                longest_s = max(longest_s, clock() - began)
                yield units[i], result
    finally:
        engine.close()


def all_results(units: Sequence[Any], engine: Engine, watch: Callable[[Iterator], Iterable] = iter) -> list[Any]:
    """Return the results of all units, in their order.

    Parameters
    ----------
    units : sequence
        Hashable, each only once.
    engine : Engine
    watch : callable
        watch(iterator) returns an iterator over the same values, which may show progress.

    Raises
    ------
    ValueError
        If a unit lost too many workers.

    Examples
    --------
    >>> all_results([1, 2], Here(lambda unit: 10 * unit))
    [10, 20]
    """
    found = {}
    for unit, result in watch(completed(units, engine)):
        if result is LOST:
            raise ValueError(f"the process that worked on {unit} was lost {MOST_LOSSES} times")
        found[unit] = result
    return [found[unit] for unit in units]


def late_units(running: dict[int, tuple[int, float]], now_s: float, longest_s: float) -> list[int]:
    """Return the indices of units that run as one copy, and for much longer than any unit before.

    Examples
    --------
    >>> late_units({0: (7, 0.0), 1: (8, 90.0), 2: (9, 0.0), 3: (9, 50.0)}, now_s=100.0, longest_s=10.0)
    [7]
    """
    copies = Counter(i for i, _ in running.values())
    limit_s = max(LATE_S, LATE * longest_s)
    return [i for i, began in running.values() if copies[i] == 1 and now_s - began > limit_s]
