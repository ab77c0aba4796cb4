"""The bands of a spectrum: the band of every line, and the units of the side information.

Place in the chain: part of `music.bands`, which computes the side information. A long block has b bands. Short blocks
form four groups of two neighbouring blocks, and each group has b/4 bands.

Letters: D lines, b bands.
"""

from functools import lru_cache

import numpy as np

from dsp.psychoacoustics_hearing import hz_to_bark
from lpcnet_cq.music.config import MusicConfig

BARK_PER_HZ = 1 / 2500  # added slope: more bands above 10 kHz, where one Bark contains a third of all lines
GROUPS = 4  # groups of short blocks; each group has its own step sizes
OFFSET = 16  # added to log2 of the mean square, so that energies are integers around 0
LEVELS = (-12, 31)  # range of the energies
PREDICTION_STEPS = 8  # prediction coefficients are integers in units of 1/8, the reciprocal of this


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
