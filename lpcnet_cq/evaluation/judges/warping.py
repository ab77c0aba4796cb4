"""WARP-Q: the cost of warping decoded speech onto the original, made for generative codecs.

Place in the chain: none; a judge of the benchmark.
"""

import functools
import importlib
from unittest import mock

import numpy as np

from lpcnet_cq.evaluation.metrics import check_rate


def warp_q(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Return the raw WARP-Q of y (n,) with the original x (n,), 0 or more; lower is better, NaN without speech.

    References
    ----------
    W. Jassim, J. Skoglund, M. Chinen and A. Hines, "WARP-Q: quality prediction for generative neural speech codecs",
    ICASSP 2021.
    """
    check_rate("WARP-Q", sample_rate_hz)
    with mock.patch.object(np.lib, "pad", np.pad, create=True):  # version 1.5.2 uses a name that NumPy 2 removed
        a, b = (v.clip(-1, 1).astype(np.float32) for v in (x, y))
        found = _metric().evaluate(a, b, arr_sr=sample_rate_hz)
    return float(found["raw_warpq_score"])


@functools.cache
def _metric():
    """Load the metric, to run on one core."""
    return importlib.import_module("warpq.core").warpqMetric(n_jobs=1)
