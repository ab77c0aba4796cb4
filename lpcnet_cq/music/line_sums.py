"""Running sums of a spectrum that is being decoded: the context within a spectrum, for the packet reader.

Place in the chain: as `lpcnet_cq.bitstream.vector_sums`. A line that is not zero changes the scales of three higher
lines. The scales of all lines are computed at once as if no lower line had a magnitude, and these three again.

Letters: D lines.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.bitstream.fixed_point import activate_floats
from lpcnet_cq.bitstream.vector_sums import ROUNDING, WINDOW
from lpcnet_cq.music.line_features import BELOW, MAX_MAGNITUDE

TARGETS = np.array(BELOW)
SOURCES = TARGETS[:, None] - TARGETS + max(BELOW)  # lower lines of the targets, in an array with max(BELOW) zeros below


class LineLayers(NamedTuple):
    """Hold the layers behind the sums of features as float64, and the sizes of magnitudes 0..`MAX_MAGNITUDE`."""

    sizes: np.ndarray
    below: np.ndarray
    w3: np.ndarray


class LineSums:
    """Sums of scales of the lines of a spectrum; all means are 0. See `bitstream.vector_sums.VectorSums`.

    Parameters
    ----------
    layers : LineLayers
    base : float64 array (D, H/2)
        Sums before the last hidden layer, from other spectra.
    offset : float64 array (D,)
        Sums of scales from other spectra.
    """

    def __init__(self, layers: LineLayers, base: np.ndarray, offset: np.ndarray):
        D, most = len(base), max(BELOW)
        self._layers = layers
        self._base = np.concatenate([base, np.zeros((most, base.shape[1]))])
        self._offset = np.concatenate([offset, np.zeros(most)]) + float(ROUNDING[1, 0])
        self._sizes = np.zeros(D + 2 * most)
        self._D, self._sums = D, np.zeros((2, D + most), np.int64) + ROUNDING
        self._sums[1] = self._scales(slice(None), 0.0)

    def _scales(self, lines, u: np.ndarray | float) -> np.ndarray:
        """Return the sums of scales of some lines, given what the lower lines add to the hidden layer."""
        return activate_floats(self._base[lines] + u) @ self._layers.w3 + self._offset[lines]

    def ahead(self, k: int) -> np.ndarray:
        """Return the sums of lines from k on, see `VectorSums`."""
        return self._sums[:, k : min(k + WINDOW, self._D)]

    def put(self, k: int, value: int) -> None:
        """Take the value of line k."""
        self._sizes[k + max(BELOW)] = self._layers.sizes[min(abs(value), MAX_MAGNITUDE)]
        lines = TARGETS + k
        self._sums[1, lines] = self._scales(lines, self._sizes[SOURCES + k] @ self._layers.below)
