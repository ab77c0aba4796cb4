"""The `.cq` format as the fuzzer edits it: parts of a stream, and CRCs computed again behind a mutation.

The functions take any bytes. They follow the structure of `docs/bitstream.md` as far as the bytes have one.
"""

from binascii import crc32
from dataclasses import dataclass

MAGIC_BYTES, FIXED_BYTES, CRC_BYTES, SEGMENT_BYTES = 4, 6, 4, 8
LENGTH_BYTES = 5
FIELDS = {  # offset and bytes of each field of the header
    "version": (4, 1),
    "header bytes": (5, 1),
    "samples": (6, 4),
    "sample rate": (10, 3),
    "bitrate": (13, 2),
    "model": (15, 8),
    "channels": (23, 1),
    "bitrate, high": (24, 1),
    "kind": (25, 1),
    "coding rate": (26, 2),
    "hop": (28, 2),
    "length": (30, 2),
    "layers": (32, 1),
    "pre-skip": (33, 2),
}


@dataclass
class Parts:
    """Hold a stream in parts, without CRCs and checks; `rest` is what has no structure.

    Attributes
    ----------
    header : bytes
        Without its CRC.
    units : list of bytes
        Segments, each with four bytes of counts; or records of a live stream, each with its size.
    rest : bytes
    live : bool
    """

    header: bytes
    units: list[bytes]
    rest: bytes
    live: bool

    def join(self) -> bytes:
        """Return the stream with right CRCs."""
        out, crc = [self.header, crc32(self.header).to_bytes(4, "big")], 0
        for unit in self.units:
            if self.live:
                crc = crc32(unit, crc)
                out += [unit, bytes([crc & 0xFF])]
            else:
                out += [unit[:4], crc32(unit).to_bytes(4, "big"), unit[4:]]
        if self.live and len(self.rest) == CRC_BYTES:
            return b"".join([*out, crc.to_bytes(4, "big")])
        return b"".join([*out, self.rest])

    @property
    def n_packets(self) -> int:
        """Return how many packets the parts can hold: what segments claim or, where that is less, their bytes."""
        if self.live:
            return sum(unit[:1] != b"\0" for unit in self.units)
        return sum(min(int.from_bytes(unit[:2], "big") & 0x1FF, len(unit)) for unit in self.units)


def take_apart(data: bytes) -> Parts:
    """Return the parts of a stream, or of any bytes."""
    size = data[5] if len(data) > 5 else 0
    end = max(size - CRC_BYTES, min(FIXED_BYTES, len(data)))
    live = data[4:5] == b"\2"
    units, at = [], max(size, end)
    while (unit := (_record if live else _segment)(data, at)) is not None:
        units.append(unit)
        at += len(unit) + (1 if live else CRC_BYTES)
    return Parts(data[:end], units, data[at:], live)


def _segment(data: bytes, at: int) -> bytes | None:
    end = at + SEGMENT_BYTES + int.from_bytes(data[at + 2 : at + 4], "big")
    if at + SEGMENT_BYTES > len(data) or end > len(data):
        return None
    return data[at : at + 4] + data[at + SEGMENT_BYTES : end]


def _record(data: bytes, at: int) -> bytes | None:
    if at >= len(data) - CRC_BYTES or data[at] >= 0x80:
        return None
    head = 2 if data[at] >= 0x40 else 1
    n = int.from_bytes(data[at : at + head], "big") & 0x3FFF
    end = at + head + (n - 1 if n else LENGTH_BYTES)
    return data[at:end] if end < len(data) else None


def repaired(data: bytes) -> bytes:
    """Return the bytes with right CRCs of the header, the segments and the live records."""
    return take_apart(data).join()
