"""Folders on the command line: all files of an input folder are coded to an output folder, in several processes.

A file that cannot be coded is reported and skipped; the exit status is then 1. Processes are started with `spawn`,
because a forked process does not have the threads of the JAX runtime.
"""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from lpcnet_cq.cli.arguments import say
from lpcnet_cq.cli.paths import quoted
from lpcnet_cq.cli.progress import file_counter

Pair = tuple[Path, Path]
Work = Callable[[str, str], list[str]]


def code_folder(pairs: list[Pair], work: Work, jobs: int, verb: str) -> int:
    """Code files one by one and return the exit status: 0, or 1 if one failed.

    Parameters
    ----------
    pairs : list of (Path, Path)
        Inputs and outputs; missing output folders are created.
    work : callable
        Codes one input to one output and returns notes; must be picklable.
    jobs : int
        Number of processes.
    verb : str
        Text for the progress line.
    """
    count, failed = file_counter(verb, len(pairs)), 0
    for done, ((source, _), notes, error) in enumerate(attempts(pairs, work, jobs), start=1):
        count(len(pairs))  # clears the line
        for note in notes:
            say(f"{quoted(source)}: {note}")
        if error is not None:
            say(f"error: {error}")
            failed += 1
        count(done)
    if failed:
        say(f"{len(pairs) - failed} of {len(pairs)} files were coded, {failed} failed")
    return 1 if failed else 0


def attempts(pairs: list[Pair], work: Work, jobs: int) -> Iterator[tuple[Pair, list[str], str | None]]:
    """Yield each pair with its notes and its error, if any, in the order in which the files are completed."""
    if jobs == 1:
        for pair in pairs:
            yield pair, *attempt(work, pair)
        return
    pool = ProcessPoolExecutor(min(jobs, len(pairs)), get_context("spawn"), initializer=ignore_interrupts)
    try:
        futures = {pool.submit(partial(attempt, work), pair): pair for pair in pairs}
        for future in as_completed(futures):
            yield futures[future], *future.result()
    except BrokenProcessPool as error:
        raise ValueError("a process was terminated, possibly because of memory; try fewer --jobs") from error
    finally:
        pool.shutdown(cancel_futures=True)


def attempt(work: Work, pair: Pair) -> tuple[list[str], str | None]:
    """Code one file; return its notes and its error, if any."""
    source, target = pair
    try:
        os.makedirs(target.parent, exist_ok=True)
        return work(str(source), str(target)), None
    except OSError as error:
        return [], f"{quoted(error.filename or source)}: {error.strerror or error}"
    except ValueError as error:
        text = str(error)
        return [], text if str(source) in text else f"{quoted(source)}: {text}"
    except MemoryError:
        return [], f"{quoted(source)} is too long for the memory of this machine"


def ignore_interrupts() -> None:
    """Ignore interrupts: the parent process handles them, so that files in progress are completed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
