"""LSF vectors to filters and noise shapes in NumPy: `lpcnet_cq.speech.envelope` and `noise_shape` of `speech.lapped`.

Place in the chain: converts decoded LSF vectors, one per packet, to one filter and one vector of scales per subframe.
Filters have sharp resonances, which amplify rounding errors; so this module computes in double precision, and one
packet and many packets give the same filters.

P(z) and Q(z) are products of factors that are linear in cos w_k. Their values at M/2 + 1 points of the unit circle
determine them, and everything behind is linear in these values: one matrix gives the coefficients of A(z), of
A(z) (1 - mu z^-1), and the values of A(z) and A(z/gamma) at the frequencies of the latents.

Letters: T packets, S subframes per packet, M order, D latents, n = M/2 zeros of P(z) and of Q(z) above the real axis.
"""

from functools import lru_cache

import numpy as np

from lpcnet_cq.speech.analysis import PREEMPHASIS
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import GAMMA, MAX_LOG_SHAPE, MIN_DISTANCE, POWER_FLOOR, interpolation_weights

# arrays without axes: NumPy takes longer to convert a number than to combine it with the values of a packet
NONE, HALF, LEAST, FLOOR = (np.array(value) for value in (0.0, 0.5, MIN_DISTANCE, POWER_FLOOR))
SHAPES = np.array(-MAX_LOG_SHAPE), np.array(MAX_LOG_SHAPE)


def order_lsf(lsf: np.ndarray) -> np.ndarray:
    """Sort frequencies and keep them at least `MIN_DISTANCE` apart within (0, pi), (..., M).

    After sorting, a running maximum in ascending order and a running minimum in descending order move the frequencies.
    A vector that meets the conditions does not change, except for rounding.
    """
    lowest, highest = _limits(lsf.shape[-1])
    up = np.maximum.accumulate(np.maximum(np.sort(lsf), LEAST) - lowest, axis=-1)
    down = np.minimum.accumulate((up - (highest - lowest))[..., ::-1], axis=-1)[..., ::-1]
    return np.minimum(down, NONE) + highest


@lru_cache
def _limits(M: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest allowed value of each of M frequencies."""
    k = np.arange(1, M + 1) * MIN_DISTANCE
    return k, k + (np.pi - (M + 1) * MIN_DISTANCE)


class Envelope:
    """Compute filters and noise shapes; hold the matrices that this needs."""

    def __init__(self, c: SpeechConfig):
        M, D = c.order, c.n_latents
        self.M, self.D = M, D
        self.w = interpolation_weights(c.spec)[:, None]
        self.w_before = 1 - self.w
        theta = np.pi * (np.arange(M // 2 + 1) + 0.5) / (M // 2 + 1)
        self.points = np.cos(theta)
        a = lpc_of_values(theta)
        full = np.pad(a, ((0, 0), (0, 1))) - PREEMPHASIS * np.pad(a, ((0, 0), (1, 0)))
        z = np.exp(-1j * np.pi / D * (np.arange(D) + 0.5))
        plain, weighted = (a @ (gamma * z) ** np.arange(M + 1)[:, None] for gamma in (1.0, GAMMA))
        matrix = np.concatenate([full, plain.real, weighted.real, plain.imag, weighted.imag], axis=1)
        self.matrix = 2.0 ** (M // 2) * matrix  # for factors without their 2
        self.emphasis = np.log(np.abs(1 - PREEMPHASIS * z))

    def __call__(self, before: np.ndarray, lsf: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return LSFs of packets and subframes, filters, and noise shapes, all float64.

        Parameters
        ----------
        before : array (M,)
            LSF vector of the packet before, rad.
        lsf : array (T, M)
            Decoded LSF vectors, not yet ordered.

        Returns
        -------
        lsf : array (T, M)
        sub : array (T*S, M)
            Interpolated LSFs.
        a : array (T*S, M+2)
            Filters A(z) (1 - mu z^-1), which include the pre-emphasis; their input is speech without pre-emphasis.
        shape : array (T*S, D)
            ln |W(z) / A(z)| at the frequencies of the latents.
        """
        M, D = self.M, self.D
        lsf = order_lsf(lsf)
        earlier = np.concatenate([before[None], lsf[:-1]])
        sub = (earlier[:, None] * self.w_before + lsf[:, None] * self.w).reshape(-1, M)
        factors = self.points - np.cos(sub).reshape(len(sub), M // 2, 2, 1)
        values = np.multiply.reduce(factors, axis=1).reshape(len(sub), -1).dot(self.matrix)
        a = values[:, : M + 2].copy()
        a[:, 0] = 1.0
        power = values[:, M + 2 :]
        power *= power
        power = power[:, : 2 * D] + power[:, 2 * D :]
        power += FLOOR
        shape = np.log(power[:, D:] / power[:, :D])
        shape *= HALF
        shape -= self.emphasis
        return lsf, sub, a, shape.clip(*SHAPES, out=shape)


def lpc_of_values(theta: np.ndarray) -> np.ndarray:
    """Return the matrix (2 (n+1), M+1) from values of two products of n factors to the coefficients of A(z).

    Parameters
    ----------
    theta : array (n+1,)
        Angles of the Chebyshev points where the values prod_k 2 (cos theta - cos w_k) are given: first those for odd
        k, then those for even k.

    References
    ----------
    F. Itakura, "Line spectrum representation of linear predictor coefficients", JASA 57 (1975): A(z) = (P(z) + Q(z)) /
    2, where P(z) = (1 + z^-1) prod_{odd k} (1 - 2 cos w_k z^-1 + z^-2), and Q(z) with (1 - z^-1) and even k.
    """
    n = len(theta) - 1
    half = np.cos(theta[:, None] * np.arange(n + 1)) / (n + 1)  # of a cosine series: a symmetric polynomial's half
    p = np.concatenate([half[:, :0:-1], half], axis=1)
    P, Q = (np.pad(p, ((0, 0), (0, 1))) + sign * np.pad(p, ((0, 0), (1, 0))) for sign in (1, -1))
    return 0.5 * np.concatenate([P, Q])[:, :-1]
