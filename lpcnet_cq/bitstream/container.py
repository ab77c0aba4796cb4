"""Container: header and segments of a `.cq` file.

Place in the chain: after the range coder; `live_container` writes the packets of a live stream after the same header.
Cost: 36 bytes per file, and 8 bytes per segment (10 s of speech or 2 s of music). Delay: the writer of a file collects
up to 500 packets per segment. `docs/bitstream.md` specifies the format.

A CRC-32 covers every byte, no length field can require more than 64 KiB of memory, and a flag marks the last segment.
Therefore damage, truncation and trailing bytes raise `BitstreamError` and no other exception.
"""

import struct
from binascii import crc32
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from lpcnet_cq.bitstream import extension
from lpcnet_cq.bitstream.extension import Coding, Live
from lpcnet_cq.bitstream.level import MAX_LEVEL, MIN_LEVEL
from lpcnet_cq.errors import BitstreamError

MAGIC = b"\xcfcq\n"  # not valid text; the newline detects transfers that convert line endings
VERSION, LIVE_VERSION = 1, 2  # segments; packets as they come, of a stream whose length is not known
FIELDS = struct.Struct(">I3sH8s")  # n_samples, sample_rate_hz, bitrate_bps, model hash
CRC = struct.Struct(">I")
FIXED_BYTES = len(MAGIC) + 2  # magic, version, header length
HEADER_BYTES = FIXED_BYTES + FIELDS.size + CRC.size
EXTRAS = struct.Struct(">BB")  # channels, bits 16 to 23 of the bitrate; headers without extension omit 1 and 0
LIVE_HEADER_BYTES = HEADER_BYTES + EXTRAS.size + extension.FIELDS.size + extension.LIVE_FIELDS.size
SEGMENT_HEAD = struct.Struct(">HH")  # packets, enhancements and flag; payload bytes
SEGMENT_BYTES = SEGMENT_HEAD.size + CRC.size
LAST = 0x8000
CONSTANT = 0x4000  # all packets of the segment have the same size, including padding with zero bytes
COUNT_BITS = 9
LEVEL_SHIFT, LEVEL_BITS = 10, 4  # place and size of the level, a number in two's complement
MAX_PACKETS = 500  # per segment: 10 s of speech
MAX_ENHANCEMENTS = 1
MAX_PAYLOAD_BYTES = 0xFFFF
SAMPLE_RATES_HZ = range(1000, 768_001)
BITRATES_BPS = range(1, 0x1000000)
CHANNELS = (1, 2)


