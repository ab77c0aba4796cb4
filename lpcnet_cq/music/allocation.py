"""Bit allocation: the step size of every band, computed from the decoded band energies.

Place in the chain: between side information and quantiser, in the encoder and in the decoder. The step sizes cost no
bits. The logarithm of a band's step size is a linear function of the logarithms of all band energies of both channels.
A linear function is suitable because masking thresholds follow the level and spread to neighbouring bands: a linear fit
to the thresholds of `dsp.psychoacoustics` has an error of 4.5 dB, compared with a standard deviation of 17 dB. The
function is trained with the loss. A mean squared error favours one step size for all bands; psychoacoustic terms favour
step sizes below the masking threshold.

Exponents of step sizes are integers in units of 1/8 octave, so that the entropy model computes with them exactly.

Letters: b bands, E energies from `bands.energies` (3 dB per unit), s exponents of step sizes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.step_exponents import BIAS_UNIT, LIMITS, PER_ENERGY, WEIGHT_UNIT
from lpcnet_cq.nn.quantize import soft_to_hard

SLOPE = 0.65  # initial slope of a band's log step size over its log energy
SLOPE_SHARES = (0.2, 0.6, 0.2)  # initial distribution of the slope over the band below, the band, the band above
SIDE_SHARE = 0.4  # initial share of the side channel's step size that follows the mid channel
OFFSET = -54.0  # initial offset of all exponents


class Allocation(nnx.Module):
    """Map band energies to exponents of step sizes, with separate weights for each block type and channel."""

    def __init__(self, c: MusicConfig):
        b = c.bands
        spread = np.sum([w * np.eye(b, k=k) for w, k in zip(SLOPE_SHARES, (-1, 0, 1), strict=True)], axis=0)
        spread = PER_ENERGY * SLOPE * (spread / spread.sum(axis=0)).astype(np.float32)
        mid = np.concatenate([spread, 0 * spread])
        side = np.concatenate([(1 - SIDE_SHARE) * spread, SIDE_SHARE * spread])
        weights = np.stack([np.stack([mid, side])] * 2)  # [long, short][channel][own, other energies][band]
        self.energy_weights = nnx.Param(jnp.asarray(weights / WEIGHT_UNIT, jnp.float32))
        self.bias = nnx.Param(jnp.full((2, 2, b), OFFSET / BIAS_UNIT, jnp.float32))

    def __call__(self, E: jax.Array, is_short: jax.Array) -> jax.Array:
        """Return exponents (..., 2, b): integers stored as floats, differentiable by a straight-through gradient.

        Parameters
        ----------
        E : array (..., 2, b)
            Energies of the mid and of the side channel.
        is_short : array (...)
            1 for packets with short blocks, 0 for others.
        """
        u = jnp.concatenate([E, E[..., ::-1, :]], axis=-1)
        long, short = (
            WEIGHT_UNIT * jnp.einsum("...ci,cik->...ck", u, self.energy_weights[i]) + BIAS_UNIT * self.bias[i]
            for i in (0, 1)
        )
        return soft_to_hard(jnp.where(is_short[..., None, None] > 0, short, long), 1.0).clip(*LIMITS)
