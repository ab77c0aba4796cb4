"""Bands of at most one Bark: the band of every line, band energies, prediction from the mid to the side channel.

Place in the chain: between the transform and the quantiser. A long block has b bands. Short blocks form four groups of
two neighbouring blocks, and each group has b/4 bands, so that step sizes can follow an attack. This module computes the
side information of a packet: b energies of the mid channel, b coefficients that predict the side channel from the mid
channel, b energies of the prediction error of the side channel. Delay: none.

Letters: T packets, D lines, b bands, J short blocks, M and S lines of the mid and the side channel.
"""

import jax
import jax.numpy as jnp

from lpcnet_cq.music.band_layout import LEVELS, OFFSET, PREDICTION_STEPS, members
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.constants import COST_BITS, MAX_COEFFICIENT, QUIET


def band_sums(values: jax.Array, is_short: jax.Array, c: MusicConfig) -> jax.Array:
    """Return the sums of values (..., D) over bands, (..., b); `is_short` (...) is 1 for packets with short blocks."""
    long, short = (values @ m for m in members(c))
    return jnp.where(is_short[..., None] > 0, short, long)


def lines_of_bands(values: jax.Array, is_short: jax.Array, c: MusicConfig) -> jax.Array:
    """Return for every line, (..., D), the value of its band, from values (..., b)."""
    long, short = (values @ m.T for m in members(c))
    return jnp.where(is_short[..., None] > 0, short, long)


def energies(X: jax.Array, is_short: jax.Array, c: MusicConfig) -> jax.Array:
    """Return band energies (..., b): log2 of the mean square plus `OFFSET`, rounded to integers within `LEVELS`.

    The integers are stored as floats.

    Parameters
    ----------
    X : array (..., D)
    is_short : array (...)
        1 for packets with short blocks, 0 for others.
    c : MusicConfig
    """
    width = band_sums(jnp.ones_like(X), is_short, c)
    return jnp.round(jnp.log2(band_sums(X**2, is_short, c) / width + QUIET) + OFFSET).clip(*LEVELS)


def prediction_coefficients(M: jax.Array, S: jax.Array, is_short: jax.Array, c: MusicConfig) -> jax.Array:
    """Return coefficients that predict the side channel from the mid channel, (..., b), in units of 1/8.

    The coefficients are integers stored as floats. Prediction avoids coding a panned source twice. Bands in which
    prediction saves fewer bits than its coefficient costs have the coefficient 0.

    References
    ----------
    ISO/IEC 23003-3:2012 (USAC), 7.7.2: complex stereo prediction; here with real coefficients.
    """
    mm, ms, ss = (band_sums(v, is_short, c) for v in (M * M, M * S, S * S))
    a = jnp.round(PREDICTION_STEPS * ms / (mm + QUIET)).clip(-MAX_COEFFICIENT, MAX_COEFFICIENT)
    left = ss - 2 * a / PREDICTION_STEPS * ms + (a / PREDICTION_STEPS) ** 2 * mm
    least = jnp.exp2(2 * COST_BITS / band_sums(jnp.ones_like(M), is_short, c))
    return jnp.where(ss > least * left + QUIET, a, 0.0)