@dataclass(frozen=True)
class Header:
    """Hold the fields of the header of a `.cq` file.

    Parameters
    ----------
    n_samples : int
        Length of the audio at the coding sample rate, 0..2**32 - 1.
    sample_rate_hz : int
        Sample rate of the original, which the decoder restores, 1000..768000.
    bitrate_bps : int
        Nominal bitrate, 1..2**24 - 1.
    model_hash : str
        First 16 hexadecimal digits of the SHA-256 of the weights file.
    channels : int
        Number of channels of the audio, 1 or 2.
    coding : Coding, optional
        Header extension; files of the first releases do not have it.
    live : Live, optional
        Fields of live streams, which have `coding`, too. Their lengths are 0 in the header and follow later.

    Raises
    ------
    ValueError
        If a field is outside its range, or the two lengths contradict each other.

    Examples
    --------
    >>> Header(48000, 44100, 9000, "00112233445566778899").model_hash
    '0011223344556677'
    """

    n_samples: int
    sample_rate_hz: int
    bitrate_bps: int
    model_hash: str
    channels: int = 1
    coding: Coding | None = None
    live: Live | None = None

    def __post_init__(self):
        if not 0 <= self.n_samples < 1 << 32:
            raise ValueError(f"n_samples {self.n_samples} must be 0..{(1 << 32) - 1}")
        for name, allowed in (("sample_rate_hz", SAMPLE_RATES_HZ), ("bitrate_bps", BITRATES_BPS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(f"{name} {value} must be {allowed[0]}..{allowed[-1]}")
        if self.channels not in CHANNELS:
            raise ValueError(f"channels {self.channels} must be {CHANNELS[0]} or {CHANNELS[-1]}")
        object.__setattr__(self, "model_hash", self.model_hash[:16].lower())
        if len(self.model_hash) < 16 or set(self.model_hash) - set("0123456789abcdef"):
            raise ValueError(f"model_hash {self.model_hash!r} must begin with 16 hexadecimal digits")
        if self.coding and self.n_samples != (need := self.coding.coded_samples(self.sample_rate_hz)):
            original = f"{self.coding.n_samples} at {self.sample_rate_hz} Hz"
            raise ValueError(f"n_samples {self.n_samples} must be {need}, the length of {original} after resampling")
        if self.live and (not self.coding or self.n_samples):
            raise ValueError(f"n_samples {self.n_samples} of a live stream must be 0, with the extension `coding`")

    @property
    def version(self) -> int:
        """Version of the format: 1, or 2 of live streams."""
        return LIVE_VERSION if self.live else VERSION

    @property
    def duration_s(self) -> float | None:
        """Length of the original in seconds; None if the header does not contain it or the coding rate."""
        return self.coding.n_samples / self.sample_rate_hz if self.coding and not self.live else None

    @property
    def extras(self) -> bytes:
        """Bytes of the optional fields, which follow the fields that every file has."""
        high = self.bitrate_bps >> 16
        if self.coding:
            return EXTRAS.pack(self.channels, high) + self.coding.pack() + (self.live.pack() if self.live else b"")
        return b"" if (self.channels, high) == (1, 0) else EXTRAS.pack(self.channels, high)

    @property
    def n_bytes(self) -> int:
        """Length of the header in bytes."""
        return HEADER_BYTES + len(self.extras)


@dataclass(frozen=True)
class Segment:
    """Hold up to 500 concatenated packets, each with its enhancement layers.

    The symbols of a packet determine its end. Packets of constant size are padded to `packet_bytes` with zero bytes.
    """

    n_packets: int
    enhancements: int
    payload: bytes
    last: bool
    constant: bool = False
    level: int = 0

    @property
    def packet_bytes(self) -> int:
        """Size of every packet with its padding in bytes; 0 if packets are not of constant size."""
        return len(self.payload) // self.n_packets if self.constant and self.n_packets else 0


def write_header(file: BinaryIO, header: Header) -> None:
    """Write the header at the start of a file.

    Parameters
    ----------
    file : binary file open for writing
    header : Header
    """
    rate, model = header.sample_rate_hz.to_bytes(3, "big"), bytes.fromhex(header.model_hash)
    fields = FIELDS.pack(header.n_samples, rate, header.bitrate_bps & 0xFFFF, model) + header.extras
    head = MAGIC + bytes((header.version, header.n_bytes)) + fields
    file.write(head + CRC.pack(crc32(head)))


def read_header(file: BinaryIO) -> Header:
    """Read the header; afterwards the file is positioned at the first segment or, in a live stream, packet.

    Parameters
    ----------
    file : binary file open for reading

    Raises
    ------
    BitstreamError
        If the file is empty, damaged, truncated, not a `.cq` file, or has a version that this release cannot read.

    Examples
    --------
    >>> from io import BytesIO
    >>> file = BytesIO()
    >>> write_header(file, Header(48000, 44100, 9000, "0123456789abcdef"))
    >>> read_header(BytesIO(file.getvalue()))
    Header(n_samples=48000, sample_rate_hz=44100, bitrate_bps=9000, model_hash='0123456789abcdef',
           channels=1, coding=None, live=None)
    """
    magic = read_up_to(file, len(MAGIC))
    if not magic:
        raise BitstreamError("the .cq file is empty")
    if magic != MAGIC:
        raise BitstreamError(f"this is not a .cq file: it begins with {magic!r} instead of {MAGIC!r}")
    version, n_bytes = read_exactly(file, 2)
    if version not in (VERSION, LIVE_VERSION):
        known = f"versions {VERSION} and {LIVE_VERSION}"
        raise BitstreamError(f"the .cq file has version {version}; this release reads {known}")
    least = HEADER_BYTES if version == VERSION else LIVE_HEADER_BYTES
    if n_bytes < least:
        raise BitstreamError(f"the .cq header is damaged: it has {n_bytes} bytes, at least {least} needed")
    body = read_exactly(file, n_bytes - FIXED_BYTES)
    head, (crc,) = magic + bytes((version, n_bytes)) + body[: -CRC.size], CRC.unpack(body[-CRC.size :])
    if crc != crc32(head):
        raise BitstreamError("the .cq header is damaged: its CRC does not match")
    n_samples, rate, low, model = FIELDS.unpack_from(body)
    extras = body[FIELDS.size : -CRC.size]  # fields that later releases append are ignored
    channels, high = EXTRAS.unpack_from(extras) if len(extras) >= EXTRAS.size else (1, 0)
    more = extras[EXTRAS.size :]
    sample_rate_hz = int.from_bytes(rate, "big")
    try:
        extended = len(more) >= extension.FIELDS.size
        coding = Coding.unpack(more, n_samples, sample_rate_hz) if extended else None
        live = Live.unpack(more[extension.FIELDS.size :]) if version == LIVE_VERSION else None
        return Header(n_samples, sample_rate_hz, high << 16 | low, model.hex(), channels, coding, live)
    except ValueError as error:
        raise BitstreamError(f"the .cq header is damaged: {error}") from error


def write_segment(
    file: BinaryIO, packets: Sequence[bytes], last: bool, enhancements: int = 0, constant: bool = False, level: int = 0
) -> None:
    """Write a segment of up to 500 packets after the header or after another segment.

    Parameters
    ----------
    file : binary file open for writing
    packets : sequence of bytes
        0..500 packets with their enhancement layers, at most 65535 bytes in total.
    last : bool
        True for the segment that ends the file. Every file has such a segment, which can have 0 packets.
    enhancements : int
        Number of enhancement layers of each packet, 0 or 1.
    constant : bool
        Set the flag that all packets have the same size, including padding with zero bytes.
    level : int
        Exponent of the output's scale, -7..7, see `lpcnet_cq.audio.level`.

    Raises
    ------
    ValueError
        If there are too many packets, bytes or enhancements, packets of constant size differ in size, or the level is
        out of range.
    """
    if not 0 <= enhancements <= MAX_ENHANCEMENTS:
        raise ValueError(f"enhancements {enhancements} must be 0..{MAX_ENHANCEMENTS}")
    if not MIN_LEVEL <= level <= MAX_LEVEL:
        raise ValueError(f"level {level} must be {MIN_LEVEL}..{MAX_LEVEL}")
    payload = b"".join(packets)
    if len(packets) > MAX_PACKETS or len(payload) > MAX_PAYLOAD_BYTES:
        most = f"{MAX_PACKETS} of {MAX_PAYLOAD_BYTES}"
        raise ValueError(f"packets: {len(packets)} of {len(payload)} bytes must be at most {most}")
    if constant and len({len(packet) for packet in packets}) > 1:
        low, high = min(map(len, packets)), max(map(len, packets))
        raise ValueError(f"packets of constant size have {low} to {high} bytes, all must have the same size")
    count = len(packets) | enhancements << COUNT_BITS | (level % (1 << LEVEL_BITS)) << LEVEL_SHIFT
    head = SEGMENT_HEAD.pack(count | (LAST if last else 0) | (CONSTANT if constant else 0), len(payload))
    file.write(head + CRC.pack(crc32(payload, crc32(head))) + payload)


def read_segment(file: BinaryIO) -> Segment:
    """Read one segment; after the last segment, check that the file ends.

    Parameters
    ----------
    file : binary file open for reading, at the first byte of a segment

    Raises
    ------
    BitstreamError
        If the segment is damaged or truncated, or bytes follow the last segment.
    """
    head = read_exactly(file, SEGMENT_BYTES)
    count, n_bytes = SEGMENT_HEAD.unpack_from(head)
    last, constant, n_packets = bool(count & LAST), bool(count & CONSTANT), count & ((1 << COUNT_BITS) - 1)
    enhancements = count >> COUNT_BITS & 1
    level = (count >> LEVEL_SHIFT) % (1 << LEVEL_BITS)
    level -= level >> (LEVEL_BITS - 1) << LEVEL_BITS
    if n_packets > MAX_PACKETS:
        raise BitstreamError(f"a .cq segment is damaged: it has {n_packets} packets, at most {MAX_PACKETS} allowed")
    if level < MIN_LEVEL:
        raise BitstreamError(f"a .cq segment is damaged: its level is {level}, at least {MIN_LEVEL} allowed")
    payload = read_exactly(file, n_bytes)
    if CRC.unpack_from(head, SEGMENT_HEAD.size)[0] != crc32(payload, crc32(head[: SEGMENT_HEAD.size])):
        raise BitstreamError("a .cq segment is damaged: its CRC does not match")
    if constant and n_bytes % max(n_packets, 1):
        raise BitstreamError(f"a .cq segment is damaged: {n_packets} packets of equal size cannot have {n_bytes} bytes")
    if last and file.read(1):
        raise BitstreamError("the .cq file has bytes after its last segment")
    return Segment(n_packets, enhancements, payload, last, constant, level)


def read_segments(file: BinaryIO) -> Iterator[Segment]:
    """Yield all segments, with constant memory; raises as `read_segment` does.

    Parameters
    ----------
    file : binary file open for reading, positioned after its header

    Examples
    --------
    >>> from io import BytesIO
    >>> file = BytesIO()
    >>> write_segment(file, [b"a", b"bc"], last=True)
    >>> [segment.n_packets for segment in read_segments(BytesIO(file.getvalue()))]
    [2]
    """
    last = False
    while not last:
        segment = read_segment(file)
        last = segment.last
        yield segment


def read_up_to(file: BinaryIO, n_bytes: int) -> bytes:
    """Read n_bytes, or fewer if the file ends; a pipe may need several reads."""
    parts, missing = [], n_bytes
    while missing and (part := file.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def read_exactly(file: BinaryIO, n_bytes: int) -> bytes:
    """Read n_bytes or raise `BitstreamError`."""
    data = read_up_to(file, n_bytes)
    if len(data) < n_bytes:
        raise BitstreamError(f"the .cq file is truncated: {n_bytes - len(data)} or more bytes are missing")
    return data
