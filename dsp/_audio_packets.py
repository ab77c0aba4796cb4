"""Split Ogg and FLAC files that consist of several concatenated recordings, and read the lengths in their headers.

Place in the chain: before libsndfile, which reads only the first recording and trusts wrong lengths.
"""

import re
import struct
from dataclasses import dataclass, field

_FLAC_MARK = b"fLaC\x00\x00\x00\x22"  # start of a stream, and header of the STREAMINFO block
_LAST_BLOCK = 0x80
_FLAC_FRAME = re.compile(rb"\xff[\xf8\xf9]", re.DOTALL)
_PAGE = struct.Struct("<4sBBqIIIB")  # mark, version, flags, granule position, serial, number, checksum, segments
_FIRST_PAGE, _LAST_PAGE = 2, 4
_OGG_FLAC_MARK = b"\x7fFLAC"


@dataclass
class Part:
    """Describe one recording of a file.

    Attributes
    ----------
    pieces : list of bytes or (start, end)
        New bytes, and ranges of positions in the data.
    claimed_samples : int or None
        Samples per channel that its header states.
    damaged, cut_off : bool
        Whether data inside the recording are missing, and whether its end is missing.
    flac : list of (start, end)
        Positions of the bytes of a FLAC stream in the pages of an Ogg file; empty if there is no FLAC stream.
    """

    pieces: list
    claimed_samples: int | None = None
    damaged: bool = False
    cut_off: bool = False
    flac: list = field(default_factory=list)


def flac_parts(data, at: int) -> list[Part]:
    """Return every FLAC stream of the data, with the number of samples in its header set to 0, which means unknown."""
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
    """Return the rest of a FLAC stream from the first frame after `n_samples`, and the first sample of this frame.

    Return None if there is no such frame. Decoding of a damaged stream continues there.
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
    """Return the frame or sample number in the header of a FLAC frame; None if its checksum is wrong."""
    if len(head) < 16 or head[2] >> 4 == 0 or head[2] & 15 == 15 or head[3] & 1:
        return None
    n_more = max(0, 7 - (head[4] ^ 0xFF).bit_length() - 1)  # further bytes of the number, coded as in UTF-8
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
    """Return every recording (link) of a chained Ogg file.

    Raises
    ------
    ValueError
        If no recording begins in the data.
    """
    parts: list[Part] = []
    numbers: dict[int, int] = {}
    in_head, start = False, at
    while (page := _page(data, at)) is not None:
        place, body, end, flags, serial, number = page
        if flags & _FIRST_PAGE and not in_head:
            _close(parts, start, place)
            parts.append(Part([], cut_off=True))
            numbers, start = {}, place
        in_head = bool(flags & _FIRST_PAGE)
        if parts:
            part = parts[-1]
            part.damaged |= (place > at > start) or number != numbers.get(serial, number)
            part.cut_off &= not flags & _LAST_PAGE
            numbers[serial] = number + 1
            if data[body : body + 5] == _OGG_FLAC_MARK:
                part.flac.append((body + 9, end))  # after the mapping header, the stream is as in a FLAC file
            elif part.flac:
                part.flac.append((body, end))
        at = end
    _close(parts, start, len(data))
    if not parts:
        raise ValueError("it has no beginning of an Ogg stream")
    return parts


def _close(parts: list[Part], start: int, end: int) -> None:
    if parts:
        parts[-1].pieces = [(start, end)]


def _page(data, at: int) -> tuple[int, int, int, int, int, int] | None:
    """Return start, body, end, flags, serial number and page number of the next complete page."""
    while (at := data.find(b"OggS", at)) >= 0:
        if at + _PAGE.size > len(data):
            return None
        _, version, flags, _, serial, number, _, n_segments = _PAGE.unpack_from(data, at)
        body = at + _PAGE.size + n_segments
        end = body + sum(data[at + _PAGE.size : body])
        if version == 0 and flags < 8 and end <= len(data):
            # A complete page is followed by a page or the end; after damage, no page may start within this page.
            if data[end : end + 4] in (b"OggS", b"") or data.find(b"OggS", at + 4, end) < 0:
                return at, body, end, flags, serial, number
        at += 4
    return None
