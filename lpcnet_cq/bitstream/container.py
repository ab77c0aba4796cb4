"""Container: the bytes of a `.cq` file around the packets.

Place in the chain: behind the range coder. Cost: 36 bytes a file and 8 a segment, per 10 s of speech or
2 s of music. Delay: a file's writer gathers up to 500 packets per segment. `docs/bitstream.md` shows the format byte by
byte.

Every byte is covered by a CRC-32, no length in a file can ask for more than 64 KiB of memory, and the last
segment says that it is the last: damage, truncation, trailing bytes raise `BitstreamError`, and nothing else.
"""

import struct
from binascii import crc32
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from lpcnet_cq.bitstream import extension
from lpcnet_cq.bitstream.extension import Coding
from lpcnet_cq.errors import BitstreamError

MAGIC = b"\xcfcq\n"  # not text; the newline shows transfers that translate line ends
VERSION = 1
FIELDS = struct.Struct(">I3sH8s")  # n_samples, sample_rate_hz, bitrate_bps, model hash
CRC = struct.Struct(">I")
FIXED_BYTES = len(MAGIC) + 2  # magic, version, header length
HEADER_BYTES = FIXED_BYTES + FIELDS.size + CRC.size
EXTRAS = struct.Struct(">BB")  # channels, bits 16 to 23 of the rate; in short headers only if not 1 and 0
SEGMENT_HEAD = struct.Struct(">HH")  # packets, enhancements and flag; payload bytes
SEGMENT_BYTES = SEGMENT_HEAD.size + CRC.size
LAST = 0x8000
CONSTANT = 0x4000  # all packets of the segment have one size; zero bytes fill them up
COUNT_BITS = 9
MAX_PACKETS = 500  # of 20 ms: 10 s
MAX_ENHANCEMENTS = 1
MAX_PAYLOAD_BYTES = 0xFFFF
SAMPLE_RATES_HZ = range(1000, 768_001)
BITRATES_BPS = range(1, 0x1000000)
CHANNELS = (1, 2)


