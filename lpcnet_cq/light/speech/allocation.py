"""Bit allocation in NumPy: the factors on the scales of the latents of `lpcnet_cq.speech.allocation`.

Letters: T packets, S subframes per packet, C conditions per subframe, D latents.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.light.layers import silu
from lpcnet_cq.speech.constants import MAX_LOG_FACTOR, PEAK_DECAY, START_LEVEL

# arrays, because NumPy takes longer to convert two numbers than to clip a packet
LOG_FACTORS = np.array(-MAX_LOG_FACTOR, np.float32), np.array(MAX_LOG_FACTOR, np.float32)


class AllocationState(NamedTuple):
    """Hold the peak level of the last subframe, and the network's input (S (C+1),) of the last packet."""

    peak: float
    seen: np.ndarray


class Allocation:
    """Map envelopes and levels of this packet and the previous packet to the log of a factor per latent.

    Parameters
    ----------
    params : dict
        Weights `w1`, `w2` and biases `b1`, `b2`.
    S : int
        Subframes per packet.
    """

    def __init__(self, params: dict, S: int):
        self.S = S
        self.w1, self.b1, self.w2, self.b2 = (np.asarray(params[k], np.float32) for k in ("w1", "b1", "w2", "b2"))

    def start(self) -> AllocationState:
        """Return the state before the first packet."""
        return AllocationState(START_LEVEL, np.zeros(len(self.w1) // 2, np.float32))

    def __call__(
        self, state: AllocationState, cond: np.ndarray, log_gain: np.ndarray
    ) -> tuple[AllocationState, np.ndarray]:
        """Return the next state and the natural log of the factors, float32 (T*S, D).

        Parameters
        ----------
        state : AllocationState
        cond : array (T*S, C)
            From `residual_coder.conditions`.
        log_gain : array (T*S,)
            Decoded log gains (natural log).
        """
        N, T = len(log_gain), len(log_gain) // self.S
        peak = recent_peak(state.peak, log_gain)
        seen = np.empty((T + 1, self.S, cond.shape[1] + 1), np.float32)
        seen[0] = state.seen.reshape(self.S, -1)
        seen[1:, :, :-1] = cond.reshape(T, self.S, -1)
        seen[1:, :, -1] = (log_gain - peak).reshape(T, self.S)
        seen = seen.reshape(T + 1, -1)
        h = np.concatenate([seen[:-1], seen[1:]], axis=1).dot(self.w1)
        h += self.b1
        y = silu(h).dot(self.w2)
        y += self.b2
        y.clip(*LOG_FACTORS, out=y)
        return AllocationState(float(peak[-1]), seen[-1].copy()), y.reshape(N, -1)


def recent_peak(before: float, log_gain: np.ndarray) -> np.ndarray:
    """Return the decaying peak level of each subframe, float64 (N,).

    It is the maximum of the present level and of all past levels, each reduced by `PEAK_DECAY` per subframe since then.

    Parameters
    ----------
    before : float
        Peak level of the subframe before the first.
    log_gain : array (N,)
    """
    fall = PEAK_DECAY * np.arange(len(log_gain) + 1)
    levels = np.concatenate([[before], log_gain]) + fall
    return (np.maximum.accumulate(levels) - fall)[1:]
