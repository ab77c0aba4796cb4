"""Take Ogg and FLAC files apart that hold several recordings, one after another, and read their lengths.

Place in the chain: before libsndfile, which reads the first of them only, and takes wrong lengths from the others.
"""

import re
import struct
from dataclasses import dataclass

_FLAC_MARK = b"fLaC\x00\x00\x00\x22"  # of the stream, and the head of STREAMINFO
_LAST_BLOCK = 0x80
_FLAC_FRAME = re.compile(rb"\xff[\xf8\xf9]", re.DOTALL)
_PAGE = struct.Struct("<4sBBqIIIB")  # mark, version, flags, granule position, serial, number, checksum, segments
_FIRST_PAGE, _LAST_PAGE = 2, 4


@dataclass
class Part:
    """Describe one recording of a file.

    Attributes
    ----------
    pieces : list of bytes or (start, end)
        New bytes, and places in the data.
    claimed_samples : int or None
        Length by its header.
    damaged, cut_off : bool
        Whether something is missing within it, and whether its end is.
    """

    pieces: list
    claimed_samples: int | None = None
    damaged: bool = False
    cut_off: bool = False


def flac_parts(data, at: int) -> list[Part]:
    """Return every FLAC stream of the data, the number of samples in its header set to 0, which is unknown."""
    starts = [at]
    while (at := _flac_mark(data, at + 4)) >= 0:
        starts.append(at)
    parts = []
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        head = bytearray(data[start : start + 26])
        claimed = None
        if len(head) == 26:
            claimed = int.from_bytes(head[21:26], "big") & 0xF_FFFF_FFFF
            head[21:26] = (head[21] & 0xF0).to_bytes(1, "big") + bytes(4)
        parts.append(Part([bytes(head), (min(start + 26, end), end)], claimed or None))
    return parts


def _flac_mark(data, at: int) -> int:
    found = [data.find(_FLAC_MARK[:4] + bytes([kind]) + _FLAC_MARK[5:], at) for kind in (0, _LAST_BLOCK)]
    return min((place for place in found if place >= 0), default=-1)


def flac_from(data, part: Part, n_samples: int) -> tuple[list, int] | None:
    """Return the pieces of a FLAC stream from the first frame behind `n_samples`, and where it begins, in samples.

    None if there is no such frame. A damaged stream is decoded on from there.
    """
    (start, end) = part.pieces[1]
    head = part.pieces[0] + data[start : start + 16]  # mark and STREAMINFO
    block_samples = int.from_bytes(head[8:10], "big")
    last = part.claimed_samples or 1 << 36
    for found in _FLAC_FRAME.finditer(data, start, end):
        number = _flac_number(data[found.start() : found.start() + 16])
        if number is not None:
            first_sample = number if data[found.start() + 1] & 1 else number * block_samples
            if n_samples < first_sample < last:
                info = head[:4] + bytes([_LAST_BLOCK]) + head[5:42]
                return [info, (found.start(), end)], first_sample
    return None


def _flac_number(head: bytes) -> int | None:
    """Return the number in the header of a FLAC frame, None if its checksum tells that it is none."""
    if len(head) < 16 or head[2] >> 4 == 0 or head[2] & 15 == 15 or head[3] & 1:
        return None
    n_more = max(0, 7 - (head[4] ^ 0xFF).bit_length() - 1)  # bytes of the number behind its first, as in UTF-8
    number = head[4] & (0x7F >> (n_more + 1 if n_more else 0))
    for byte in head[5 : 5 + n_more]:
        number = number << 6 | byte & 0x3F
    n_bytes = 5 + n_more + {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    crc = 0
    for byte in head[:n_bytes]:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x107) if crc & 0x80 else crc << 1
    return number if n_bytes < 16 and crc == head[n_bytes] else None


def ogg_parts(data, at: int) -> list[Part]:
    """Return every link of a chained Ogg file, by its pages."""
    parts: list[Part] = []
    numbers: dict[int, int] = {}
    in_head, ended, start = False, False, at
    while (page := _page(data, at)) is not None:
        place, end, flags, serial, number = page
        if flags & _FIRST_PAGE and not in_head:
            _close(parts, start, place, ended)
            parts.append(Part([]))
            numbers, start, ended = {}, place, False
        in_head = bool(flags & _FIRST_PAGE)
        if parts:
            is_gap = (place > at > start) or number != numbers.get(serial, number)
            parts[-1].damaged = parts[-1].damaged or is_gap
            numbers[serial] = number + 1
            ended = ended or bool(flags & _LAST_PAGE)
        at = end
    _close(parts, start, len(data), ended)
    return parts


def _close(parts: list[Part], start: int, end: int, ended: bool) -> None:
    if parts:
        parts[-1].pieces = [(start, end)]
        parts[-1].cut_off = not ended


def _page(data, at: int) -> tuple[int, int, int, int, int] | None:
    """Return start, end, flags, serial and number of the next page that is all there."""
    while (at := data.find(b"OggS", at)) >= 0:
        if at + _PAGE.size > len(data):
            return None
        _, version, flags, _, serial, number, _, n_segments = _PAGE.unpack_from(data, at)
        segments = data[at + _PAGE.size : at + _PAGE.size + n_segments]
        end = at + _PAGE.size + n_segments + sum(segments)
        if version == 0 and flags < 8 and end <= len(data) and data[end : end + 4] in (b"OggS", b""):
            return at, end, flags, serial, number
        if version == 0 and flags < 8 and (end <= len(data) and data.find(b"OggS", at + 4, end) < 0):
            return at, end, flags, serial, number  # what follows is damaged
        at += 4
    return None
