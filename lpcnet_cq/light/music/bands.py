"""Side information in NumPy: band energies and stereo prediction of `lpcnet_cq.music.bands`.

Sums over bands compute in double precision, so that one packet and many packets give the same integers.

Letters: T packets, D lines, b bands, M and S lines of the mid and the side channel.
"""

import numpy as np

from lpcnet_cq.music.band_layout import LEVELS, OFFSET, PREDICTION_STEPS, layout
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.constants import COST_BITS, MAX_COEFFICIENT, QUIET


class Bands:
    """Hold which lines belong to which band, for long blocks and for short ones."""

    def __init__(self, c: MusicConfig):
        self.layout = layout(c)
        # With the lines of a block sorted by band, the lines of a band are neighbours.
        self._order = np.argsort(self.layout, axis=1, kind="stable")
        self._first = np.stack([np.searchsorted(np.sort(row), np.arange(c.bands)) for row in self.layout])
        self._width = np.diff(self._first, append=c.n_latents)

    def sums(self, values: np.ndarray, is_short: np.ndarray) -> np.ndarray:
        """Return the sums of values (T, ..., D) over bands, float64 (T, ..., b), for short-block flags (T,)."""
        return np.stack(
            [
                np.add.reduceat(v[..., self._order[s]], self._first[s], axis=-1)
                for v, s in zip(values, is_short, strict=True)
            ]
        )

    def lines(self, values: np.ndarray, is_short: np.ndarray) -> np.ndarray:
        """Return for every line, (T, ..., D), the value of its band, from values (T, ..., b)."""
        return np.stack([v.take(self.layout[s], axis=-1) for v, s in zip(values, is_short, strict=True)])

    def energies(self, X: np.ndarray, is_short: np.ndarray) -> np.ndarray:
        """Return band energies (T, ..., b): log2 of the mean square plus `OFFSET`, rounded, within `LEVELS`.

        Parameters
        ----------
        X : float64 array (T, D)
        is_short : int array (T,)
            1 for packets with short blocks, 0 for others.
        """
        mean = self.sums(X * X, is_short) / self._width[is_short]
        return np.rint(np.log2(mean + QUIET) + OFFSET).clip(*LEVELS)

    def prediction_coefficients(self, M: np.ndarray, S: np.ndarray, is_short: np.ndarray) -> np.ndarray:
        """Return coefficients that predict the side channel from the mid channel, (T, b), in units of 1/8.

        Parameters
        ----------
        M, S : float64 arrays (T, D)
        is_short : int array (T,)
        """
        mm, ms, ss = np.moveaxis(self.sums(np.stack([M * M, M * S, S * S], axis=1), is_short), 1, 0)
        a = np.rint(PREDICTION_STEPS * ms / (mm + QUIET)).clip(-MAX_COEFFICIENT, MAX_COEFFICIENT)
        left = ss - 2 * a / PREDICTION_STEPS * ms + (a / PREDICTION_STEPS) ** 2 * mm
        least = np.exp2(2 * COST_BITS / self._width[is_short])
        return np.where(ss > least * left + QUIET, a, 0.0)
