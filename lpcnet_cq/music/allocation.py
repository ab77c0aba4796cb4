"""How coarsely each band is quantised: steps that the decoder works out from the energies it has.

Place in the chain: between side information and quantiser, on both sides. The logarithm of a band's step is a linear
function of the logarithms of all bands' energies, in both channels: a masking threshold spreads over neighbours and
follows the level just so (a linear fit to the thresholds of `dsp.psychoacoustics` leaves 4.5 dB of 17), and it costs no
bits. The loss trains it: a mean squared error wants one step everywhere, psychoacoustic terms want steps under the
mask. Exponents of steps are integers, eighths of an octave, so that the entropy model can reckon with them exactly.

Letters: b bands, E energies as `bands.energies` counts them (3 dB each), s exponents of steps.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.nn.quantize import soft_to_hard

PER_OCTAVE = 8  # of amplitude: 0.75 dB
PER_ENERGY = PER_OCTAVE // 2  # an energy is a power
FOLLOW = 0.65  # share of a band's level by which its step grows, to start from
SPREAD = (0.2, 0.6, 0.2)  # of it that comes from the band below, itself, the band above
SIDE_SHARE = 0.4  # of the side channel's step that follows the middle channel
OFFSET = -54.0  # of all exponents, to start from
LIMITS = (-110, 70)
WEIGHT_UNIT, BIAS_UNIT = 0.1, 16.0  # they are trained in


class Allocation(nnx.Module):
    """Map energies to exponents of steps, with weights for long and split blocks, and for either channel."""

    def __init__(self, c: MusicConfig):
        b = c.bands
        spread = np.sum([w * np.eye(b, k=k) for w, k in zip(SPREAD, (-1, 0, 1), strict=True)], axis=0)
        spread = PER_ENERGY * FOLLOW * (spread / spread.sum(axis=0)).astype(np.float32)
        middle = np.concatenate([spread, 0 * spread])
        side = np.concatenate([(1 - SIDE_SHARE) * spread, SIDE_SHARE * spread])
        weights = np.stack([np.stack([middle, side])] * 2)  # [split][channel][own, other energies][band]
        self.skip = nnx.Param(jnp.asarray(weights / WEIGHT_UNIT, jnp.float32))
        self.mean = nnx.Param(jnp.full((2, 2, b), OFFSET / BIAS_UNIT, jnp.float32))

    def __call__(self, E: jax.Array, split: jax.Array) -> jax.Array:
        """Return exponents (..., 2, b), integers in floats with a gradient.

        Parameters
        ----------
        E : array (..., 2, b)
            Energies of the middle and of the side channel.
        split : array (...)
        """
        u = jnp.concatenate([E, E[..., ::-1, :]], axis=-1)
        long, short = (
            WEIGHT_UNIT * jnp.einsum("...ci,cik->...ck", u, self.skip[i]) + BIAS_UNIT * self.mean[i] for i in (0, 1)
        )
        return soft_to_hard(jnp.where(split[..., None, None] > 0, short, long), 1.0).clip(*LIMITS)


def level(c: MusicConfig) -> np.ndarray:
    """Return the exponents that the packet's step index adds, rounded, int (Q,)."""
    octaves = np.log2(c.step_ratio) * (np.arange(c.n_steps) - float(c.nominal_step))
    return np.rint(PER_OCTAVE * octaves).astype(int)
