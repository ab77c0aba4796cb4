"""Overlapping windows of a signal, without copies and without the cost of `sliding_window_view` per call."""

import numpy as np


def windows(x: np.ndarray, length: int, hop: int = 1) -> np.ndarray:
    """Return a view of the windows x[n * hop : n * hop + length] that lie within x, (rows, length).

    Parameters
    ----------
    x : contiguous array (n,)
    length, hop : int

    Examples
    --------
    >>> windows(np.arange(5), 3, 2).tolist()
    [[0, 1, 2], [2, 3, 4]]
    """
    rows = (len(x) - length) // hop + 1
    return np.ndarray((rows, length), x.dtype, x, 0, (hop * x.itemsize, x.itemsize))
