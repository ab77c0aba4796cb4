"""Progress on a terminal: finished share and remaining time, on one line that is cleared at the end."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LONG_S = 30.0  # audio longer than this has a progress line


def terminal_line(verb: str) -> Callable[[float, str], None] | None:
    """Return a function that shows a finished fraction, 0..1, and a text; None if standard error is not a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    began = time.monotonic()

    def show(fraction: float, text: str) -> None:
        if fraction >= 1:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        elif fraction > 0:
            left = round((time.monotonic() - began) * (1 / fraction - 1))
            line = f"\r{verb} {text}, {left // 60}:{left % 60:02d} left\x1b[K"
            print(line, end="", file=sys.stderr, flush=True)

    return show


def progress_bar(verb: str, seconds: float) -> Callable[[float], None] | None:
    """Return a function that shows the finished fraction of a signal, 0..1; None for short signals or no terminal."""
    show = terminal_line(verb)
    if seconds <= LONG_S or show is None:
        return None
    return lambda fraction: show(fraction, f"{100 * fraction:3.0f} %")


def file_counter(verb: str, n_files: int) -> Callable[[int], None]:
    """Return a function that shows how many of `n_files` files are finished."""
    show = terminal_line(verb)

    def count(done: int) -> None:
        if show is not None:
            show(done / n_files, f"{done} of {n_files} files")

    return count


def shown(blocks: Iterable["np.ndarray"], verb: str, n_samples: int, sample_rate_hz: int) -> Iterator["np.ndarray"]:
    """Yield blocks and show which part of so many samples they are."""
    progress, n_done = progress_bar(verb, n_samples / sample_rate_hz), 0
    for block in blocks:
        yield block
        n_done += len(block)
        if progress is not None:
            progress(n_done / n_samples)
