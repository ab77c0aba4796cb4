"""Context of the side integers of a packet: the packets before, and the integers before in the same packet.

Place in the chain: part of `integer_model`. The state consists of three sums: of the hidden layer, of the means and of
the scales. The packets before determine the initial state, and every decoded integer adds to all three sums. All
arithmetic is on integers.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.bitstream.fixed_point import (
    ACT_BITS,
    HALF,
    SIDE_CLIP,
    UNIT,
    Array,
    activate,
    activate_floats,
    clip,
    product,
)
from lpcnet_cq.bitstream.frequency_tables import Expected, expected_of_rounded
from lpcnet_cq.bitstream.vector_sums import (
    UNITS,
    ZERO_MEAN,
    HiddenSums,
    TriangleSums,
    hidden_weights,
    rounded_down,
    terms_of,
    triangle_terms,
)

BLOCK = 8  # packets whose hidden layers are computed at once, so that they fit in the cache

State = tuple[Array, Array, Array]  # sums of the hidden layer (..., H), of the means and of the scales (..., K)


class SideNetwork(NamedTuple):
    """Hold the integer parameters of a model of side information, with the names of `nn.entropy.SideModel`."""

    w1: Array
    b1: Array
    w2: Array
    b2: Array
    skip: Array
    within: Array
    tri_mean: Array
    tri_scale: Array

    @classmethod
    def of(cls, integers: dict[str, np.ndarray], prefix: str) -> "SideNetwork":
        """Return the tensors with a prefix; if `within` is missing, it is zero."""
        K, H = integers[f"{prefix}_tri_mean"].shape[0], len(integers[f"{prefix}_b1"])
        zero = {f"{prefix}_within": np.zeros((K, H), np.int64)}
        return cls(*((zero | integers)[f"{prefix}_{name}"].astype(np.int64) for name in cls._fields))

    def start(self, before: Array, xp) -> State:
        """Return the initial state, given the two vectors before (..., 2, K), oldest first."""
        past = clip(before, -SIDE_CLIP, SIDE_CLIP)
        u = xp.concatenate([past[..., 1, :], past[..., 0, :]], axis=-1) << ACT_BITS
        K = before.shape[-1]
        zero = xp.zeros((*before.shape[:-2], K), self.b2.dtype)
        return product(u, self.w1) + self.b1, product(u, self.skip) + self.b2[:K], zero + self.b2[K:]

    def predict(self, state: State, k: Array) -> tuple[Array, Array]:
        """Return the sums of mean and scale for integer k of one vector."""
        hidden, mean, scale = state
        h = activate(hidden)
        m, s = ((h * w[:, k]).sum() for w in self.halves())
        return mean[k] + m, scale[k] + s

    def update_sums(self, state: State, k: Array, value: Array) -> State:
        """Return the sums after integer k is decoded."""
        hidden, mean, scale = state
        c = value.clip(-SIDE_CLIP, SIDE_CLIP)
        hidden = hidden + (c << ACT_BITS) * self.within[k]
        return hidden, mean + c * self.tri_mean[k], scale + abs(c) * self.tri_scale[k]

    def halves(self) -> tuple[Array, Array]:
        """Return the weights of the last layer for means and for scales, (H, K) each."""
        K = self.w2.shape[-1] // 2
        return self.w2[:, :K], self.w2[:, K:]


class SideSums:
    """Compute sums of side integers in NumPy: running ones for packet readers, all at once for encoders.

    Parameters
    ----------
    network : SideNetwork
    """

    def __init__(self, network: SideNetwork):
        H, K = network.within.shape[::-1]
        self._depends = bool(network.within.any())  # whether the hidden layer depends on integers of the packet
        of_integers = UNIT * (1 << ACT_BITS)
        w1, b1 = network.w1 * of_integers, network.b1 * UNIT + HALF
        skip, self._H = network.skip * (UNITS[0] * (1 << ACT_BITS)), H
        self._within = network.within * of_integers
        self._tri_mean, self._tri_scale = network.tri_mean * UNITS[0], network.tri_scale * UNITS[1]
        w2 = network.w2.reshape(H, 2, K) * UNITS
        b2 = rounded_down(network.b2.reshape(2, K))
        if self._depends:
            N = 2 * H + 2 * K  # see `HiddenSums`
            rows, magnitudes = np.zeros((2, K, N))
            rows[:, :H], rows[:, 2 * H :: 2] = self._within, self._tri_mean
            magnitudes[:, 2 * H + 1 :: 2] = self._tri_scale
            self._terms = terms_of(rows, magnitudes, SIDE_CLIP, np.float64)
            self._weights = np.ascontiguousarray(w2.transpose(2, 0, 1))
            self._weights_of_one = hidden_weights(w2)
            self._first = np.concatenate([b1, np.zeros(H), b2.T.ravel()])
            self._of_past = np.zeros((2 * K, N))
            self._of_past[:, :H], self._of_past[:, 2 * H :: 2] = w1, skip
        else:
            self._terms = triangle_terms(network.tri_mean, network.tri_scale, SIDE_CLIP)
            self._weights = w2.reshape(H, 2 * K)
            self._first = np.concatenate([b1, b2.ravel()])
            self._of_past = np.hstack([w1, skip, np.zeros_like(skip)])

    def running(self, before: np.ndarray) -> TriangleSums | HiddenSums:
        """Return the running sums of a packet that is read, given the two vectors before, (2, K), oldest first."""
        past = clip(before[::-1].astype(np.float64), -SIDE_CLIP, SIDE_CLIP).ravel()
        first = past.dot(self._of_past)
        first += self._first
        if self._depends:
            return HiddenSums(first, self._terms, self._weights_of_one)
        first[self._H :] += activate_floats(first[: self._H]).dot(self._weights)
        return TriangleSums(first[self._H :].reshape(2, -1), self._terms)

    def expected(self, before: np.ndarray, n: np.ndarray) -> Expected:
        """Return what is predicted for the integers n (T, K) of packets, given the two vectors before, (T, 2, K)."""
        T, K = n.shape
        past = clip(before[:, ::-1].astype(np.float64), -SIDE_CLIP, SIDE_CLIP).reshape(T, 2 * K)
        first, c = past @ self._of_past, clip(n.astype(np.float64), -SIDE_CLIP, SIDE_CLIP)
        first += self._first
        hidden, sums = first[:, : self._H], first[:, -2 * K :]
        if self._depends:
            sums = sums.reshape(T, K, 2).swapaxes(1, 2) + self._of_hidden(hidden, c)
        else:
            sums = (sums + activate_floats(hidden) @ self._weights).reshape(T, 2, K)
        mean, scale = sums[:, 0] + c @ self._tri_mean, sums[:, 1] + np.abs(c) @ self._tri_scale
        mean -= ZERO_MEAN
        return expected_of_rounded(np.floor(mean), np.floor(scale))

    def _of_hidden(self, hidden: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Return what the hidden layer adds to means and scales, (T, 2, K); `c` (T, K) are clipped integers."""
        out = np.empty((2, *c.shape[::-1]))
        for i in range(0, len(c), BLOCK):
            part = slice(i, i + BLOCK)
            terms = c[part].T[:, :, None] * self._within[:, None]
            h = np.cumsum(terms, axis=0)
            h -= terms
            h += hidden[part]
            out[:, :, part] = (activate_floats(h, h) @ self._weights).transpose(2, 0, 1)
        return out.transpose(2, 0, 1)


def side_networks(integers: dict[str, np.ndarray]) -> SideNetwork:
    """Return the networks for 0, 1, and 2 or more known packets before, stacked.

    Weights that are not trained for context resets have a single network.
    """
    trained = "side_reset_tri_mean" in integers
    parts = [SideNetwork.of(integers, p) for p in (("side_reset", "side_second", "side") if trained else ("side",))]
    return SideNetwork(*(np.stack(tensors) for tensors in zip(*parts, strict=True)))
