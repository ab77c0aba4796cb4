"""DistillMOS: the quality that listeners would give decoded speech, predicted by a network without the original.

Place in the chain: none; a judge of the benchmark.
"""

import contextlib
import functools
import importlib
import io

import numpy as np

from lpcnet_cq.evaluation.metrics import check_rate

SEGMENT_S = 7.68  # input length of the network; a shorter signal is padded with silence


def distillmos(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Return DistillMOS of y (n,), 1 to 5; the original x is not used.

    References
    ----------
    B. Stahl and H. Gamper, "Distillation and pruning for scalable self-supervised representation-based speech quality
    assessment", ICASSP 2025.
    """
    torch = importlib.import_module("torch")
    check_rate("DistillMOS", sample_rate_hz)
    with torch.no_grad():
        return float(_network()(torch.from_numpy(y.astype(np.float32))[None]))


@functools.cache
def _network():
    """Load the network."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints the path of its weights
        return importlib.import_module("distillmos").ConvTransformerSQAModel().eval()
