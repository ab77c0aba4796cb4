"""Rate-distortion optimised quantisation (RDOQ) of latents.

Place in the chain: in the encoder, between latents and packets; the decoder is not affected. A latent is rounded
towards the predicted mean if this reduces squared error + Lagrange multiplier * bits. Delay: none.

Letters: T packets, S vectors of latents, D latents, z latents in units of the step size, n integers.
"""

import numpy as np

from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.frequency_tables import MEAN_BITS
from lpcnet_cq.bitstream.packet import LIMIT, Integers, Past, contexts, value_bits

FURTHER_PASSES = 2  # passes whose context is the result of the pass before, not the nearest integers
MULTIPLIER = 0.1  # Lagrange multiplier, squared steps per bit; at high rates D = 1/12 and -dD/dR = 2 ln 2 / 12 = 0.116


def in_steps(z: np.ndarray, step: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return latents in units of the packet's step size, clipped to the range of a packet."""
    return np.clip(z / sizes[step][:, None, None], -LIMIT, LIMIT)


def nearest(side: np.ndarray, z: np.ndarray, step: np.ndarray, sizes: np.ndarray) -> Integers:
    """Round latents to the nearest integers without regard to their bits; parameters as for `rdoq`."""
    return Integers(step, side, np.rint(in_steps(z, step, sizes)).astype(np.int64))


def rdoq(
    model: EntropyModel,
    past: Past,
    side: np.ndarray,
    z: np.ndarray,
    step: np.ndarray,
    sizes: np.ndarray,
    multiplier: float | np.ndarray = MULTIPLIER,
) -> Integers:
    """Round latents to multiples of each packet's step size, minimising (z - n)^2 + multiplier * bits(n).

    Candidates are the nearest integer and its neighbour towards the predicted mean. The context of the prediction
    consists of the nearest integers. If the multiplier is larger than `MULTIPLIER`, the rounded mean and 0 are also
    candidates, and two further passes use the result of the pass before as context, because sparse latents lower the
    predicted scales.

    Parameters
    ----------
    model : EntropyModel
    past : Past
        Memory of the entropy model before the first packet.
    side : int array (T, K)
    z : array (T, S, D)
        Latents in units of the middle step size.
    step : int array (T,)
        Step indices.
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
    n = nearest(side, z, step, sizes)
    flat = in_steps(z, step, sizes).reshape(len(z), -1)
    near, K = n.latents.reshape(len(z), -1), side.shape[1]
    weight = np.asarray(multiplier).reshape(-1, 1)
    sparse = weight > MULTIPLIER

    def optimise(n: Integers) -> Integers:
        expected = [array[:, K:] for array in contexts(model, past, n)]
        mean = expected[2] + expected[1] / (1 << MEAN_BITS)

        def cost(values):
            return (flat - values) ** 2 + weight * value_bits(model, expected, values)

        towards_mean = near - np.sign(near - mean).astype(np.int64) * (np.abs(near - mean) >= 0.5)
        best = np.where(cost(towards_mean) < cost(near), towards_mean, near)
        for other in (np.rint(mean).astype(np.int64), np.zeros_like(near)) if sparse.any() else ():
            best = np.where(sparse & (cost(other) < cost(best)), other, best)
        return Integers(step, side, best.reshape(n.latents.shape))

    n = optimise(n)
    for _ in range(FURTHER_PASSES if sparse.any() else 0):
        latents = optimise(n).latents
        n = Integers(step, side, np.where(sparse[..., None], latents, n.latents))
    return n
