"""Bands of at most one Bark: the band of every line, band energies, prediction from the mid to the side channel.

Place in the chain: between the transform and the quantiser. A long block has b bands. Short blocks form four groups of
two neighbouring blocks, and each group has b/4 bands, so that step sizes can follow an attack. This module computes the
side information of a packet: b energies of the mid channel, b coefficients that predict the side channel from the mid
channel, b energies of the prediction error of the side channel. Delay: none.

Letters: T packets, D lines, b bands, J short blocks, M and S lines of the mid and the side channel.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from dsp.psychoacoustics import hz_to_bark
from lpcnet_cq.music.config import MusicConfig

BARK_PER_HZ = 1 / 2500  # added slope: more bands above 10 kHz, where one Bark contains a third of all lines
GROUPS = 4  # groups of short blocks; each group has its own step sizes
QUIET = 2.0**-28  # mean square of an inaudible line: 24 dB below the minimum of the absolute threshold of hearing
OFFSET = 16  # added to log2 of the mean square, so that energies are integers around 0
LEVELS = (-12, 31)  # range of the energies
PREDICTION_STEPS = 8  # prediction coefficients are integers in units of 1/8, the reciprocal of this
MAX_COEFFICIENT = 12  # largest magnitude of a coefficient, in these units
COST_BITS = 5.0  # approximate bits of a coefficient; prediction saves half a bit per line and halving of the energy


def edges(n_lines: int, n_bands: int, hz_per_line: float) -> np.ndarray:
    """Return the first line of every band and the end of the last, int (n_bands + 1,).

    Bands have equal width on the scale Bark(f) + `BARK_PER_HZ` f.
    """
    f_hz = np.linspace(0, n_lines * hz_per_line, 4096)
    z = np.asarray(hz_to_bark(f_hz)) + BARK_PER_HZ * f_hz
    first = np.rint(np.interp(np.linspace(0, z[-1], n_bands + 1), z, f_hz) / hz_per_line).astype(int)
    return np.maximum(first, np.arange(n_bands + 1))  # every band has at least one line


@lru_cache
def layout(c: MusicConfig) -> np.ndarray:
    """Return the band of every line, for a long block and for short blocks, int (2, D)."""
    hz = c.spec.sample_rate_hz / 2 / c.spec.hop
    long = np.repeat(np.arange(c.bands), np.diff(edges(c.n_latents, c.bands, hz)))
    band = np.diff(edges(c.n_latents // c.short_blocks, c.bands // GROUPS, hz * c.short_blocks))
    group = np.arange(c.short_blocks) * GROUPS // c.short_blocks
    short = np.repeat(np.arange(c.bands // GROUPS), band)[:, None] + c.bands // GROUPS * group
    return np.stack([long, short.ravel()])


@lru_cache
def members(c: MusicConfig) -> np.ndarray:
    """Return 1 where a line belongs to a band, else 0, float32 (2, D, b)."""
    return (layout(c)[..., None] == np.arange(c.bands)).astype(np.float32)


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
