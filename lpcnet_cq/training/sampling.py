"""Random draws of training data: a generator for each batch, and the probabilities of collections.

Place in the chain: below the batches of each codec.

A counter-based random generator with the key (seed, step) draws the crops of a batch, each with a counter of its own.
Therefore a crop depends only on the numbers of its batch and its row, also if the training was interrupted or several
processes draw the rows, and checkpoints contain no other state of the data.
"""

import numpy as np
from numpy.typing import ArrayLike

POWER = 0.75  # below 1, so that large collections do not dominate small ones


def batch_generator(seed: int, step: int, row: int = 0) -> np.random.Generator:
    """Return the random generator of a row of batch number `step` of a run.

    Examples
    --------
    >>> batch_generator(0, 5).integers(1000, size=3).tolist() == batch_generator(0, 5).integers(1000, size=3).tolist()
    True
    """
    return np.random.Generator(np.random.Philox(key=np.array([seed, step], np.uint64), counter=[0, 0, row, 0]))


def collection_probabilities(sizes: ArrayLike) -> np.ndarray:
    """Return the probability of each collection, proportional to its size to the power 0.75.

    Parameters
    ----------
    sizes : array (n,)
        Sizes of the collections in any unit.

    Examples
    --------
    >>> collection_probabilities([16, 1]).round(3).tolist()
    [0.889, 0.111]
    """
    weight = np.asarray(sizes).astype(float) ** POWER
    return weight / weight.sum()
