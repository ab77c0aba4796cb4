"""Encode a signal of any length to a `.cq` file, in constant memory.

Place in the chain: below `codec`, which checks arguments. Samples come in blocks and are resampled, analysed and packed
as they come; of the file only the header is written last, because it holds the length. Compiled code is made for chunks
of 50 packets, never for a file's length.

Letters: T packets, K side integers, S vectors of latents per packet, D latents per vector.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from lpcnet_cq.audio.level import choose_level, level_exponents, peak_level, scale
from lpcnet_cq.bitstream.container import Header, write_header
from lpcnet_cq.bitstream.extension import Coding
from lpcnet_cq.bitstream.packet import Integers, join
from lpcnet_cq.bitstream.packing import Block, Mode, Packets, SegmentWriter
from lpcnet_cq.bitstream.steady_levels import Steady
from lpcnet_cq.parts import CodecParts

CHUNK = 50  # packets per compiled call: one second of speech
ANALYSED = 0.6  # of the time that encoding takes

Progress = Callable[[float], None]


def checked_progress(progress: Progress | None) -> Progress:
    """Return a function that can be called with the fraction that is done, 0 to 1.

    Raises
    ------
    ValueError
        If `progress` is neither callable nor None.
    """
    if progress is None:
        return lambda fraction: None
    if not callable(progress):
        raise ValueError(f"`progress` is of type {type(progress).__name__}, it must be callable, or None")
    return progress


@dataclass(frozen=True)
class Options:
    """Hold how to encode: rate, layers and mode as for `Codec.encode`, checked."""

    bitrate_bps: float
    layers: int
    mode: Mode


class Counted:
    """Count the samples of blocks while they are read."""

    def __init__(self, blocks: Iterable[np.ndarray]):
        self._blocks, self.n_samples, self.channels = blocks, 0, 1

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self.n_samples, self.channels = self.n_samples + len(block), block.ndim
            yield block


def encode_blocks(
    parts: CodecParts,
    file: BinaryIO,
    original: Counted,
    coded: Counted,
    sample_rate_hz: int,
    options: Options,
    progress: Callable[[int, float], None],
) -> Iterator[tuple[Integers, int]]:
    """Write a `.cq` file; yield integers and level of each segment, which need not be used.

    Parameters
    ----------
    parts : CodecParts
    file : binary file open for writing, empty
        It can be sought in.
    original : Counted
        Blocks of samples (n,) or (n, channels) in -1..1, which `coded` reads.
    coded : Counted
        The same at the codec's rate, float32.
    sample_rate_hz : int
        Of the original.
    options : Options
    progress : callable
        Called with the number of samples read so far and the share of the work on them that is done.
    """
    spec = parts.config.spec
    heading = Coding(parts.coding_name, options.mode, spec.sample_rate_hz, spec.hop, 0)
    header = Header(0, sample_rate_hz, round(options.bitrate_bps), parts.sha256, 1, heading)
    write_header(file, header)
    levels: list[int] = []
    levelled = _normalised(parts, coded, levels) if parts.config.normalised else coded
    chunks = _shown(analyse(parts, levelled), lambda: progress(original.n_samples, ANALYSED))
    runs = _shown(_packed(parts, chunks, coded, header, options), lambda: progress(original.n_samples, 1.0))
    writer = SegmentWriter(file, options.mode == "constant", levels)
    for i, (n, packets) in enumerate(_in_segments(parts, runs)):
        writer.add(packets)
        yield n, writer.level(i)
    writer.close()
    file.seek(0)
    heading = replace(heading, n_samples=original.n_samples)
    write_header(file, replace(header, n_samples=coded.n_samples, channels=original.channels, coding=heading))


def _normalised(parts: CodecParts, blocks: Iterable[np.ndarray], levels: list[int]) -> Iterator[np.ndarray]:
    """Yield the samples of one segment after the other, scaled; append the level of each to `levels`."""
    spec, before = parts.config.spec, 0
    size = parts.config.segment_packets * spec.hop
    for x in _in_sizes(blocks, size, size):
        if not len(x):
            continue
        level = choose_level(peak_level(x, spec.sample_rate_hz), before)
        before = before if levels else level  # the first packet has no other before it
        T = -(-len(x) // spec.hop)
        exponents = level_exponents(np.array([before] + [level] * T), spec.hop, parts.config.decoder_delay)
        levels.append(level)
        yield scale(x, -exponents[: len(x)])
        before = level


def analyse(parts: CodecParts, blocks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray, Steady]]:
    """Yield side integers (T, K), latents before quantisation (T, S, D) and `SignalModel.steady` of T = 50 packets.

    Parameters
    ----------
    parts : CodecParts
    blocks : iterable of float32 arrays (n,) or (n, channels)
        At the codec's rate.
    """
    signal, spec = parts.signal, parts.config.spec
    counted, t = Counted(blocks), 0
    sized = _in_sizes(counted, spec.look_ahead, CHUNK * spec.hop)
    rest = next(sized, None)
    if rest is None:
        return
    state = signal.start_encoder(rest)
    for rest in sized:
        if len(rest) == CHUNK * spec.hop:
            state, side, z = signal.analyse(state, rest, CHUNK)
            yield side, z, signal.steady(state)
            t += CHUNK
    n_packets = spec.n_frames(counted.n_samples + parts.config.decoder_delay)
    while t < n_packets:
        state, side, z = signal.analyse(state, rest, CHUNK)
        yield side[: n_packets - t], z[: n_packets - t], signal.steady(state)
        t, rest = t + CHUNK, rest[:0]


def _in_sizes(blocks: Iterable[np.ndarray], first: int, size: int) -> Iterator[np.ndarray]:
    """Yield one block of `first` samples, then blocks of `size`, at last what is left: fewer samples, or none."""
    held, wanted, any_yet = None, first, False
    for block in blocks:
        if not len(block):
            continue
        held = block if held is None else np.concatenate([held, block])
        while len(held) >= wanted:
            yield held[:wanted]
            held, wanted, any_yet = held[wanted:], size, True
    if held is not None:
        if not any_yet:
            yield held
            held = held[:0]
        yield held


def _in_segments(parts: CodecParts, runs: Iterable[tuple[Integers, Packets]]) -> Iterator[tuple[Integers, Packets]]:
    """Yield integers and packets of whole segments; the last one may be shorter."""
    size, held, packets = parts.config.segment_packets, [], []
    for n, run in runs:
        held.append(n)
        packets += run
        if len(packets) == size:
            yield join(parts.entropy, held), packets
            held, packets = [], []
    if packets:
        yield join(parts.entropy, held), packets


def _packed(
    parts: CodecParts, chunks, coded: Counted, header: Header, options: Options
) -> Iterator[tuple[Integers, Packets]]:
    packer, bitrate_bps, layers = parts.packer, options.bitrate_bps, options.layers
    if options.mode == "mean":
        heads = header.n_bytes, header.n_bytes - replace(header, coding=None).n_bytes
        return packer.pack(_in_blocks(parts, chunks, coded), bitrate_bps, layers, parts.level_loop, *heads)
    layers, size = min(layers, packer.most_layers(bitrate_bps)), parts.packet_bytes(bitrate_bps)
    blocks = (Block(side, z, 0.0, steady) for side, z, steady in chunks)
    return packer.pack_capped(blocks, size, layers, parts.level_loop, options.mode == "constant")


def _in_blocks(parts: CodecParts, chunks, coded: Counted) -> Iterator[Block]:
    """Gather chunks to the blocks that are coded at an even quality."""
    size, spec, model = parts.packer.block_packets, parts.config.spec, parts.entropy
    seconds, count = size * spec.hop / spec.sample_rate_hz, 0
    side = np.empty((size + CHUNK, model.K), np.int64)  # pages that are never written take no memory
    z = np.empty((size + CHUNK, model.S, model.D), np.float32)
    n_blocks, steady = 0, {}
    for some_side, some_z, some_steady in chunks:
        end = count + len(some_side)
        steady |= {count + t: x for t, x in some_steady.items() if count + t < end}
        side[count:end], z[count:end], count = some_side, some_z, end
        if count > size:
            yield Block(side[:size], z[:size], seconds, {t: x for t, x in steady.items() if t < size})
            steady = {t - size: x for t, x in steady.items() if t >= size}
            n_blocks, count = n_blocks + 1, count - size
            side[:count], z[:count] = side[size:end].copy(), z[size:end].copy()
    if count:
        yield Block(side[:count], z[:count], coded.n_samples / spec.sample_rate_hz - n_blocks * seconds, steady)


def _shown(items: Iterable, show: Callable[[], None]) -> Iterator:
    for item in items:
        show()
        yield item
