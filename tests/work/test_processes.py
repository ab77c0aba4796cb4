"""Local processes: results, exceptions, and workers that are killed."""

import math
import os
import signal
import time

import pytest

from lpcnet_cq.work.engine import LOST, completed
from lpcnet_cq.work.processes import Processes


def test_results_come_from_several_processes():
    assert sorted(completed([-3, 2, -1], Processes(abs, 2))) == [(-3, 3), (-1, 1), (2, 2)]


def test_killed_workers_lose_nothing():
    """After the first unit, one worker waits and the other one runs; both are killed."""
    engine, found, units = Processes(time.sleep, 2), [], [0.2, 0.21, 0.22, 0.23, 0.24]
    for pair in completed(units, engine):
        for worker in engine._workers[: 0 if found else 2]:
            os.kill(worker.process.pid, signal.SIGKILL)
        found.append(pair)
    assert sorted(found) == [(unit, None) for unit in units]


def test_work_that_ends_its_process_is_given_up():
    assert list(completed([3], Processes(os._exit, 2))) == [(3, LOST)]


def test_an_exception_of_the_work_is_not_lost():
    with pytest.raises(RuntimeError, match=r"the work on a unit failed(.|\n)*ValueError"):
        list(completed([-1.0], Processes(math.sqrt, 1)))


def test_closing_ends_workers_that_run():
    engine = Processes(time.sleep, 1)
    engine.start(0, 1e6)
    (worker,) = engine._workers
    engine.close()
    assert not worker.process.is_alive()
