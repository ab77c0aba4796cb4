"""Transform path of the residual coder in NumPy: the lapped transform of `lpcnet_cq.speech.lapped`.

Each direction is one product with a matrix (2L, L), whose rows are the previous and the present subframe.

Letters: S subframes, L samples per subframe = latents D.
"""

import numpy as np

from lpcnet_cq.speech.constants import LAPPED_UNIT


class Lapped:
    """Transform overlapping pairs of subframes to latents, and latents to subframes.

    Parameters
    ----------
    params : dict
        `forward` and `back`, (2, L, L) each, divided by `LAPPED_UNIT`.
    """

    def __init__(self, params: dict):
        unit = np.float32(LAPPED_UNIT)
        forward, back = (np.asarray(params[name], np.float32) for name in ("forward", "back"))
        self.forward = np.ascontiguousarray(unit * np.concatenate([forward[0], forward[1]]))
        self.back = np.ascontiguousarray(unit * np.concatenate([back[1], back[0]]))

    def analyse(self, before: np.ndarray, e: np.ndarray) -> np.ndarray:
        """Return one vector per subframe, (S, L), computed from this subframe and the one before it.

        Parameters
        ----------
        before : array (L,)
            Subframe before the first.
        e : array (S, L)
        """
        return _pairs(before, e).dot(self.forward)

    def synthesise(self, before: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return one subframe per vector, (S, L): the inverse of `analyse`, delayed by one subframe.

        Parameters
        ----------
        before : array (L,)
            Vector before the first.
        y : array (S, L)
        """
        return _pairs(before, y).dot(self.back)


def _pairs(before, rows):
    pairs = np.empty((len(rows), 2, rows.shape[1]), np.float32)
    pairs[0, 0], pairs[1:, 0], pairs[:, 1] = before, rows[:-1], rows
    return pairs.reshape(len(rows), -1)
