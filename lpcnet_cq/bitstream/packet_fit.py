"""Coding of one packet with a limit on its size: the finest packet that fits, for every signal.

Place in the chain: between latents and packets, in the encoder only. It is used for packets with a maximum size, for
packets of constant size, and for single packets that would violate the bitrate of a live stream. Delay: none.

The methods that reduce the size, in the order in which they are tried:

1. larger step sizes, then larger Lagrange multipliers, so that more latents are zero;
2. lower gains: the entropy model expects large latents in loud speech, so that zero latents also cost bits there;
3. gains only: all latents are zero, and the envelope is the one that the entropy model predicts;
4. a context reset and predicted side information, about ten bytes.

Letters: T packets, K side integers, S subframes, D latents, Q step sizes, L enhancements.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lpcnet_cq.bitstream.contexts import Contexts, Past, start
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.frequency_tables import MEAN_BITS, Expected, locate
from lpcnet_cq.bitstream.packet import Integers, put_layers
from lpcnet_cq.bitstream.rate_control import operating_points, step_and_multiplier
from lpcnet_cq.bitstream.rdoq import rdoq

REFINEMENTS = 2  # number of Lagrange multipliers that are tried between two operating points
LEVEL_REDUCTIONS = (1, 2, 3, 4, 6, 8, 10)  # of the first gain integer, the level of the packet; unit about 1.7 dB


@dataclass(frozen=True)
class Fitted:
    """Hold one coded packet.

    Attributes
    ----------
    pasts : list of 1 + L Past
        Memory of the entropy model after the packet, base layer first.
    packet : tuple of 1 + L bytes
    n : Integers
        Integers of the finest layer.
    """

    pasts: list[Past]
    packet: tuple[bytes, ...]
    n: Integers

    @property
    def n_bytes(self) -> int:
        """Size of all layers in bytes."""
        return sum(map(len, self.packet))


@dataclass(frozen=True)
class Fitter:
    """Code one packet at given operating points, or within a given size.

    Parameters
    ----------
    model : EntropyModel
    pasts : list of 1 + L Past, or None
        As for `packet.put_layers`.
    side : int array (1, K)
    z : array (1, S, D)
        Latents before rounding.
    sizes : array (Q,)
        Relative step sizes, finest first.
    steps : range
        Allowed step indices.
    L : int
        Number of enhancement layers.
    """

    model: EntropyModel
    pasts: list[Past] | None
    side: np.ndarray
    z: np.ndarray
    sizes: np.ndarray
    steps: range
    L: int = 0

    @property
    def past(self) -> Past:
        """Memory before the packet, of the finest layer."""
        return self.pasts[-1] if self.pasts else start(self.model)

    @cached_property
    def _expected_side(self) -> Expected:
        return Contexts(self.model, self.past, self.side, np.array(self.steps[:1])).expected_side

    def put(self, n: Integers, contexts: Contexts | None = None) -> Fitted:
        """Code given integers; `contexts` are theirs, if they are already known."""
        pasts, (packet,) = put_layers(self.model, self.pasts, n, self.L, contexts)
        return Fitted(pasts, packet, n)

    def at(self, point: int, multiplier: float | None = None) -> Fitted:
        """Code at an operating point, with its Lagrange multiplier or a given one."""
        step, default = step_and_multiplier(np.array([point]), self.steps)
        weight = default if multiplier is None else multiplier
        contexts = Contexts(self.model, self.past, self.side, step, self._expected_side)
        return self.put(rdoq(contexts, self.z, self.sizes, weight), contexts)

    def within(self, most_bytes: int, guess: int | None = None) -> Fitted:
        """Return the finest packet of at most `most_bytes` bytes.

        Parameters
        ----------
        most_bytes : int
        guess : int, optional
            Operating point to try first; by default the step index of the packet before.

        Returns
        -------
        Fitted
            Larger than `most_bytes` only if the smallest possible packet, the last one that is tried, is larger.
        """
        points = operating_points(self.steps)
        p = min(max(self.past.step if guess is None else guess, points[0]), points[-1])
        found = self.at(p)
        while found.n_bytes > most_bytes and p < points[-1]:
            p, found = p + 1, self.at(p + 1)
        if found.n_bytes > most_bytes:
            return self._reduced(most_bytes)
        while p > points[0] and (finer := self.at(p - 1)).n_bytes <= most_bytes:
            p, found = p - 1, finer
        if p == points[0] and (nearest := self.at(p, 0.0)).n_bytes <= most_bytes:
            return nearest
        return self._with_lower_multiplier(found, p, most_bytes)

    def _with_lower_multiplier(self, found: Fitted, p: int, most_bytes: int) -> Fitted:
        """Use the remaining bytes at point p by a lower Lagrange multiplier; at point p - 1 the packet is too large."""
        step, multiplier = step_and_multiplier(np.array([p - 1, p]), self.steps)
        low, high = (0.0 if step[0] < step[1] else multiplier[0]), multiplier[1]
        for _ in range(REFINEMENTS):
            if found.n_bytes == most_bytes:
                break
            middle = (low + high) / 2
            finer = self.at(p, middle)
            if finer.n_bytes <= most_bytes:
                found, high = finer, middle
            else:
                low = middle
        return found

    def _reduced(self, most_bytes: int) -> Fitted:
        """Return the first packet that fits of those with less content than at the coarsest point, or the last one."""
        last_point = operating_points(self.steps)[-1]
        for attenuated in self._attenuated():
            fitted = attenuated.at(last_point)
            if fitted.n_bytes <= most_bytes:
                return fitted
        gains = self.model.side_parts.get("gain", [])
        for pasts, kept in ((self.pasts, gains), (None, range(self.model.K)), (None, [])):
            side = expected_side(self.model, pasts[-1] if pasts else start(self.model), self.side, kept)
            silent = Integers(np.array([self.steps[-1]]), side, np.zeros(self.z.shape, np.int64))
            fitted = replace(self, pasts=pasts).put(silent)
            if fitted.n_bytes <= most_bytes:
                break
        return fitted

    def _attenuated(self) -> Iterator["Fitter"]:
        """Yield the packet at decreasing levels: the entropy model expects smaller latents at lower levels."""
        for level in self.model.side_parts.get("gain", [])[:1]:
            for reduction in LEVEL_REDUCTIONS:
                side = self.side.copy()
                side[0, level] -= reduction
                yield replace(self, side=side)


def expected_side(model: EntropyModel, past: Past, side: np.ndarray, kept: Container[int]) -> np.ndarray:
    """Return side integers (1, K): those with an index in `kept` unchanged, the others rounded from predicted means."""
    context, state, out = model.side_context(past.known), model.side(past.side, past.known), np.array(side)
    for k in range(model.K):
        _, fraction, floor = locate(*context.predict(state, np.int64(k)))
        if k not in kept:
            out[0, k] = floor + (fraction >= 1 << (MEAN_BITS - 1))
        state = context.update_sums(state, np.int64(k), out[0, k])
    return out


def padded(packet: tuple[bytes, ...], n_bytes: int) -> tuple[bytes, ...]:
    r"""Return a packet of 1 + L layers, with zero bytes after the last layer up to a total size of `n_bytes`.

    Examples
    --------
    >>> padded((b"ab", b"c"), 5)
    (b'ab', b'c\x00\x00')
    """
    missing = n_bytes - sum(map(len, packet))
    return (*packet[:-1], packet[-1] + bytes(max(missing, 0)))
