"""Rounding of latents that weighs error against bits.

Place in the chain: in the encoder, between latents and packets; the decoder does not know. A latent goes to the
integer nearer to what the entropy model expects where the bits saved are worth the larger error. Delay: none.

Letters: T packets, S subframes, D latents, z latents in steps, n integers.
"""

import numpy as np

from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.frequency_tables import MEAN_BITS
from lpcnet_cq.bitstream.packet import LIMIT, Integers, Past, contexts, value_bits

PRICE = 0.1  # squared steps per bit; at high rate -dD/dR = 2 ln 2 / 12 = 0.116 with D = 1/12


def in_steps(z: np.ndarray, step: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return latents in steps, within what a packet can hold."""
    return np.clip(z / sizes[step][:, None, None], -LIMIT, LIMIT)


def nearest(side: np.ndarray, z: np.ndarray, step: np.ndarray, sizes: np.ndarray) -> Integers:
    """Return the integers nearest to latents, whatever they cost; arguments as for `rdoq`."""
    return Integers(step, side, np.rint(in_steps(z, step, sizes)).astype(np.int64))


def rdoq(
    model: EntropyModel,
    past: Past,
    side: np.ndarray,
    z: np.ndarray,
    step: np.ndarray,
    sizes: np.ndarray,
    price: float = PRICE,
) -> Integers:
    """Round latents to multiples of each packet's step size, minimising (z - n)^2 + price * bits(n).

    Tried are the nearest integer and the next one towards what the entropy model expects; at a price above `PRICE`
    also the expected one itself.

    Parameters
    ----------
    model : EntropyModel
    past : Past
        Memory before the first packet.
    side : int array (T, K)
    z : array (T, S, D)
        Latents in units of the middle step.
    step : int array (T,)
        Step indices.
    sizes : array (Q,)
        Relative step sizes.
    price : float
        Squared steps per bit.

    Returns
    -------
    Integers

    References
    ----------
    M. Karczewicz, Y. Ye and I. Chong, "Rate distortion optimized quantization", VCEG-AH21 (2008).
    """
    n = nearest(side, z, step, sizes)
    flat = in_steps(z, step, sizes).reshape(len(z), -1)
    K = side.shape[1]
    expected = [array[:, K:] for array in contexts(model, past, n)]
    mean = expected[2] + expected[1] / (1 << MEAN_BITS)
    near = n.latents.reshape(len(z), -1)
    inward = near - np.sign(near - mean).astype(np.int64) * (np.abs(near - mean) >= 0.5)

    def cost(values):
        return (flat - values) ** 2 + price * value_bits(model, expected, values)

    best = np.where(cost(inward) < cost(near), inward, near)
    if price > PRICE:
        centre = np.rint(mean).astype(np.int64)
        best = np.where(cost(centre) < cost(best), centre, best)
    return Integers(step, side, best.reshape(n.latents.shape))