@dataclass(frozen=True)
class Header:
    """Hold what a `.cq` file says before its packets.

    Parameters
    ----------
    n_samples : int
        Length of the audio at the coding rate, 0..2**32 - 1.
    sample_rate_hz : int
        Rate of the original, restored by the decoder, 1000..768000.
    bitrate_bps : int
        Nominal rate, 1..2**24 - 1.
    model_hash : str
        First 16 hexadecimal digits of the SHA-256 of the weights file.
    channels : int
        Of the audio, 1 or 2.
    coding : Coding, optional
        The extension; files of the first releases have none.

    Raises
    ------
    ValueError
        If a field lies outside its range, or the two lengths contradict each other.

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
            raise ValueError(f"n_samples {self.n_samples} must be {need}, which {original} become")

    @property
    def duration_s(self) -> float | None:
        """Length of the original in seconds; None if only the weights tell the coding sample rate."""
        return self.coding.n_samples / self.sample_rate_hz if self.coding else None

    @property
    def extras(self) -> bytes:
        """What stands behind the fields that every file has."""
        high = self.bitrate_bps >> 16
        if self.coding:
            return EXTRAS.pack(self.channels, high) + self.coding.pack()
        return b"" if (self.channels, high) == (1, 0) else EXTRAS.pack(self.channels, high)

    @property
    def n_bytes(self) -> int:
        """Length of the header."""
        return HEADER_BYTES + len(self.extras)


@dataclass(frozen=True)
class Segment:
    """Hold up to 500 packets, one behind the other, each with its enhancements.

    Packets end where their own bits end. If they are of constant size, zero bytes follow up to `packet_bytes`.
    """

    n_packets: int
    enhancements: int
    payload: bytes
    last: bool
    constant: bool = False

    @property
    def packet_bytes(self) -> int:
        """Size of every packet with what fills it up; 0 if they are not of constant size."""
        return len(self.payload) // self.n_packets if self.constant and self.n_packets else 0


def write_header(file: BinaryIO, header: Header) -> None:
    """Write the bytes that open a file.

    Parameters
    ----------
    file : binary file open for writing
    header : Header
    """
    rate, model = header.sample_rate_hz.to_bytes(3, "big"), bytes.fromhex(header.model_hash)
    fields = FIELDS.pack(header.n_samples, rate, header.bitrate_bps & 0xFFFF, model) + header.extras
    head = MAGIC + bytes((VERSION, header.n_bytes)) + fields
    file.write(head + CRC.pack(crc32(head)))


def read_header(file: BinaryIO) -> Header:
    """Read the header and leave the file at the first segment.

    Parameters
    ----------
    file : binary file open for reading

    Raises
    ------
    BitstreamError
        If the file is empty, foreign, damaged, cut off, or of a version this release does not know.

    Examples
    --------
    >>> from io import BytesIO
    >>> file = BytesIO()
    >>> write_header(file, Header(48000, 44100, 9000, "0123456789abcdef"))
    >>> read_header(BytesIO(file.getvalue()))
    Header(n_samples=48000, sample_rate_hz=44100, bitrate_bps=9000, model_hash='0123456789abcdef',
           channels=1, coding=None)
    """
    magic = read_up_to(file, len(MAGIC))
    if not magic:
        raise BitstreamError("the .cq file is empty")
    if magic != MAGIC:
        raise BitstreamError(f"this is not a .cq file: it begins with {magic!r} instead of {MAGIC!r}")
    version, n_bytes = read_exactly(file, 2)
    if version != VERSION:
        raise BitstreamError(f"the .cq file is of version {version}; this release reads version {VERSION}")
    if n_bytes < HEADER_BYTES:
        raise BitstreamError(f"the .cq header is damaged: it claims {n_bytes} bytes of {HEADER_BYTES}")
    body = read_exactly(file, n_bytes - FIXED_BYTES)
    head, (crc,) = magic + bytes((version, n_bytes)) + body[: -CRC.size], CRC.unpack(body[-CRC.size :])
    if crc != crc32(head):
        raise BitstreamError("the .cq header is damaged: its CRC does not match")
    n_samples, rate, low, model = FIELDS.unpack_from(body)
    extras = body[FIELDS.size : -CRC.size]  # what later releases put behind is skipped
    channels, high = EXTRAS.unpack_from(extras) if len(extras) >= EXTRAS.size else (1, 0)
    extended = len(extras) >= EXTRAS.size + extension.FIELDS.size
    sample_rate_hz = int.from_bytes(rate, "big")
    try:
        coding = Coding.unpack(extras[EXTRAS.size :], n_samples, sample_rate_hz) if extended else None
        return Header(n_samples, sample_rate_hz, high << 16 | low, model.hex(), channels, coding)
    except ValueError as error:
        raise BitstreamError(f"the .cq header is damaged: {error}") from error


def write_segment(
    file: BinaryIO, packets: Sequence[bytes], last: bool, enhancements: int = 0, constant: bool = False
) -> None:
    """Write up to 500 packets behind the header or behind another segment.

    Parameters
    ----------
    file : binary file open for writing
    packets : sequence of bytes
        0..500 packets with their enhancements, of 65535 bytes together at most.
    last : bool
        True for the segment that ends the file; every file has one, if only of 0 packets.
    enhancements : int
        Of each packet, 0 or 1.
    constant : bool
        Say that all packets have one size, filled up with zero bytes.

    Raises
    ------
    ValueError
        If there are too many packets, bytes or enhancements, or packets of constant size differ in size.
    """
    if not 0 <= enhancements <= MAX_ENHANCEMENTS:
        raise ValueError(f"enhancements {enhancements} must be 0..{MAX_ENHANCEMENTS}")
    payload = b"".join(packets)
    if len(packets) > MAX_PACKETS or len(payload) > MAX_PAYLOAD_BYTES:
        most = f"{MAX_PACKETS} of {MAX_PAYLOAD_BYTES}"
        raise ValueError(f"packets: {len(packets)} of {len(payload)} bytes must be at most {most}")
    if constant and len({len(packet) for packet in packets}) > 1:
        raise ValueError(f"packets of constant size have {min(map(len, packets))} to {max(map(len, packets))} bytes")
    count = len(packets) | enhancements << COUNT_BITS | (LAST if last else 0) | (CONSTANT if constant else 0)
    head = SEGMENT_HEAD.pack(count, len(payload))
    file.write(head + CRC.pack(crc32(payload, crc32(head))) + payload)


def read_segment(file: BinaryIO) -> Segment:
    """Read one segment; behind the last one the file must end.

    Parameters
    ----------
    file : binary file open for reading, at the first byte of a segment

    Raises
    ------
    BitstreamError
        If the segment is damaged or cut off, or bytes follow the last one.
    """
    head = read_exactly(file, SEGMENT_BYTES)
    count, n_bytes = SEGMENT_HEAD.unpack_from(head)
    last, constant, count = bool(count & LAST), bool(count & CONSTANT), count & ~(LAST | CONSTANT)
    enhancements, n_packets = count >> COUNT_BITS, count & ((1 << COUNT_BITS) - 1)
    if n_packets > MAX_PACKETS:
        raise BitstreamError(f"a .cq segment is damaged: it claims {n_packets} of {MAX_PACKETS} packets")
    if enhancements > MAX_ENHANCEMENTS:
        raise BitstreamError(f"a .cq segment is damaged: it claims {enhancements} of {MAX_ENHANCEMENTS} enhancements")
    payload = read_exactly(file, n_bytes)
    if CRC.unpack_from(head, SEGMENT_HEAD.size)[0] != crc32(payload, crc32(head[: SEGMENT_HEAD.size])):
        raise BitstreamError("a .cq segment is damaged: its CRC does not match")
    if constant and n_bytes % max(n_packets, 1):
        raise BitstreamError(f"a .cq segment is damaged: {n_packets} packets of one size cannot have {n_bytes} bytes")
    if last and file.read(1):
        raise BitstreamError("the .cq file goes on behind its last segment")
    return Segment(n_packets, enhancements, payload, last, constant)


def read_segments(file: BinaryIO) -> Iterator[Segment]:
    """Read all segments in turn, in constant memory; raises as `read_segment` does.

    Parameters
    ----------
    file : binary file open for reading, behind its header

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
        raise BitstreamError(f"the .cq file is cut off: {n_bytes - len(data)} or more bytes are missing")
    return data
