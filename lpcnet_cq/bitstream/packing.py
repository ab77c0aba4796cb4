"""Packing of a whole file: side integers and unrounded latents to packets with a mean rate, maximum or constant size.

Place in the chain: between the networks and the container, in the encoder of files. For live signals, `live.encoder`
does the same packet by packet.

Letters: T packets, K side integers, S subframes, D latents, Q step sizes, L enhancements.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice, pairwise
from typing import BinaryIO, Literal, get_args

import numpy as np

from lpcnet_cq.bitstream import rate_control as rate
from lpcnet_cq.bitstream.container import HEADER_BYTES, MAX_PACKETS, write_segment
from lpcnet_cq.bitstream.contexts import MOST_KNOWN, Contexts, start, value_bits
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import Integers, advance, join, put_layers
from lpcnet_cq.bitstream.packet_fit import Fitter, padded
from lpcnet_cq.bitstream.rdoq import nearest, rdoq
from lpcnet_cq.bitstream.steady_levels import Loop, Steady, code_steady
from lpcnet_cq.errors import BitstreamError

BLOCK_LATENTS = 16_000_000  # of a block: 16 minutes of speech, 3 of music; they take 64 MB
Packets = list[tuple[bytes, ...]]  # each of 1 + L layers
Mode = Literal["mean", "capped", "constant"]
MODES: tuple[Mode, ...] = get_args(Mode)
TRIES = 3  # of writing a block within its bits


def check_mode(mode: str) -> None:
    """Raise `ValueError` for a mode of rate control that does not exist."""
    if mode not in MODES:
        raise ValueError(f"`mode` is {mode!r}, it must be one of {', '.join(MODES)}")


@dataclass(frozen=True)
class Block:
    """Hold the packets of a file, or of a part of a long one, before rounding.

    Attributes
    ----------
    side : int array (T, K)
    z : array (T, S, D)
        Latents.
    seconds : float
        Length of the signal in them.
    steady : Steady
    """

    side: np.ndarray
    z: np.ndarray
    seconds: float
    steady: Steady = field(default_factory=dict)


@dataclass(frozen=True)
class Packer:
    """Write the packets of a file with the step sizes that the weights support.

    Parameters
    ----------
    model : EntropyModel
    sizes : array (Q,)
        Relative step sizes, finest first.
    steps : range
        Step indices that the weights are trained for.
    mean_rates_bps : array (len(steps),)
        Mean bitrate at each of these step indices.
    """

    model: EntropyModel
    sizes: np.ndarray
    steps: range
    mean_rates_bps: np.ndarray

    def steps_for(self, layers: int) -> range:
        """Return the step indices that the finest of `layers` layers can have; the coarsest layer must exist, too."""
        return range(self.steps.start, self.steps.stop - (layers - 1) * self.model.layer_steps)

    def step_for_rate(self, bitrate_bps: float) -> float:
        """Return the step index, a real number, whose mean rate is `bitrate_bps`."""
        return float(np.interp(-bitrate_bps, -self.mean_rates_bps, self.steps))

    def most_layers(self, bitrate_bps: float) -> int:
        """Return the number of layers, 1 or more, that the mean rates allow at a bitrate."""
        layers = 1
        while (steps := self.steps_for(layers + 1)) and self.step_for_rate(bitrate_bps) <= steps[-1]:
            layers += 1
        return layers

    @property
    def block_packets(self) -> int:
        """Packets that are coded at an even quality, in whole segments: what a long file is cut into."""
        segments = BLOCK_LATENTS // (self.model.S * self.model.D * self.model.segment_packets)
        return max(1, segments) * self.model.segment_packets

    def pack(
        self,
        blocks: Iterable[Block],
        bitrate_bps: float,
        layers: int,
        loop: Loop,
        header_bytes=HEADER_BYTES,
        extension_bytes=0,
    ) -> Iterator[tuple[Integers, Packets]]:
        """Yield integers and packets of the segments of a file that, with all headers, has at most a mean bitrate.

        A block has what is left of the rate up to its end: what one saves or needs beyond its share, the next ones
        may spend or have to save.

        Parameters
        ----------
        blocks : iterable of Block
            In all but the last are `block_packets` packets.
        bitrate_bps : float
        layers : int
            Number of layers; fewer are written if the bitrate is too low.
        loop : Loop
            For the level of steady sounds, before the first packet.
        header_bytes : int
            Size of the file header.
        extension_bytes : int
            Part of `header_bytes` that is covered by the reserve for rounding packets to bytes, which is rarely used
            up. Therefore packets are the same with and without the extension, unless the file would exceed the bitrate.
        """
        T, seconds, spent_bits, segment = 0, 0.0, 0, self.model.segment_packets
        for block in blocks:
            T, seconds = T + len(block.side), seconds + block.seconds
            allowed = rate.file_budget_bits(T, seconds, bitrate_bps, segment, header_bytes) - spent_bits
            written = self._pack_block(block, allowed, bitrate_bps, layers, loop, 8 * extension_bytes)
            extension_bytes = 0
            for part in written:
                spent_bits += size_bits(part.packets)
                yield part.integers(), part.packets

    def _pack_block(self, block: Block, allowed_bits, bitrate_bps, layers, loop, reserved_bits) -> "list[_Segment]":
        """Write the segments of a block, of at most `allowed_bits` bits; repeat if they are too large."""
        side, z, T = block.side, block.z, len(block.side)
        side_bits = self._side_bits(side)

        def steady(point, layers):
            fitter = Fitter(self.model, None, side, z, self.sizes, self.steps_for(layers), layers - 1)
            return code_steady(fitter, point, block.steady, loop)

        @cache
        def costs(point, layers):
            points = np.full(T, point)
            runs = self._rounded(side, z, points, self.steps_for(layers), 0, T)
            bits = rate.packet_costs(self.model, runs, side_bits, layers - 1)
            for t, coded in steady(points, layers).items():
                bits[t] = 8 * coded.n_bytes
            return bits

        budget = allowed_bits + reserved_bits
        while layers > 1 and not self._allows(costs, layers, budget):
            layers -= 1
        budget, steps = budget - rate.rounding_reserve_bits(T), self.steps_for(layers)
        points = rate.operating_points(steps) if budget > 0 else steps  # a very short file always exceeds the rate
        guess, written = round(self.step_for_rate(bitrate_bps)), {}
        for attempt in range(TRIES):
            point = rate.choose_points(lambda p: costs(p, layers), budget, points, guess)
            if attempt == TRIES - 1 and len(block.steady) > T / 2:  # only at one point their sizes are known
                point[:] = point[-1]
            written = self._written(side, z, point, steps, layers, steady(point, layers), written)
            excess = sum(size_bits(segment.packets) for segment in written.values()) - allowed_bits
            if excess <= 0 or point.min() == points[-1]:
                break
            budget -= 1.2 * excess + 8
        return list(written.values())

    def _written(self, side, z, point, steps, layers, steady, before) -> "dict[int, _Segment]":
        """Write packets at operating points (T,), segment by segment.

        Packets in `steady` have the integers given there. Return each segment by its first packet. Those of `before`,
        written for other points, are used again where the points are the same: mostly one segment has changed.
        """
        written, size = {}, self.model.segment_packets
        for i in range(0, len(side), size):
            points = point[max(i - self._history, 0) : i + size].tobytes()
            if i in before and before[i].points == points:
                written[i] = before[i]
                continue
            n = join(self.model, [n for _, n in self._rounded(side, z, point, steps, i, i + size)])
            for t in steady.keys() & range(i, i + size):
                n.latents[t - i] = steady[t].latents
            packets = put_layers(self.model, None, n, layers - 1)[1]
            written[i] = _Segment(points, n.step, n.side, n.latents.astype(np.int16), packets)
        return written

    def _side_bits(self, side) -> np.ndarray:
        """Return the bits of the side integers (T, K) of packets, (T,), if no packet behind the first one resets."""
        past, bits, step = start(self.model), [np.zeros(0)], np.zeros(rate.RUN, np.int64)
        for i in range(0, len(side), rate.RUN):
            part = side[i : i + rate.RUN]
            predicted = Contexts(self.model, past, part, step[: len(part)]).expected_side
            bits.append(value_bits(self.model, predicted, part).sum(axis=1, dtype=np.float64))
            past = replace(past, side=np.concatenate([past.side, part])[-2:], known=MOST_KNOWN)
        return np.concatenate(bits)

    def _rounded(self, side, z, point, steps, begin, end) -> Iterator[tuple[Contexts, Integers]]:
        """Yield contexts and integers of packets begin..end at operating points (T,), in runs.

        Those of a whole block need much memory.
        """
        step, multiplier = rate.step_and_multiplier(point, steps)
        for i in range(begin, min(end, len(side)), rate.RUN):
            run, past = slice(i, min(i + rate.RUN, end)), start(self.model)
            if i:
                last = slice(max(i - self._history, 0), i)
                past = advance(past, nearest(side[last], z[last], step[last], self.sizes))
            contexts = Contexts(self.model, past, side[run], step[run])
            yield contexts, rdoq(contexts, z[run], self.sizes, multiplier[run])

    @property
    def _history(self) -> int:
        """Number of packets before a packet on which its integers depend."""
        return max(MOST_KNOWN, -(-self.model.context // self.model.S))

    def _allows(self, costs, layers, budget_bits):
        """Return whether packets with `layers` layers meet a budget at the coarsest step size."""
        steps = self.steps_for(layers)
        return len(steps) > 0 and costs(steps[-1], layers).sum() <= budget_bits

    def pack_capped(
        self, blocks: Iterable[Block], most_bytes: int, layers: int, loop: Loop, constant=False
    ) -> Iterator[tuple[Integers, Packets]]:
        """Yield integers and packets, one packet at a time, each the finest that has at most `most_bytes` bytes.

        Parameters
        ----------
        blocks : iterable of Block
        most_bytes : int
            Maximum size of each packet with all its layers.
        layers : int
        loop : Loop
            As for `pack`.
        constant : bool
            Pad every packet to this size with zero bytes.
        """
        pasts, steps, T = None, self.steps_for(layers), 0
        for block in blocks:
            for t in range(len(block.side)):
                before = None if T % self.model.segment_packets == 0 else pasts
                reference = block.steady.get(t)
                part = block.side[t : t + 1], loop.scaled(block.z[t : t + 1], reference)
                fitted = Fitter(self.model, before, *part, self.sizes, steps, layers - 1).within(most_bytes)
                pasts, T, loop = fitted.pasts, T + 1, loop.follow(fitted.n, reference)
                yield fitted.n, [padded(fitted.packet, most_bytes) if constant else fitted.packet]


@dataclass(frozen=True)
class _Segment:
    """Hold a segment of a block: the operating points on which it depends, its integers in few bytes, its packets."""

    points: bytes
    step: np.ndarray
    side: np.ndarray
    latents: np.ndarray
    packets: Packets

    def integers(self) -> Integers:
        return Integers(self.step, self.side, self.latents.astype(np.int64))


def size_bits(packets: Packets) -> int:
    """Return the bits of packets with all their layers."""
    return 8 * sum(len(part) for layers in packets for part in layers)


def cut(payload: bytes, ends: list[list[int]], layers: int) -> Packets:
    """Return the packets of a segment, each with its first `layers` layers.

    Parameters
    ----------
    payload : bytes
    ends : list of lists of int
        Offset after each layer of each packet.
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
    r"""Return the payload of packets of constant size without padding, and the new offsets after each layer.

    Parameters
    ----------
    payload : bytes
    ends : list of lists of int
        Offset after each layer of each packet.
    packet_bytes : int
        Size of every packet with padding.

    Returns
    -------
    payload : bytes
    ends : list of lists of int

    Raises
    ------
    BitstreamError
        If a packet is larger than the constant size, or a byte of padding is not zero.

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
            raise BitstreamError("a packet of constant size has padding that is not zero")
        parts.append(payload[begin : row[-1]])
        moved.append([offset - begin + n for offset in row])
        n += len(parts[-1])
    return b"".join(parts), moved


class SegmentWriter:
    """Write the segments of a file, each when the next one is there: the last one is marked.

    Parameters
    ----------
    file : binary file open for writing
    constant : bool
        Whether packets have the same size.
    levels : sequence of int
        Level of each segment, see `bitstream.level`; it may grow while segments are added. Segments after its last have
        the last level; without any, the level is 0.
    """

    def __init__(self, file: BinaryIO, constant: bool = False, levels: Sequence[int] = ()):
        self._file, self._constant, self._levels = file, constant, levels
        self._held: Packets | None = None
        self._index = 0  # of the segment that is held

    def add(self, packets: Packets) -> None:
        """Take the packets of the next segment; all of them have equally many layers."""
        if self._held is not None:
            self._write(self._held, last=False)
            self._index += 1
        self._held = packets

    def close(self) -> None:
        """Write the last segment."""
        self._write(self._held or [], last=True)

    def level(self, index: int) -> int:
        """Return the level of a segment."""
        return self._levels[min(index, len(self._levels) - 1)] if self._levels else 0

    def _write(self, packets: Packets, last: bool) -> None:
        enhancements, level = len(packets[0]) - 1 if packets else 0, self.level(self._index)
        whole = [b"".join(layers) for layers in packets]
        write_segment(self._file, whole, last, enhancements, self._constant, level)


def write_segments(
    file: BinaryIO, packets: Iterable[tuple[bytes, ...]], segment_packets: int = MAX_PACKETS, levels: Sequence[int] = ()
) -> None:
    """Write packets as the segments of a file, of so many packets each; `levels` are those of `SegmentWriter`."""
    packets, writer = iter(packets), SegmentWriter(file, levels=levels)
    while run := list(islice(packets, segment_packets)):
        writer.add(run)
    writer.close()
