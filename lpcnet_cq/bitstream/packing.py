"""From integers and unrounded latents to the packets of a whole file: at a mean rate, or under a cap.

Place in the chain: between the networks and the container, in the encoder of files. `stream` does the same for live
speech, packet by packet, with the same parts of `rate` and `packet`.

Letters: T packets, K side integers, S subframes, D latents, Q step sizes, L enhancements.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import BinaryIO

import numpy as np

from lpcnet_cq.bitstream import rate_control as rate
from lpcnet_cq.bitstream.container import HEADER_BYTES, MAX_PACKETS, write_segment
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import advance, join, put_layers, start
from lpcnet_cq.bitstream.rdoq import nearest, rdoq

Packets = list[tuple[bytes, ...]]  # each of 1 + L layers


@dataclass(frozen=True)
class Packer:
    """Know what the encoder may choose among.

    Parameters
    ----------
    model : EntropyModel
    sizes : array (Q,)
        Relative step sizes, finest first.
    steps : range
        Indices that training drew.
    mean_rates_bps : array (len(steps),)
        Rate of ordinary speech at each of them.
    """

    model: EntropyModel
    sizes: np.ndarray
    steps: range
    mean_rates_bps: np.ndarray

    def steps_for(self, layers: int) -> range:
        """Return the step indices of the finest of so many layers: the coarsest one must exist, too."""
        return range(self.steps.start, self.steps.stop - (layers - 1) * self.model.layer_steps)

    def step_for_rate(self, bitrate_bps: float) -> float:
        """Return where a rate usually lies between the step indices."""
        return float(np.interp(-bitrate_bps, -self.mean_rates_bps, self.steps))

    def most_layers(self, bitrate_bps: float) -> int:
        """Return how many layers a rate usually allows, 1 or more."""
        layers = 1
        while (steps := self.steps_for(layers + 1)) and self.step_for_rate(bitrate_bps) <= steps[-1]:
            layers += 1
        return layers

    def pack(
        self, side, z, seconds: float, bitrate_bps: float, layers: int, header_bytes=HEADER_BYTES, extension_bytes=0
    ) -> Packets:
        """Write packets that meet a rate with the heads of their file; once more if they come out too large.

        Parameters
        ----------
        side : int array (T, K)
        z : array (T, S, D)
            Latents before rounding.
        seconds : float
        bitrate_bps : float
        layers : int
            Fewer are written where the rate is too low for as many.
        header_bytes : int
            Of the file.
        extension_bytes : int
            Part of the header that the reserve for rounding to bytes pays, which is rarely used up: packets are the
            same as without it, unless the file then exceeds the rate.
        """
        T, segment = len(side), self.model.segment_packets
        allowed = rate.file_budget_bits(T, seconds, bitrate_bps, segment, header_bytes)

        def rounded(step):
            past, parts = start(self.model), []
            for i in range(0, T, rate.RUN):
                run = slice(i, i + rate.RUN)
                parts.append(rdoq(self.model, past, side[run], z[run], step[run], self.sizes))
                past = advance(past, nearest(side[run], z[run], step[run], self.sizes))
            return join(self.model, parts)

        @cache
        def costs(q, L):
            return rate.packet_costs(self.model, rounded(np.full(T, q)), L)

        budget = allowed + 8 * extension_bytes
        while layers > 1 and not self._allows(costs, layers, budget):
            layers -= 1
        budget, steps, L = budget - rate.rounding_reserve_bits(T), self.steps_for(layers), layers - 1
        guess = round(self.step_for_rate(bitrate_bps))
        for _ in range(3):
            step = rate.choose_steps(lambda q: costs(q, L), budget, steps, guess)
            runs = rounded(step).runs(segment)
            packets = [p for run in runs for p in put_layers(self.model, None, run, L)[1]]
            excess = 8 * sum(len(part) for p in packets for part in p) - allowed
            if excess <= 0 or step.min() == steps[-1]:
                break
            budget -= 1.2 * excess + 8
        return packets

    def _allows(self, costs, layers, budget_bits):
        """Say whether packets of so many layers meet a budget at their coarsest."""
        steps = self.steps_for(layers)
        return len(steps) > 0 and costs(steps[-1], layers - 1).sum() <= budget_bits

    def pack_capped(self, side: np.ndarray, z: np.ndarray, cap_bytes: int, layers: int) -> Packets:
        """Write packets one by one, none above the cap; arguments as for `pack`."""
        packets, pasts, steps = [], None, self.steps_for(layers)
        for t in range(len(side)):
            before = None if t % self.model.segment_packets == 0 else pasts
            part = side[t : t + 1], z[t : t + 1], self.sizes, cap_bytes, steps
            pasts, data, _ = rate.fit_packet(self.model, before, *part, layers - 1)
            packets.append(data)
        return packets


def cut(payload: bytes, ends: list[list[int]], layers: int) -> Packets:
    """Cut the packets of a segment out of its payload, with so many of their layers.

    Parameters
    ----------
    payload : bytes
    ends : list of lists of int
        Where each layer of each packet ends.
    layers : int

    Examples
    --------
    >>> cut(b"abcdef", [[2, 3], [4, 6]], 1)
    [(b'ab',), (b'd',)]
    """
    starts = [0, *(packet[-1] for packet in ends)]
    cuts = [[begin, *packet] for begin, packet in zip(starts, ends, strict=False)]
    return [tuple(payload[a:b] for a, b in pairwise(row))[:layers] for row in cuts]


def write_segments(file: BinaryIO, packets: Packets, segment_packets: int = MAX_PACKETS) -> None:
    """Write packets of equally many layers as the segments of a file, of so many packets each."""
    enhancements = len(packets[0]) - 1 if packets else 0
    starts = range(0, max(len(packets), 1), segment_packets)
    for i in starts:
        run = [b"".join(layers) for layers in packets[i : i + segment_packets]]
        write_segment(file, run, i == starts[-1], enhancements)
