"""Engine of local processes: one pipe per worker, so that the unit of a lost worker is known.

Place in the chain: one of the engines of `engine`. Processes are started with `spawn`, because a forked process does
not have the threads of the JAX runtime. A worker whose parent ends is told so by its pipe, and ends, too.
"""

import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from typing import Any

from lpcnet_cq.work.engine import LOST


@dataclass
class Worker:
    """Hold a process, this end of its pipe, and the ticket of the unit that it runs, if any."""

    process: Any
    pipe: Connection
    ticket: int | None = None


@dataclass(frozen=True)
class Failure:
    """Hold the traceback of an exception in a worker."""

    text: str


class Processes:
    """Run units of work in processes on this machine.

    Parameters
    ----------
    work : callable
        work(unit) returns a result; must be picklable, as units and results.
    jobs : int
        Number of processes, at least 1; they start when they are needed.
    """

    def __init__(self, work: Callable[[Any], Any], jobs: int):
        self._work, self.slots = work, jobs
        self._context, self._workers = get_context("spawn"), list[Worker]()

    def start(self, ticket: int, unit: Any) -> None:
        """Start a unit on a worker that waits, or on a new one."""
        worker = next((w for w in self._workers if w.ticket is None), None) or self._spawn()
        worker.ticket = ticket
        try:
            worker.pipe.send(unit)
        except OSError:  # the worker is lost, which `wait` reports
            pass

    def _spawn(self) -> Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(target=serve, args=(self._work, there), daemon=True)
        process.start()
        there.close()  # so that the end of the process ends the pipe
        self._workers.append(Worker(process, here))
        return self._workers[-1]

    def wait(self, timeout_s: float) -> list[tuple[int, Any]]:
        """Return tickets that ended, each with its result or `LOST`.

        Raises
        ------
        RuntimeError
            If the work raised an exception.
        """
        busy = {w.pipe: w for w in self._workers if w.ticket is not None}
        found = []
        for pipe in connection.wait(list(busy), timeout_s):
            worker = busy[pipe]  # type: ignore[index]
            try:
                result = worker.pipe.recv()
            except (EOFError, OSError):
                result = LOST
                self._workers.remove(worker)
                worker.process.join()
            if isinstance(result, Failure):
                raise RuntimeError(f"the work on a unit failed:\n{result.text}")
            found.append((worker.ticket, result))
            worker.ticket = None
        return found

    def close(self) -> None:
        """End all workers; those that run remove what they have not completed."""
        for worker in self._workers:
            worker.pipe.close()
            if worker.ticket is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
        self._workers.clear()


def serve(work: Callable[[Any], Any], pipe: Connection) -> None:
    """Run units from a pipe and send their results, until the pipe ends.

    The parent process handles interrupts. Termination raises `SystemExit`, so that partial files are removed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    while True:
        try:
            unit = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            result = work(unit)
        except Exception:
            result = Failure(traceback.format_exc())
        try:
            pipe.send(result)
        except OSError:
            return
