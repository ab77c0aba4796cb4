"""Speaker similarity: whether decoded speech still sounds like the same person.

Place in the chain: none; a judge of the benchmark.
"""

import functools
import importlib

import numpy as np

from lpcnet_cq.evaluation.metrics import check_rate


def similarity(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Return the cosine similarity of the speaker embeddings of x (n,) and y (n,), at most 1.

    References
    ----------
    L. Wan, Q. Wang, A. Papir and I. Lopez Moreno, "Generalized end-to-end loss for speaker verification", ICASSP 2018.
    """
    check_rate("speaker similarity", sample_rate_hz)
    network = _network()
    a, b = (network.embed_utterance(v.astype(np.float32)) for v in (x, y))
    return float(a @ b)


@functools.cache
def _network():
    """Load the network, to run on the CPU."""
    return importlib.import_module("resemblyzer").VoiceEncoder("cpu", verbose=False)
