"""Progress on a terminal: how much is done and the time left, on one line that vanishes at the end."""

import sys
import time
from collections.abc import Callable

LONG_S = 30.0  # audio beyond this length gets a progress bar


def terminal_line(verb: str) -> Callable[[float, str], None] | None:
    """Return a function of the fraction done, 0..1, and what to say of it; None where nobody watches."""
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
    """Return a function that shows a fraction 0..1 of a signal; None where nobody waits or watches."""
    show = terminal_line(verb)
    if seconds <= LONG_S or show is None:
        return None
    return lambda fraction: show(fraction, f"{100 * fraction:3.0f} %")


def file_counter(verb: str, n_files: int) -> Callable[[int], None]:
    """Return a function that shows how many of so many files are done."""
    show = terminal_line(verb)

    def count(done: int) -> None:
        if show is not None:
            show(done / n_files, f"{done} of {n_files} files")

    return count
