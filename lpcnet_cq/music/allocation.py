"""Bit allocation: the step size of every band, computed from the decoded band energies.

Place in the chain: between side information and quantiser, in the encoder and in the decoder. The step sizes cost no
bits. The logarithm of a band's step size is a linear function of the logarithms of all band energies of both channels.
A linear function suits masking thresholds, which follow the level and spread to neighbouring bands: a linear fit to the
thresholds of `dsp.psychoacoustics` reduces their deviation from 17 dB to 4.5 dB. The loss trains the function. A mean
squared error favours one step size for all bands; psychoacoustic terms favour step sizes below the masking threshold.
Exponents of step sizes are integers in units of 1/8 octave, so that the entropy model computes with them exactly.

Letters: b bands, E energies from `bands.energies` (3 dB per unit), s exponents of step sizes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.nn.quantize import soft_to_hard

PER_OCTAVE = 8  # of amplitude: 0.75 dB
PER_ENERGY = PER_OCTAVE // 2  # an energy is a power
FOLLOW = 0.65  # initial slope of a band's log step size over its log energy
SPREAD = (0.2, 0.6, 0.2)  # initial shares of that slope: the band below, the band itself, the band above
SIDE_SHARE = 0.4  # initial share of the side channel's step size that follows the mid channel
OFFSET = -54.0  # initial offset of all exponents
LIMITS = (-110, 70)  # of the exponents
WEIGHT_UNIT, BIAS_UNIT = 0.1, 16.0  # units in which weights and biases are trained


class Allocation(nnx.Module):
    """Map band energies to exponents of step sizes; long and short blocks, and the two channels, have own weights."""

    def __init__(self, c: MusicConfig):
        b = c.bands
        spread = np.sum([w * np.eye(b, k=k) for w, k in zip(SPREAD, (-1, 0, 1), strict=True)], axis=0)
        spread = PER_ENERGY * FOLLOW * (spread / spread.sum(axis=0)).astype(np.float32)
        mid = np.concatenate([spread, 0 * spread])
        side = np.concatenate([(1 - SIDE_SHARE) * spread, SIDE_SHARE * spread])
        weights = np.stack([np.stack([mid, side])] * 2)  # [long, short][channel][own, other energies][band]
        self.skip = nnx.Param(jnp.asarray(weights / WEIGHT_UNIT, jnp.float32))
        self.mean = nnx.Param(jnp.full((2, 2, b), OFFSET / BIAS_UNIT, jnp.float32))

    def __call__(self, E: jax.Array, split: jax.Array) -> jax.Array:
        """Return exponents (..., 2, b): integers stored as floats, with a gradient.

        Parameters
        ----------
        E : array (..., 2, b)
            Energies of the mid and of the side channel.
        split : array (...)
            1 for packets with short blocks, 0 for others.
        """
        u = jnp.concatenate([E, E[..., ::-1, :]], axis=-1)
        long, short = (
            WEIGHT_UNIT * jnp.einsum("...ci,cik->...ck", u, self.skip[i]) + BIAS_UNIT * self.mean[i] for i in (0, 1)
        )
        return soft_to_hard(jnp.where(split[..., None, None] > 0, short, long), 1.0).clip(*LIMITS)


def level(c: MusicConfig) -> np.ndarray:
    """Return the rounded number that each step index of a packet adds to all exponents, int (Q,)."""
    octaves = np.log2(c.step_ratio) * (np.arange(c.n_steps) - float(c.nominal_step))
    return np.rint(PER_OCTAVE * octaves).astype(int)
