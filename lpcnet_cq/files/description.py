"""What `.cq` files and live streams hold, without their sound: for `info`, `thin` and tables of packets.

Place in the chain: below `codec`, which checks arguments.
"""

import io
from dataclasses import replace

import numpy as np

from lpcnet_cq.bitstream.bit_counts import bits_per_packet, count_bits
from lpcnet_cq.bitstream.container import Header, read_header, read_segments, write_header
from lpcnet_cq.bitstream.live_container import LiveReader, LiveWriter
from lpcnet_cq.bitstream.packet import join
from lpcnet_cq.bitstream.packing import cut, write_segments
from lpcnet_cq.bitstream.segment_reader import ReadSegment
from lpcnet_cq.bitstream.summary import LEAST_S, summarise
from lpcnet_cq.files.decoder import check_header, read_checked
from lpcnet_cq.files.live_stream import read_live
from lpcnet_cq.parts import CodecParts


def read_file(parts: CodecParts, data: bytes) -> tuple[Header, list[ReadSegment], LiveReader | None]:
    """Return the header of a file or live stream, what each segment holds, and the reader of a live stream.

    Raises
    ------
    BitstreamError
        If the stream is damaged, is not a `.cq` stream, or was made with other weights.
    """
    file = io.BytesIO(data)
    header = read_header(file)
    check_header(parts, header)
    if header.live:
        return header, *read_live(parts, header, file)
    return header, list(read_checked(parts, header, file)), None


def count_file_bits(parts: CodecParts, segments: list[ReadSegment], n_bytes: int) -> dict[str, float]:
    """Return the bits of each part of a file, see `bit_counts.count_bits`."""
    runs = (run for segment in segments for run in segment.runs(parts.entropy))
    return count_bits(parts.entropy, runs, max((segment.enhancements for segment in segments), default=0), n_bytes)


def packet_table(parts: CodecParts, data: bytes) -> list[dict]:
    """Return one row per packet of a file, and a first row for all headers: see `Codec.packet_table`."""
    _, segments, reader = read_file(parts, data)
    if reader is not None:
        raise ValueError("the stream is live, a table of packets needs a file")
    runs = (run for segment in segments for run in segment.runs(parts.entropy))
    bits = bits_per_packet(parts.entropy, runs, max(segment.enhancements for segment in segments))
    steps = join(parts.entropy, [n for segment in segments for n in segment.parts]).step
    file = io.BytesIO(data)
    read_header(file)
    sizes = []  # with padding, which the segments that were read lack
    for raw, segment in zip(read_segments(file), segments, strict=True):
        padded = [raw.packet_bytes] * raw.n_packets
        sizes += padded if raw.constant else np.diff([0, *(ends[-1] for ends in segment.ends)]).tolist()
    spec, none = parts.config.spec, dict.fromkeys(bits, 0.0)
    rows = [{"packet": "headers", "time_s": "", "step_index": "", "bytes": len(data) - sum(sizes)} | none]
    for t, size in enumerate(sizes):
        row = {"packet": t, "time_s": round(t * spec.hop / spec.sample_rate_hz, 6), "step_index": int(steps[t])}
        rows.append(row | {"bytes": size} | {name: round(float(values[t]), 3) for name, values in bits.items()})
    return [row | {"overhead": round(8 * row["bytes"] - sum(row[name] for name in bits), 3)} for row in rows]


def drop_layers(parts: CodecParts, data: bytes, layers: int) -> bytes:
    """Return a stream with only the first `layers` layers; raises as `read_file` does."""
    header, segments, reader = read_file(parts, data)
    if all(segment.enhancements < layers for segment in segments):
        return data
    packets = [p for segment in segments for p in cut(segment.payload, segment.ends, layers)]
    n_bytes = sum(len(part) for layers in packets for part in layers)
    seconds = summarise(data, parts.config.spec.sample_rate_hz)["duration_s"]
    rate_bps = max(1, round(8 * n_bytes / max(seconds, LEAST_S))) if seconds else 1
    coding = replace(header.coding, mode="mean") if header.coding else None
    live = replace(header.live, enhancements=layers - 1) if header.live else None
    file = io.BytesIO()
    write_header(file, replace(header, bitrate_bps=rate_bps, coding=coding, live=live))
    if reader is None:
        levels = [segment.level for segment in segments]
        write_segments(file, packets, parts.config.segment_packets, levels=levels)
    else:
        _write_live(LiveWriter(file), packets, None if reader.is_cut_off else reader.n_samples)
    return file.getvalue()


def _write_live(writer: LiveWriter, packets: list[tuple[bytes, ...]], n_samples: int | None) -> None:
    """Write the packets of a live stream, and its end if it has one."""
    if n_samples is not None:
        writer.length(n_samples)
    for layers in packets:
        writer.packet(b"".join(layers))
    if n_samples is not None:
        writer.end()
