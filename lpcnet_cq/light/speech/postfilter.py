"""Long-term postfilter in NumPy: `lpcnet_cq.speech.postfilter`, which describes it.

Letters: S subframes, L samples per subframe, K taps, n sample of a subframe, m offset of an earlier subframe within a
frame of past and present samples: the lag is (frame length - L) - m.
"""

from math import gcd
from typing import NamedTuple

import numpy as np

from lpcnet_cq.light.layers import CausalConv, silu
from lpcnet_cq.speech.constants import BLOCKS, ENERGY_FLOOR, LONGEST_S, MAX_GAIN, SHORTEST_S, TAPS
from lpcnet_cq.speech.windows import windows

GAINS = np.array(-MAX_GAIN, np.float32), np.array(MAX_GAIN, np.float32)  # `clip` is fastest with arrays
ROWS = 8  # lags that are computed by one row of a product


class PostfilterState(NamedTuple):
    """Hold past synthesised speech, float32 ((past + BLOCKS - 1) * L,), and the state of the network."""

    y: np.ndarray
    look: np.ndarray


class LongTermPostfilter:
    """Hold the network for the gains, and the parameters of the softmax over lags.

    Parameters
    ----------
    params : dict
        `look` and `gains`, parameters of two convolutions; `log_sharpness` (), `preference` (lags,).
    L : int
    sample_rate_hz : int
    """

    def __init__(self, params: dict, L: int, sample_rate_hz: int):
        shortest, longest = round(SHORTEST_S * sample_rate_hz), round(LONGEST_S * sample_rate_hz)
        self.L, self.n_lags = L, longest - shortest
        self.past = -(-longest // L)  # number of past subframes in a frame
        self.first = self.past * L - longest + 1  # m of the longest lag; the shortest lag has the largest m
        self.look, self.gains = CausalConv(params["look"]), CausalConv(params["gains"])
        self.sharpness = np.exp(np.float32(params["log_sharpness"]))
        self.preference = np.asarray(params["preference"], np.float32)

    def start(self) -> PostfilterState:
        """Return the state before the first sample."""
        return PostfilterState(np.zeros((self.past + BLOCKS - 1) * self.L, np.float32), self.look.start())

    def __call__(self, state: PostfilterState, y: np.ndarray, cond: np.ndarray) -> tuple[PostfilterState, np.ndarray]:
        """Return the next state and the filtered speech, float32 (S*L,).

        Parameters
        ----------
        state : PostfilterState
        y : array (S*L,)
            Synthesised speech.
        cond : array (S, C)
            Conditions of each subframe, from `residual_coder.conditions`.
        """
        S, L = len(cond), self.L
        ys = np.concatenate([state.y, y], dtype=np.float32, casting="same_kind")
        r = self.correlation(ys, S)
        padded = np.zeros((S, self.n_lags + TAPS - 1), np.float32)
        w = padded[:, TAPS // 2 : TAPS // 2 + self.n_lags]
        np.multiply(r, self.sharpness, out=w)
        w += self.preference
        w -= w.max(axis=1, keepdims=True)
        np.exp(w, out=w)
        w /= w.sum(axis=1, keepdims=True)
        mean, share = np.vecdot(w, r), np.vecdot(w, w)
        look, h = self.look(state.look, np.concatenate([cond, mean[:, None], share[:, None]], axis=1))
        g = self.gains.pointwise(silu(h)).clip(*GAINS)
        v = g[:, 1, None] * padded[:, : self.n_lags]
        for k in range(1, TAPS):
            v += g[:, 1 + k, None] * padded[:, k : k + self.n_lags]
        out = (1 + g[:, :1]) * ys[-S * L :].reshape(S, L)
        out += correlations(ys[(BLOCKS - 1) * L + self.first :], L, v, L)
        return PostfilterState(ys[S * L :].copy(), look), out.reshape(-1)

    def correlation(self, ys: np.ndarray, S: int) -> np.ndarray:
        """Return the normalised cross-correlation of the last `BLOCKS` subframes with the past, per lag, (S, m).

        Parameters
        ----------
        ys : array ((S + BLOCKS - 1 + past) * L,)
            Past and present speech.
        S : int
        """
        L, N, lags = self.L, BLOCKS * self.L, slice(self.first, self.first + self.n_lags)
        present = windows(ys[self.past * L :], L, L)
        single = correlations(ys[self.first :], L, present[: S + BLOCKS - 1], self.n_lags)
        product = single[:S].copy()
        for i in range(1, BLOCKS):
            product += single[i : i + S]
        sums = np.cumsum(np.concatenate([np.zeros(1), np.square(ys, dtype=np.float64)]))
        energy = sums[N:] - sums[:-N]  # of N samples from each sample on
        energy += ENERGY_FLOOR
        scale = windows((1 / np.sqrt(energy)).astype(np.float32), self.past * L + 1, L)
        product *= scale[:, lags]
        product *= scale[:, -1:]
        return product


def correlations(x: np.ndarray, hop: int, patterns: np.ndarray, n_lags: int) -> np.ndarray:
    """Return r[s, m] = sum_n x[s * hop + m + n] patterns[s, n], float32 (S, n_lags).

    Each row is a product of two matrices, whose rows begin `ROWS` lags apart in x, and one sample apart in the pattern:
    faster than `np.correlate`, which computes one lag after the other.

    Parameters
    ----------
    x : contiguous float32 array (n,)
    hop : int
    patterns : float32 array (S, L)
    n_lags : int
    """
    (S, L), rows, item = patterns.shape, gcd(ROWS, n_lags), x.itemsize
    length = L + rows - 1
    earlier = np.ndarray((S, n_lags // rows, length), x.dtype, x, 0, (hop * item, rows * item, item))
    padded = np.zeros((S, length + rows - 1), np.float32)
    padded[:, rows - 1 : length] = patterns
    delayed = np.ndarray((S, rows, length), x.dtype, padded, (rows - 1) * item, (padded.strides[0], -item, item))
    return (earlier.copy() @ delayed.copy().transpose(0, 2, 1)).reshape(S, n_lags)
