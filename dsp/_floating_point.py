"""Compute under NumPy's own treatment of floating-point errors, whatever the caller has set with `np.seterr`.

Faint signals and decays underflow everywhere, which is right: such values are inaudible. A caller that lets NumPy raise
errors on underflow means their own computations.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def usual_errors() -> np.errstate:
    """Return a context in which NumPy ignores underflow and warns of other floating-point errors: its defaults.

    Examples
    --------
    >>> with np.errstate(all="raise"), usual_errors():
    ...     float(np.float32(1e-30) * np.float32(1e-30))
    0.0
    """
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


def computed_usually(items: Iterable[T]) -> Iterator[T]:
    """Yield items, each computed in `usual_errors`; between them the state is that of the caller.

    Examples
    --------
    >>> with np.errstate(all="raise"):
    ...     list(computed_usually(np.float32(x) * np.float32(x) for x in (1e-30, 2.0)))
    [np.float32(0.0), np.float32(4.0)]
    """
    iterator, end = iter(items), object()
    while True:
        with usual_errors():
            item = next(iterator, end)
        if item is end:
            return
        yield item  # pyright: ignore[reportReturnType]
