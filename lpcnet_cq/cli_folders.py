"""Folders on the command line: every file below one folder becomes a file below another, in several processes.

A file that cannot be coded is reported and skipped; the exit status then is 1. Processes are spawned, never forked: the
runtime's threads do not survive a fork.
"""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from lpcnet_cq.cli_arguments import say
from lpcnet_cq.cli_paths import quoted
from lpcnet_cq.cli_progress import file_counter

Pair = tuple[Path, Path]
Work = Callable[[str, str], list[str]]


def code_folder(pairs: list[Pair], work: Work, jobs: int, verb: str) -> int:
    """Code files one by one and return the exit status: 0, or 1 if one failed.

    Parameters
    ----------
    pairs : list of (Path, Path)
        Inputs and outputs; folders of outputs are made.
    work : callable
        Codes one input to one output and returns notes; it can be pickled.
    jobs : int
        Processes.
    verb : str
        For the progress line.
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
        say(f"{len(pairs) - failed} of {len(pairs)} files are done, {failed} could not be")
    return 1 if failed else 0


def attempts(pairs: list[Pair], work: Work, jobs: int) -> Iterator[tuple[Pair, list[str], str | None]]:
    """Yield each pair with the notes on it and the error, if any, in whatever order they are done."""
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
        raise ValueError("a process was ended from outside, perhaps for want of memory; try fewer --jobs") from error
    finally:
        pool.shutdown(cancel_futures=True)


def attempt(work: Work, pair: Pair) -> tuple[list[str], str | None]:
    """Code one file; return the notes on it and the error, if any."""
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
    """Leave an interrupt to the parent process, which lets files in progress be finished and starts no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
