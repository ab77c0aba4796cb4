"""Bands of at most one Bark: the band of every line, band energies, prediction of the side from the mid channel.

Place in the chain: between the transform and the quantiser. A long block has b bands. Short blocks form four groups of
two neighbouring blocks, and each group has b/4 bands, so that step sizes can follow an attack. This module computes the
side information of a packet: the flag for short blocks, b energies of the mid channel, b prediction coefficients from
the mid to the side channel, b energies of the prediction error of the side channel. Delay: none.

Letters: T packets, D lines, b bands, J short blocks, M and S lines of the mid and the side channel.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from dsp.psychoacoustics import hz_to_bark
from lpcnet_cq.music.config import MusicConfig

PER_HZ = 1 / 2500  # divides the highest Bark, a third of all lines: one energy would not describe its noise well
GROUPS = 4  # groups of short blocks; each group has its own step sizes
QUIET = 2.0**-28  # mean square of an inaudible line: 24 dB below the minimum of the threshold in quiet
OFFSET = 16  # added to log2 of the mean square, so that energies are integers around 0
LEVELS = (-12, 31)  # range of the energies
FACTOR = 8  # prediction coefficients are integers in units of 1/8
MOST = 12  # largest magnitude of a coefficient, in these units
COST_BITS = 5.0  # approximate bits of a coefficient; prediction saves half a bit per line and octave of energy


def edges(n_lines: int, n_bands: int, hz_per_line: float) -> np.ndarray:
    """Return the first line of every band and the end of the last, int (n_bands + 1,).

    Bands have equal width on the scale Bark(f) + `PER_HZ` f.
    """
    f_hz = np.linspace(0, n_lines * hz_per_line, 4096)
    z = np.asarray(hz_to_bark(f_hz)) + PER_HZ * f_hz
    first = np.rint(np.interp(np.linspace(0, z[-1], n_bands + 1), z, f_hz) / hz_per_line).astype(int)
    return np.maximum(first, np.arange(n_bands + 1))  # no band is empty


@lru_cache
def layout(c: MusicConfig) -> np.ndarray:
    """Return the band of every line, for a long block and for short blocks, int (2, D)."""
    hz = c.spec.sample_rate_hz / 2 / c.spec.hop
    long = np.repeat(np.arange(c.bands), np.diff(edges(c.n_latents, c.bands, hz)))
    band = np.diff(edges(c.n_latents // c.splits, c.bands // GROUPS, hz * c.splits))
    group = np.arange(c.splits) * GROUPS // c.splits
    short = np.repeat(np.arange(c.bands // GROUPS), band)[:, None] + c.bands // GROUPS * group
    return np.stack([long, short.ravel()])


@lru_cache
def members(c: MusicConfig) -> np.ndarray:
    """Return 1 where a line belongs to a band, else 0, float32 (2, D, b)."""
    return (layout(c)[..., None] == np.arange(c.bands)).astype(np.float32)


def over_bands(values: jax.Array, split: jax.Array, c: MusicConfig) -> jax.Array:
    """Return the sums of values (..., D) over bands, (..., b); `split` (...) is 1 for packets with short blocks."""
    long, short = (values @ m for m in members(c))
    return jnp.where(split[..., None] > 0, short, long)


def over_lines(values: jax.Array, split: jax.Array, c: MusicConfig) -> jax.Array:
    """Return for every line, (..., D), the value of its band, from values (..., b)."""
    long, short = (values @ m.T for m in members(c))
    return jnp.where(split[..., None] > 0, short, long)


def energies(X: jax.Array, split: jax.Array, c: MusicConfig) -> jax.Array:
    """Return band energies (..., b): log2 of the mean square plus `OFFSET`, rounded to integers within `LEVELS`.

    The integers are stored as floats.

    Parameters
    ----------
    X : array (..., D)
    split : array (...)
        1 for packets with short blocks, 0 for others.
    c : MusicConfig
    """
    width = over_bands(jnp.ones_like(X), split, c)
    return jnp.round(jnp.log2(over_bands(X**2, split, c) / width + QUIET) + OFFSET).clip(*LEVELS)


def factors(M: jax.Array, S: jax.Array, split: jax.Array, c: MusicConfig) -> jax.Array:
    """Return coefficients that predict the side from the mid channel, in units of 1/8: integers in floats, (..., b).

    With prediction, a panned source is coded only once. Bands in which prediction would gain little have 0.

    References
    ----------
    As the prediction of ISO/IEC 23003-3:2012 (USAC), 7.7.2, with real coefficients.
    """
    mm, ms, ss = (over_bands(v, split, c) for v in (M * M, M * S, S * S))
    a = jnp.round(FACTOR * ms / (mm + QUIET)).clip(-MOST, MOST)
    left = ss - 2 * a / FACTOR * ms + (a / FACTOR) ** 2 * mm
    least = jnp.exp2(2 * COST_BITS / over_bands(jnp.ones_like(M), split, c))
    return jnp.where(ss > least * left + QUIET, a, 0.0)
