"""Spectra of packets with long blocks and with short ones, for the blocks of music."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def flags():
    """Return the short-block flags of nine packets, int (9,)."""
    return np.array([0, 1, 0, 0, 1, 1, 0, 0, 1])
