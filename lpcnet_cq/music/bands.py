"""Bands of a Bark or less: which line belongs to which, their energies, and the side channel told from the middle.

Place in the chain: between the transform and the quantiser. A long block has b bands; a split one has four times b/4
bands, each of two neighbouring short blocks, so that steps can follow an attack. The integers of a packet's side
information are made here; `n` of them per packet: the split flag, b energies of the middle channel, b factors by which
the side channel is predicted from it, b energies of what is left of the side channel. Delay: none.

Letters: T packets, D lines, b bands, J short blocks, M and S lines of the middle and the side channel.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from dsp.psychoacoustics import hz_to_bark
from lpcnet_cq.music.config import MusicConfig

PER_HZ = 1 / 2500  # the highest Bark spans a third of all lines: one energy says too little of its noise
GROUPS = 4  # of short blocks that have steps of their own
QUIET = 2.0**-28  # mean square of a line that nobody hears: 24 dB below the threshold in quiet at its lowest
OFFSET = 16  # energies are integers around 0: powers of two of the mean square, plus this
LEVELS = (-12, 31)  # their range
FACTOR = 8  # factors of prediction are integers in eighths
MOST = 12
COST_BITS = 5.0  # of a factor, about: half a bit for each octave of energy and line must make up for it


def edges(n_lines: int, n_bands: int, hz_per_line: float) -> np.ndarray:
    """Return the first lines of bands of equal width, in Bark plus `PER_HZ`, and the end, int (n_bands + 1,)."""
    f_hz = np.linspace(0, n_lines * hz_per_line, 4096)
    z = np.asarray(hz_to_bark(f_hz)) + PER_HZ * f_hz
    first = np.rint(np.interp(np.linspace(0, z[-1], n_bands + 1), z, f_hz) / hz_per_line).astype(int)
    return np.maximum(first, np.arange(n_bands + 1))  # none is empty


@lru_cache
def layout(c: MusicConfig) -> np.ndarray:
    """Return the band of every line in a long block and in a split one, int (2, D)."""
    hz = c.spec.sample_rate_hz / 2 / c.spec.hop
    long = np.repeat(np.arange(c.bands), np.diff(edges(c.n_latents, c.bands, hz)))
    band = np.diff(edges(c.n_latents // c.splits, c.bands // GROUPS, hz * c.splits))
    group = np.arange(c.splits) * GROUPS // c.splits
    short = np.repeat(np.arange(c.bands // GROUPS), band)[:, None] + c.bands // GROUPS * group
    return np.stack([long, short.ravel()])


@lru_cache
def members(c: MusicConfig) -> np.ndarray:
    """Return 1 where a line belongs to a band, float32 (2, D, b)."""
    return (layout(c)[..., None] == np.arange(c.bands)).astype(np.float32)


def over_bands(values: jax.Array, split: jax.Array, c: MusicConfig) -> jax.Array:
    """Return the sums of values (..., D) over bands, (..., b), in blocks that `split` (...) says are split."""
    long, short = (values @ m for m in members(c))
    return jnp.where(split[..., None] > 0, short, long)


def over_lines(values: jax.Array, split: jax.Array, c: MusicConfig) -> jax.Array:
    """Return the values of bands (..., b) at every line, (..., D)."""
    long, short = (values @ m.T for m in members(c))
    return jnp.where(split[..., None] > 0, short, long)


def energies(X: jax.Array, split: jax.Array, c: MusicConfig) -> jax.Array:
    """Return the mean squares of bands as integers, in floats: log2, rounded, within `LEVELS`; (..., b).

    Parameters
    ----------
    X : array (..., D)
    split : array (...)
    c : MusicConfig
    """
    width = over_bands(jnp.ones_like(X), split, c)
    return jnp.round(jnp.log2(over_bands(X**2, split, c) / width + QUIET) + OFFSET).clip(*LEVELS)


def factors(M: jax.Array, S: jax.Array, split: jax.Array, c: MusicConfig) -> jax.Array:
    """Return by how many eighths of the middle channel the side channel is predicted, integers in floats, (..., b).

    A sound that is panned to one place is then coded once. Bands that would gain little have 0.

    References
    ----------
    As the prediction of ISO/IEC 23003-3:2012 (USAC), 7.7.2, with real factors.
    """
    mm, ms, ss = (over_bands(v, split, c) for v in (M * M, M * S, S * S))
    a = jnp.round(FACTOR * ms / (mm + QUIET)).clip(-MOST, MOST)
    left = ss - 2 * a / FACTOR * ms + (a / FACTOR) ** 2 * mm
    least = jnp.exp2(2 * COST_BITS / over_bands(jnp.ones_like(M), split, c))
    return jnp.where(ss > least * left + QUIET, a, 0.0)
