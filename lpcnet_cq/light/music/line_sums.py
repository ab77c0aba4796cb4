"""Running sums of a spectrum that is being decoded: the context within a spectrum, for the packet reader.

Place in the chain: as `lpcnet_cq.bitstream.vector_sums`. A line that is not zero changes the scales of three higher
lines. The scales of all lines are computed at once as if no lower line had a magnitude, and those of the next eight
again behind a line that is not zero: calls of NumPy take longer than arithmetic on few values.

Letters: D lines, H hidden width.
"""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import SUM_BITS
from lpcnet_cq.bitstream.vector_sums import WINDOW, ZERO_MEAN
from lpcnet_cq.light.music.line_network import MOST, NONE, SIZES, LineNetwork, activated
from lpcnet_cq.music.line_features import BELOW, MAX_MAGNITUDE

REACH = max(BELOW)
MEANS = [ZERO_MEAN] * WINDOW  # of lines


def effects(network: LineNetwork) -> np.ndarray:
    """Return what a line adds to the sums of the next `REACH` lines, by its magnitude, (M + 1, REACH, H/2)."""
    rows = np.zeros((len(BELOW), REACH))
    rows[range(len(BELOW)), np.array(BELOW) - 1] = 1
    table = SIZES[: MAX_MAGNITUDE + 1, None, None] * (rows.T @ network.below.T)
    return np.ascontiguousarray(table)


class LineSums:
    """Sums of scales of the lines of a spectrum; all means are 0. See `bitstream.vector_sums.VectorSums`.

    Parameters
    ----------
    effects : float64 array (M + 1, REACH, H/2)
        From `effects`.
    w3 : float64 array (H/2,)
        Weights of the last layer.
    base : float64 array (H/2, D)
        Sums before the last hidden layer, from other spectra.
    offset : float64 array (D,)
        Sums of scales from other spectra.
    """

    def __init__(self, effects: np.ndarray, w3: np.ndarray, base: np.ndarray, offset: np.ndarray):
        self._effects, self._w3, self._D = effects, w3 * 2.0**-SUM_BITS, len(offset)
        self._base = np.concatenate([base.T, np.zeros((REACH, len(base)))])
        self._offset = np.concatenate([offset, np.zeros(REACH)]) * 2.0**-SUM_BITS + 0.5
        scales = self._w3 @ activated(base) + self._offset[: self._D]
        self._scales = scales.astype(np.int64).tolist()  # below 0 rounded up, but such scales are those of 0

    def ahead(self, k: int) -> list[list[int]]:
        """Return rounded means and scales of the lines from k on, see `VectorSums`."""
        scales = self._scales[k : min(k + WINDOW, self._D)]
        return [MEANS[: len(scales)], scales]

    def put(self, k: int, value: int) -> None:
        """Take the value of line k."""
        next_lines = slice(k + 1, k + 1 + REACH)
        total = self._base[next_lines]
        total += self._effects[min(abs(value), MAX_MAGNITUDE)]
        h = np.floor(total)
        np.maximum(h, NONE, out=h)
        np.minimum(h, MOST, out=h)
        scales = h.dot(self._w3)
        scales += self._offset[next_lines]
        self._scales[next_lines] = scales.astype(np.int64).tolist()
