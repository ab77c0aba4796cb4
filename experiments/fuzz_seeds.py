"""Seeds of the fuzzer: the test vectors cut to a few packets, and live streams of all released weights for speech.

Short streams make short cases, and mutations meet the header and the ends more often. The live streams have context
resets, copies, levels, pauses and layers.
"""

import io
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

import lpcnet_cq
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.container import Header, read_header, read_segment, write_header, write_segment
from lpcnet_cq.bitstream.live_container import LiveReader, LiveWriter
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.codec import Codec
from lpcnet_cq.files.encoder import CHUNK

VECTORS = Path(__file__).parents[1] / "tests" / "vectors"
MUSIC_PACKETS = 3  # the first two are skipped
LIVE = {  # weights, amplitude of the noise, and settings of `encode_live`
    "cq-live": ("cq", 0.1, {"bitrate_bps": 9000}),
    "cq-sparse-live": ("cq-sparse", 0.1, {"bitrate_bps": 12000, "expected_loss": 0.01}),
    "cq3-live": ("cq3", 0.1, {"bitrate_bps": 16000, "expected_loss": 0.05, "copy_offset": 1}),
    "cq3-layers": ("cq3", 0.1, {"bitrate_bps": 24000, "layers": 2}),
    "cq3-level": ("cq3", 3.0, {"bitrate_bps": 9000}),  # clipped: from the second packet on, it has a level
    "cq3-level-copies": ("cq3", 3.0, {"bitrate_bps": 24000, "expected_loss": 0.05, "copy_offset": 1}),
}


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
    if header.live:
        return live_file(codec, header, list(LiveReader(source, header).packets())[:n_packets])
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


def live_file(codec: Codec, header: Header, packets: list[bytes]) -> bytes:
    """Return the live stream of packets, with the length that fits them."""
    file, spec = io.BytesIO(), codec.config.spec
    skip = header.live.pre_skip if header.live else 0
    write_header(file, header)
    writer = LiveWriter(file)
    writer.length((len(packets) * spec.hop - skip) * header.sample_rate_hz // spec.sample_rate_hz)
    for data in packets:
        writer.packet(data)
    writer.end()
    return file.getvalue()


def live_stream(codec: Codec, n_packets: int, amplitude: float, settings: dict) -> bytes:
    """Return a live stream of noise in bursts, with one packet more for the delay."""
    random, n = np.random.default_rng(1), n_packets * codec.config.spec.hop
    x = (amplitude * random.standard_normal(n) * (np.arange(n) // 320 % 2 == 0)).clip(-1, 1).astype(np.float32)
    file = io.BytesIO()
    codec.encode_live(file, [x], codec.sample_rate_hz, 1, **settings)
    return file.getvalue()


def stream_with_pause(codec: Codec) -> bytes:
    """Return a live stream of a silence descriptor, a packet that was not sent, and the first one after the pause."""
    random, hop, file = np.random.default_rng(1), codec.config.spec.hop, io.BytesIO()
    x = random.standard_normal(100 * hop) * np.repeat([0.001, 0.1], (70 * hop, 30 * hop))
    codec.encode_live(file, [x.astype(np.float32)], codec.sample_rate_hz, 1, 9000, dtx=True)
    file.seek(0)
    header = read_header(file)
    packets = list(LiveReader(file, header).packets())
    descriptor = next(a for a, b in pairwise(packets) if a and not b)
    speech = next(b for a, b in pairwise(packets[packets.index(b"") :]) if not a and len(b) > 2 * len(descriptor))
    return live_file(codec, header, [descriptor, b"", speech])


def make_seeds(music: bool = True, n_packets: int = 4) -> list[Seed]:
    """Return all seeds, with so many packets at most; those of music need JAX and have three packets."""
    found, names = [], ["cq", "cq-sparse", "cq3", *(["audio"] if music else [])]
    codecs = {name: lpcnet_cq.load(name) for name in names}
    by_hash = {codec.sha256[:16]: codec for codec in codecs.values()}
    for path in sorted(VECTORS.glob("*.cq")):
        data = path.read_bytes()
        codec = by_hash.get(read_header(io.BytesIO(data)).model_hash)
        if codec and path.stem != "cq-9k-segments":  # 40 s
            found.append(
                Seed(path.stem, codec, shortened(codec, data, n_packets if codec.kind == "speech" else MUSIC_PACKETS))
            )
    for name, (weights, amplitude, settings) in LIVE.items():
        found.append(Seed(name, codecs[weights], live_stream(codecs[weights], n_packets, amplitude, settings)))
    found.append(Seed("cq3-pause", codecs["cq3"], stream_with_pause(codecs["cq3"])))
    return found
