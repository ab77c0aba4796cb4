"""Inputs of the blocks for speech, and a way to run a block packet by packet."""

import numpy as np
import pytest

S, T = 5, 4  # subframes per packet, packets


@pytest.fixture(scope="session")
def n_subframes():
    return S * T


@pytest.fixture(scope="session")
def cond(random_speech, normal):
    """Return conditions of each subframe, (S*T, C)."""
    return normal(S * T, random_speech[2].order + 3)


@pytest.fixture(scope="session")
def pieces():
    """Return a function that runs a block packet by packet, on the rows of each array that belong to the packet."""

    def run(block, state, *arrays):
        found = []
        for t in range(T):
            state, y = block(state, *(v[t * len(v) // T : (t + 1) * len(v) // T] for v in arrays))
            found.append(y)
        return np.concatenate(found)

    return run
