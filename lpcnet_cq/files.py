"""Coding of whole signals to `.cq` files and back: the same steps as in live coding, on chunks of many packets.

Place in the chain: called by `codec`, which checks arguments and resamples. Code is compiled for chunks of 50 packets,
so that it does not depend on the length of a file.

Letters: T packets, K side integers, S vectors of latents per packet, D latents per vector.
"""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.bit_counts import count_bits
from lpcnet_cq.bitstream.container import Header, read_header, write_header
from lpcnet_cq.bitstream.packing import cut, write_segments
from lpcnet_cq.bitstream.summary import duration_s
from lpcnet_cq.checkpoint.weights import installed
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.nn.segment_reader import ReadSegment, read_all
from lpcnet_cq.parts import CodecParts

CHUNK = 50  # packets per compiled call: one second of speech

Progress = Callable[[float], None]


def ignore(fraction: float) -> None:
    """Do nothing: the default progress function."""


def analyse_signal(parts: CodecParts, x: np.ndarray, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Return side integers (T, K) and latents before quantisation (T, S, D) of all packets of a signal.

    Parameters
    ----------
    parts : CodecParts
    x : float32 array (n,) or (n, channels)
        Samples at the codec's sample rate, n > 0.
    progress : callable
        Called with the fraction of encoding that is done, 0 to 0.6.
    """
    signal, spec = parts.signal, parts.config.spec
    T = spec.n_frames(len(x) + parts.config.decoder_delay)
    state, rest, found = signal.start_encoder(x[: spec.look_ahead]), x[spec.look_ahead :], []
    for t in range(0, T, CHUNK):
        state, *values = signal.analyse(state, rest[t * spec.hop : (t + CHUNK) * spec.hop], CHUNK)
        found.append(values)
        progress(0.6 * min(t + CHUNK, T) / T)
    side, latents = (np.concatenate(values)[:T] for values in zip(*found, strict=True))
    return side, latents


def synthesise_packets(parts: CodecParts, runs: list[packet.Integers], progress: Progress) -> np.ndarray:
    """Return the samples of packets, (T*hop,) or (T*hop, channels), delayed by `decoder_delay` samples."""
    signal, channels, n = parts.signal, parts.config.channels, packet.join(parts.entropy, runs)
    T, state = len(n.step), signal.start_decoder()
    pieces = [np.zeros((0, channels) if channels > 1 else 0, np.float32)]
    for i, run in enumerate(n.runs(CHUNK)):
        state, y = signal.synthesise(state, run.filled(CHUNK))
        pieces.append(y[: len(run.step) * parts.config.spec.hop])
        progress((i + 1) * CHUNK / T)
    return np.concatenate(pieces)


def read_file(parts: CodecParts, data: bytes) -> tuple[Header, list[ReadSegment]]:
    """Return the header of a `.cq` file and the content of its segments.

    Raises
    ------
    BitstreamError
        If the file is damaged, is not a `.cq` file, or was made with other weights.
    """
    file = io.BytesIO(data)
    header = read_header(file)
    if header.model_hash != parts.sha256[:16]:
        raise BitstreamError(
            f"the stream was made with the weights {header.model_hash}, installed are: {', '.join(installed())}"
        )
    check_header(parts, header)
    segments = read_all(parts.reader, file, CHUNK, parts.record.max_layers - 1)
    count, n_samples = sum(len(segment.ends) for segment in segments), header.n_samples
    need = parts.config.spec.n_frames(n_samples + parts.config.decoder_delay) if n_samples else 0
    if count != need:
        raise BitstreamError(f"the stream has {count} packets, its {n_samples} samples need {need}")
    return header, segments


def check_header(parts: CodecParts, header: Header) -> None:
    """Raise `BitstreamError` if the header contradicts the weights."""
    config, says, name = parts.config, header.coding, parts.name
    if header.channels > config.channels:
        raise BitstreamError(f"the header has {header.channels} channels, `{name}` codes {config.channels}")
    ours = parts.coding_name, config.spec.sample_rate_hz, config.spec.hop
    if says and (theirs := (says.codec, says.sample_rate_hz, says.hop)) != ours:
        raise BitstreamError(f"the header has codec, sample rate and hop {theirs}, `{name}` has {ours}")


def count_file_bits(parts: CodecParts, segments: list[ReadSegment], n_bytes: int) -> dict[str, float]:
    """Return the bits of each part of a file, see `bit_counts.count_bits`."""
    runs = (run for segment in segments for run in segment.runs(parts.entropy))
    return count_bits(parts.entropy, runs, max(segment.enhancements for segment in segments), n_bytes)


def drop_layers(parts: CodecParts, data: bytes, layers: int) -> bytes:
    """Return a file with only the first `layers` layers; raises as `read_file` does."""
    header, segments = read_file(parts, data)
    if all(segment.enhancements < layers for segment in segments):
        return data
    packets = [p for segment in segments for p in cut(segment.payload, segment.ends, layers)]
    n_bytes = sum(len(part) for layers in packets for part in layers)
    seconds = duration_s(header, parts.config.spec.sample_rate_hz)
    rate_bps = max(1, round(8 * n_bytes / seconds)) if seconds else 1
    coding = replace(header.coding, mode="mean") if header.coding else None
    file = io.BytesIO()
    write_header(file, replace(header, bitrate_bps=rate_bps, coding=coding))
    write_segments(file, packets, parts.config.segment_packets)
    return file.getvalue()
