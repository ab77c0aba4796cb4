"""Seeds of the fuzzer: the test vectors cut to a few packets, and live streams of all released weights for speech.

Short streams make short cases, and mutations meet the header and the ends more often.
"""

import io
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

import lpcnet_cq
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.container import read_header, read_segment, write_header, write_segment
from lpcnet_cq.bitstream.live_container import LiveReader, LiveWriter
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.codec import Codec
from lpcnet_cq.file_encoder import CHUNK

VECTORS = Path(__file__).parents[1] / "tests" / "vectors"
MUSIC_PACKETS = 3  # the first two are skipped
LIVE = {"cq": (9000, 0.0), "cq-sparse": (12000, 0.02), "cq2": (16000, 0.05)}  # bitrate and expected loss


@dataclass(frozen=True)
class Seed:
    """Hold a valid stream, and the codec that made it."""

    name: str
    codec: Codec
    data: bytes

    @cached_property
    def integers(self) -> tuple[list[Integers], int]:
        """Return the integers of each segment, and the number of enhancement layers."""
        segments = self.codec._read(self.data)[1]
        model = self.codec._parts.entropy
        parts = [packet.join(model, segment.parts) for segment in segments]
        return parts, max((segment.enhancements for segment in segments), default=0)


def shortened(codec: Codec, data: bytes, n_packets: int) -> bytes:
    """Return a stream with the first packets only, and the lengths that fit them."""
    source, file = io.BytesIO(data), io.BytesIO()
    header = read_header(source)
    spec, rate_hz = codec.config.spec, header.sample_rate_hz
    if header.live and header.coding:
        n_samples = (n_packets * spec.hop - header.live.pre_skip) * rate_hz // spec.sample_rate_hz
        packets = list(LiveReader(source, header).packets())[:n_packets]
        write_header(file, header)
        writer = LiveWriter(file)
        writer.length(n_samples)
        for unit in packets:
            writer.packet(unit)
        writer.end()
        return file.getvalue()
    segment = read_segment(source)
    n = min(n_packets, segment.n_packets)
    if n == segment.n_packets:
        return data
    reader, L = codec._parts.reader, segment.enhancements
    ends = reader.read(None, segment.payload, 0, n, CHUNK, L, segment.packet_bytes)[2]
    size = n * segment.packet_bytes or int(ends[-1, -1])
    n_samples = (n * spec.hop - codec.config.decoder_delay) * rate_hz // spec.sample_rate_hz
    coding = header.coding and replace(header.coding, n_samples=n_samples)
    coded = coding.coded_samples(rate_hz) if coding else n * spec.hop - codec.config.decoder_delay
    write_header(file, replace(header, n_samples=coded, coding=coding))
    payload = segment.payload[:size]
    parts = [payload[i * size // n : (i + 1) * size // n] for i in range(n)]
    write_segment(file, parts, True, L, bool(segment.packet_bytes))
    return file.getvalue()


def live_stream(codec: Codec, n_packets: int, bitrate_bps: float, expected_loss: float, layers: int = 1) -> bytes:
    """Return a live stream of noise in bursts, with one packet more for the delay."""
    random, n = np.random.default_rng(1), n_packets * codec.config.spec.hop
    x = (0.1 * random.standard_normal(n) * (np.arange(n) // 320 % 2)).astype(np.float32)
    file = io.BytesIO()
    codec.encode_live(file, [x], codec.sample_rate_hz, 1, bitrate_bps, layers, expected_loss=expected_loss)
    return file.getvalue()


def make_seeds(music: bool = True, n_packets: int = 4) -> list[Seed]:
    """Return all seeds, with so many packets at most; those of music need JAX and have three packets."""
    found, names = [], ["cq", "cq-sparse", "cq2", *(["audio"] if music else [])]
    codecs = {name: lpcnet_cq.load(name) for name in names}
    by_hash = {codec.sha256[:16]: codec for codec in codecs.values()}
    for path in sorted(VECTORS.glob("*.cq")):
        data = path.read_bytes()
        codec = by_hash.get(read_header(io.BytesIO(data)).model_hash)
        if codec and path.stem != "cq-9k-segments":  # 40 s
            found.append(
                Seed(path.stem, codec, shortened(codec, data, n_packets if codec.kind == "speech" else MUSIC_PACKETS))
            )
    for name, (rate_bps, loss) in LIVE.items():
        found.append(Seed(f"{name}-live", codecs[name], live_stream(codecs[name], n_packets, rate_bps, loss)))
    found.append(Seed("cq2-layers", codecs["cq2"], live_stream(codecs["cq2"], n_packets, 24000, 0.0, 2)))
    return found
