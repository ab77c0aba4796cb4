"""Trained quantisers in NumPy: the transform quantisers and step sizes of `lpcnet_cq.nn.quantize`.

Quantisation computes in double precision, so that one packet and many packets give the same integers and codewords.
"""

import numpy as np


class TransformQuantiser:
    """Transform quantiser: codewords mu + B n with integer n.

    Parameters
    ----------
    params : dict
        `mean` (M,), which is mu, and `basis` (M, M), which is B divided by `scale`.
    scale : float
    """

    def __init__(self, params: dict, scale: float):
        basis = np.asarray(params["basis"], np.float32) * np.float32(scale)
        self.mean = np.asarray(params["mean"], np.float64)
        self.synthesis = np.ascontiguousarray(basis.T, np.float64)
        self.analysis = np.linalg.inv(self.synthesis)

    def quantise(self, w: np.ndarray) -> np.ndarray:
        """Return the integers n nearest to B^-1 (w - mu), stored as float64, shape (..., M)."""
        return np.rint((w - self.mean).dot(self.analysis))

    def synthesise(self, n: np.ndarray) -> np.ndarray:
        """Return codewords mu + B n, float64 (..., M)."""
        return n @ self.synthesis + self.mean


def latent_steps(n_steps: int, step_ratio: float) -> np.ndarray:
    """Return the relative latent step sizes, float32 (Q,), finest first; the middle one is 1."""
    return (step_ratio ** (np.arange(n_steps) - float(n_steps // 2))).astype(np.float32)
