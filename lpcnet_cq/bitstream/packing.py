"""From integers and unrounded latents to the packets of a whole file: at a mean rate, under a cap, of constant size.

Place in the chain: between the networks and the container, in the encoder of files. `stream` does the same for live
speech, packet by packet, with the same parts of `rate` and `packet`.

Letters: T packets, K side integers, S subframes, D latents, Q step sizes, L enhancements.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import BinaryIO, Literal, get_args

import numpy as np

from lpcnet_cq.bitstream import rate_control as rate
from lpcnet_cq.bitstream.container import HEADER_BYTES, MAX_PACKETS, write_segment
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import advance, join, put_layers, start
from lpcnet_cq.bitstream.packet_fit import Fitter, padded
from lpcnet_cq.bitstream.rdoq import nearest, rdoq
from lpcnet_cq.errors import BitstreamError

Packets = list[tuple[bytes, ...]]  # each of 1 + L layers
Mode = Literal["mean", "capped", "constant"]
MODES: tuple[Mode, ...] = get_args(Mode)


def check_mode(mode: str) -> None:
    """Refuse a mode of rate control that does not exist, by a ValueError."""
    if mode not in MODES:
        raise ValueError(f"`mode` is {mode!r}, it must be one of {', '.join(MODES)}")


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

        @cache
        def costs(point, layers):
            n = self._rounded(side, z, np.full(T, point), self.steps_for(layers))
            return rate.packet_costs(self.model, n, layers - 1)

        budget = allowed + 8 * extension_bytes
        while layers > 1 and not self._allows(costs, layers, budget):
            layers -= 1
        budget, steps = budget - rate.rounding_reserve_bits(T), self.steps_for(layers)
        points = rate.operating_points(steps) if budget > 0 else steps  # such a short file cannot have the rate
        guess = round(self.step_for_rate(bitrate_bps))
        for _ in range(3):
            point = rate.choose_points(lambda p: costs(p, layers), budget, points, guess)
            runs = self._rounded(side, z, point, steps).runs(segment)
            packets = [p for run in runs for p in put_layers(self.model, None, run, layers - 1)[1]]
            excess = 8 * sum(len(part) for p in packets for part in p) - allowed
            if excess <= 0 or point.min() == points[-1]:
                break
            budget -= 1.2 * excess + 8
        return packets

    def _rounded(self, side, z, point, steps):
        """Return the integers of packets at operating points (T,)."""
        step, multiplier = rate.step_and_multiplier(point, steps)
        past, parts = start(self.model), []
        for i in range(0, len(side), rate.RUN):
            run = slice(i, i + rate.RUN)
            parts.append(rdoq(self.model, past, side[run], z[run], step[run], self.sizes, multiplier[run]))
            past = advance(past, nearest(side[run], z[run], step[run], self.sizes))
        return join(self.model, parts)

    def _allows(self, costs, layers, budget_bits):
        """Say whether packets of so many layers meet a budget at their coarsest."""
        steps = self.steps_for(layers)
        return len(steps) > 0 and costs(steps[-1], layers).sum() <= budget_bits

    def pack_capped(self, side: np.ndarray, z: np.ndarray, most_bytes: int, layers: int, constant=False) -> Packets:
        """Write packets one by one, each the finest within a number of bytes.

        Parameters
        ----------
        side : int array (T, K)
        z : array (T, S, D)
            Latents before rounding.
        most_bytes : int
            Of each packet with all its layers.
        layers : int
        constant : bool
            Fill every packet up to this size with zero bytes.
        """
        packets, pasts, steps = [], None, self.steps_for(layers)
        for t in range(len(side)):
            before = None if t % self.model.segment_packets == 0 else pasts
            part = side[t : t + 1], z[t : t + 1]
            fitted = Fitter(self.model, before, *part, self.sizes, steps, layers - 1).within(most_bytes)
            pasts = fitted.pasts
            packets.append(padded(fitted.packet, most_bytes) if constant else fitted.packet)
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


def strip_padding(payload: bytes, ends: list[list[int]], packet_bytes: int) -> tuple[bytes, list[list[int]]]:
    r"""Return the payload of packets of constant size without the zero bytes behind them.

    Parameters
    ----------
    payload : bytes
    ends : list of lists of int
        Where each layer of each packet ends.
    packet_bytes : int
        Size of every packet.

    Returns
    -------
    payload : bytes
    ends : list of lists of int

    Raises
    ------
    BitstreamError
        If a packet is larger than its size, or a byte that fills it up is not zero.

    Examples
    --------
    >>> strip_padding(b"ab\0cd\0", [[1, 2], [5]], 3)
    (b'abcd', [[1, 2], [4]])
    """
    parts, moved, n = [], [], 0
    for i, row in enumerate(ends):
        begin, end = i * packet_bytes, (i + 1) * packet_bytes
        if row[-1] > end:
            raise BitstreamError(f"a packet has {row[-1] - begin} bytes, its constant size is {packet_bytes}")
        if any(payload[row[-1] : end]):
            raise BitstreamError("a packet of constant size is filled up with bytes that are not zero")
        parts.append(payload[begin : row[-1]])
        moved.append([offset - begin + n for offset in row])
        n += len(parts[-1])
    return b"".join(parts), moved


def write_segments(
    file: BinaryIO, packets: Packets, segment_packets: int = MAX_PACKETS, constant: bool = False
) -> None:
    """Write packets of equally many layers as the segments of a file, of so many packets each."""
    enhancements = len(packets[0]) - 1 if packets else 0
    starts = range(0, max(len(packets), 1), segment_packets)
    for i in starts:
        run = [b"".join(layers) for layers in packets[i : i + segment_packets]]
        write_segment(file, run, i == starts[-1], enhancements, constant)
