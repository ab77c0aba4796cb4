"""Rate-distortion optimised quantisation (RDOQ) of latents.

Place in the chain: in the encoder, between latents and packets; the decoder is not affected. A latent is rounded
towards the predicted mean if this reduces squared error + Lagrange multiplier * bits. Delay: none.

Letters: T packets, S vectors of latents, D latents, z latents in units of the step size, n integers.
"""

import numpy as np

from lpcnet_cq.bitstream.contexts import Contexts, value_bits
from lpcnet_cq.bitstream.frequency_tables import MEAN_BITS, Expected
from lpcnet_cq.bitstream.packet import LIMIT, Integers

FURTHER_PASSES = 2  # passes whose context is the result of the pass before, not the nearest integers
MULTIPLIER = 0.1  # Lagrange multiplier, squared steps per bit; at high rates D = 1/12 and -dD/dR = 2 ln 2 / 12 = 0.116

LIMITS = np.array(-LIMIT, np.float32), np.array(LIMIT, np.float32)  # `clip` is fastest with arrays


def in_steps(z: np.ndarray, step: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return latents in units of the packet's step size, clipped to the range of a packet."""
    return (z / sizes[step][:, None, None]).clip(*LIMITS)


def nearest(side: np.ndarray, z: np.ndarray, step: np.ndarray, sizes: np.ndarray) -> Integers:
    """Round latents (T, S, D) to the nearest integers without regard to their bits; `sizes` as for `rdoq`."""
    return Integers(step, side, np.rint(in_steps(z, step, sizes)).astype(np.int64))


def rdoq(contexts: Contexts, z: np.ndarray, sizes: np.ndarray, multiplier: float | np.ndarray = MULTIPLIER) -> Integers:
    """Round latents to multiples of each packet's step size, minimising (z - n)^2 + multiplier * bits(n).

    Candidates are the nearest integer and its neighbour towards the predicted mean. The context of the prediction
    consists of the nearest integers. If the multiplier is larger than `MULTIPLIER`, the rounded mean and 0 are also
    candidates, and two further passes use the result of the pass before as context, because sparse latents lower the
    predicted scales.

    Parameters
    ----------
    contexts : Contexts
        Of T packets.
    z : array (T, S, D)
        Latents in units of the middle step size.
    sizes : array (Q,)
        Relative step sizes.
    multiplier : float or array (T,)
        Lagrange multiplier of each packet in squared steps per bit, 0 or more.

    Returns
    -------
    Integers

    References
    ----------
    M. Karczewicz, Y. Ye and I. Chong, "Rate distortion optimized quantization", VCEG-AH21 (2008).
    """
    weights = np.zeros(len(z)) + multiplier
    search = _Search(contexts, in_steps(z, contexts.step, sizes), weights)
    n = search.best(search.near)
    for _ in range(FURTHER_PASSES if search.any_sparse else 0):
        n = np.where(search.sparse[:, None], search.best(n), n)
    return Integers(contexts.step, contexts.side, n.reshape(z.shape).astype(np.int64))


class _Search:
    """Search the best integers of packets; arrays of integers are int32 (T, S*D).

    Parameters
    ----------
    contexts : Contexts
    scaled : float64 array (T, S, D)
        Latents in units of the packet's step size.
    weights : array (T,)
        Lagrange multipliers.
    """

    def __init__(self, contexts: Contexts, scaled: np.ndarray, weights: np.ndarray):
        self._contexts, self._shape = contexts, scaled.shape
        self._scaled, self._weights = scaled.reshape(len(scaled), -1), weights
        self.near, self.sparse = np.rint(self._scaled).astype(np.int32), weights > MULTIPLIER
        self.any_sparse = bool(self.sparse.any())

    def best(self, n: np.ndarray) -> np.ndarray:
        """Return the best candidates, given the integers that are the context of the prediction."""
        predicted = self._contexts.latents(n.reshape(self._shape))
        mean = predicted.sixteenths()
        beyond = (self.near << MEAN_BITS) - mean
        at = np.flatnonzero(np.abs(beyond) >= 1 << (MEAN_BITS - 1))
        best, near = self.near.copy(), self.near.take(at)
        self._improve(best, predicted, at, near - np.sign(beyond.take(at)))
        if self.any_sparse:
            sparse = np.flatnonzero(np.repeat(self.sparse, best.shape[1]))
            self._improve(best, predicted, sparse, np.rint(mean.take(sparse) / (1 << MEAN_BITS)).astype(np.int32))
            self._improve(best, predicted, sparse, np.zeros(len(sparse), np.int32))
        return best

    def _improve(self, best: np.ndarray, predicted: Expected, at: np.ndarray, values: np.ndarray) -> None:
        """Replace integers at flat indices by other values where these cost less, in place."""
        scaled, weights = self._scaled.take(at), self._weights.take(at // best.shape[1])
        tables = Expected(*(array.take(at) for array in predicted))

        both = np.array([values, best.take(at)])
        cost, before = (scaled - both) ** 2 + weights * value_bits(self._contexts.model, tables, both)
        chosen = cost < before
        best.reshape(-1)[at[chosen]] = values[chosen]
