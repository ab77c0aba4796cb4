"""Live streams as files and through pipes: every packet is written when its samples are there, and decoded at once.

Place in the chain: between `live.encoder` and `live.decoder`, and `codec`. Delay: that of live coding,
and that of resampling where the rates differ. The decoder drops the `pre_skip` samples by which the packets lag the
signal, so that the decoded signal begins with the first sample and is as long as the original.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

import numpy as np

from lpcnet_cq.audio.resampler import LiveResampler
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.container import Header, write_header
from lpcnet_cq.bitstream.extension import Coding, Live
from lpcnet_cq.bitstream.level import take_level
from lpcnet_cq.bitstream.live_container import LiveReader, LiveWriter
from lpcnet_cq.bitstream.protection import find_copy
from lpcnet_cq.bitstream.segment_reader import ReadSegment
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.files.decoder import Decoding, as_channels, as_original, check_header
from lpcnet_cq.live.decoder import Decoder
from lpcnet_cq.live.encoder import Encoder
from lpcnet_cq.live.pause import finds_pauses
from lpcnet_cq.parts import CodecParts

WARM_UP_BYTES = 64  # of no packet
WARM_UP_PACKETS = 3  # code is compiled again for the state that the first one leaves


def live_header(
    parts: CodecParts, encoder: Encoder, sample_rate_hz: int, channels: int, bitrate_bps: float, layers: int, mode: str
) -> Header:
    """Return the header of the stream that a live encoder will write of a signal of this rate and channels."""
    spec = parts.config.spec
    live = Live(layers - 1, encoder.delay_samples + parts.config.decoder_delay)
    coding = Coding(parts.coding_name, mode, spec.sample_rate_hz, spec.hop, 0)
    return Header(0, sample_rate_hz, round(bitrate_bps), parts.sha256, channels, coding, live)


def write_live(file: BinaryIO, header: Header, encoder: Encoder, spare: Encoder, blocks: Iterable[np.ndarray]) -> None:
    """Write a live stream: the header before anything else, then each packet as soon as its samples are there.

    Parameters
    ----------
    file : binary file open for writing
    header : Header
        Of `live_header`.
    encoder, spare : Encoder
        Two alike that have had no samples; `spare` only compiles what live coding runs.
    blocks : iterable of float32 arrays (n,) or (n, 2)
        In -1..1, at the rate of the header.
    """
    write_header(file, header)
    file.flush()  # the decoder makes itself ready at the same time
    for _ in range(WARM_UP_PACKETS):
        spare.push(np.zeros(spare.frame_size, np.float32))
    writer, n_samples = LiveWriter(file), 0
    resampler = LiveResampler(header.sample_rate_hz, encoder.sample_rate_hz, header.channels)
    for x in blocks:
        n_samples += len(x)
        for data in encoder.push(np.clip(resampler.push(x), -1, 1)):
            writer.packet(data)
    writer.length(n_samples)
    for data in [*encoder.push(np.clip(resampler.finish(), -1, 1)), *encoder.flush()]:
        writer.packet(data)
    writer.end()


def decode_live(parts: CodecParts, header: Header, file: BinaryIO) -> Decoding:
    """Return the decoding of a live stream that is open behind its header: each block is the sound of one packet.

    Raises
    ------
    BitstreamError
        If the stream was made with other weights.
    """
    check_header(parts, header)
    notes: list[str] = []
    return Decoding(header, as_original(_live_blocks(parts, header, file, notes)), None, notes)


def _live_blocks(parts: CodecParts, header: Header, file: BinaryIO, notes: list[str]) -> Iterator[np.ndarray]:
    layers, skip = checked_live(header)
    warm_up_decoder(parts, layers)
    decoder, reader = Decoder(parts, layers), LiveReader(file, header)
    resampler = LiveResampler(decoder.sample_rate_hz, header.sample_rate_hz, header.channels)
    n_out = 0
    for data in _sent(parts, reader, layers):
        y = as_channels(decoder.push(data), header.channels)
        if data and decoder.known_layers < layers:  # as `read_live`: here no packet is lost
            raise BitstreamError("a packet needs the packets before it, or lacks a layer")
        y, skip = y[skip:], max(skip - len(y), 0)
        y = resampler.push(y)
        y = y if reader.n_samples is None else y[: reader.n_samples - n_out]
        n_out += len(y)
        yield y
    y = resampler.finish()
    y = y if reader.n_samples is None else y[: reader.n_samples - n_out]
    yield y
    if reader.is_cut_off:
        notes.append(f"the stream is cut off after {(n_out + len(y)) / header.sample_rate_hz:.3f} s")


def _sent(parts: CodecParts, reader: LiveReader, layers: int) -> Iterator[bytes]:
    """Yield the packets of a live stream, and refuse pauses where the codec or its layers have none."""
    for data in reader.packets():
        if not data and (layers > 1 or not finds_pauses(parts.config.spec)):
            raise BitstreamError(
                f"a packet was not sent, which streams of `{parts.name}` with {layers} layers do not allow"
            )
        yield data


def checked_live(header: Header) -> tuple[int, int]:
    """Return layers and pre-skip of a live stream."""
    if header.live is None:
        raise BitstreamError("the stream is a file and no live stream")
    return 1 + header.live.enhancements, header.live.pre_skip


def read_live(parts: CodecParts, header: Header, file: BinaryIO) -> tuple[list[ReadSegment], LiveReader]:
    """Return the packets of a live stream, as segments that begin with context resets, and their reader.

    Raises
    ------
    BitstreamError
        If the stream is damaged.
    """
    layers, _ = checked_live(header)
    pasts, segments, reader = None, [], LiveReader(file, header)
    payloads, runs, ends = [], [], []

    def finish() -> None:
        if ends:
            segments.append(ReadSegment(layers - 1, b"".join(payloads), list(runs), list(ends)))
        for values in (payloads, runs, ends):
            values.clear()

    for data in _sent(parts, reader, layers):
        if not data:  # was not sent; the next packet has no context
            finish()
            pasts = None
            continue
        resets = packet.resets_context(parts.entropy, data)
        if resets:
            finish()
        pasts, n, (end,) = parts.reader.read(pasts, data, 0, 1, 1, layers - 1)
        rest = bytes(data[end[-1] :])
        if resets and parts.live_levels(layers):
            _, rest = take_level(rest)
        if any(rest) and (layers > 1 or find_copy(parts.entropy, rest) is None):
            raise BitstreamError(f"a packet has {len(data) - end[-1]} bytes too many")
        ends.append((end + (ends[-1][-1] if ends else 0)).tolist())
        payloads.append(data[: end[-1]])
        runs.append(n)
    finish()
    return segments, reader


def warm_up_decoder(parts: CodecParts, layers: int) -> None:
    """Compile what live decoding runs, so that the first packet is decoded as fast as the others."""
    for L in range(layers):
        with suppress(BitstreamError):
            parts.reader.read(None, bytes(WARM_UP_BYTES), 0, 1, 1, L)
    spare = Decoder(parts, layers)
    pause = [b""] if finds_pauses(parts.config.spec) else []
    for data in [*[None] * WARM_UP_PACKETS, *pause]:
        spare.push(data)
