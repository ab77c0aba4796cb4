"""Split Ogg and FLAC files that consist of several concatenated recordings, and read the lengths in their headers.

Place in the chain: before libsndfile, which reads only the first recording and trusts wrong lengths.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from dsp._audio_mapping import first_match

_FLAC_MARK = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # start of a stream, and header of the STREAMINFO block
_LAST_BLOCK = 0x80
_WINDOW_BYTES = 1 << 16  # of a search from the end
_MAX_FRAME_BYTES = 1 << 22  # of FLAC: 65535 samples of 8 channels, with 24 bits
_FLAC_FRAME = re.compile(rb"\xff[\xf8\xf9]", re.DOTALL)
_PAGE = struct.Struct("<4sBBqIIIB")  # mark, version, flags, granule position, serial, number, checksum, segments
_FIRST_PAGE, _LAST_PAGE = 2, 4
_OGG_FLAC_MARK, _OPUS_MARK = b"\x7fFLAC", b"OpusHead"
_CRC = struct.Struct("<I")
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Page(NamedTuple):
    """Describe a page of an Ogg file: places of its head, content and end, and what its head says."""

    start: int
    body: int
    end: int
    flags: int
    granule: int
    serial: int
    number: int


class Run(NamedTuple):
    """Describe undamaged pages of an Ogg stream that follow each other.

    `pieces` are those of a stream of its own, with headers; `end` is the time at its end, in samples, of which Opus has
    48000 per second; `is_first` tells whether no page is missing before it.
    """

    pieces: list
    end: int
    is_opus: bool
    is_first: bool


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
    pages : list of Page
        Pages of an Ogg file.
    n_behind : int
        Bytes between its last page and the end of an Ogg file.
    end : int or None
        Position behind the last frame of a FLAC stream, if other bytes follow.
    """

    pieces: list
    claimed_samples: int | None = None
    damaged: bool = False
    cut_off: bool = False
    flac: list = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    n_behind: int = 0
    end: int | None = None


def flac_parts(data, at: int) -> Iterator[Part]:
    """Yield the FLAC streams from a position on, with the number of samples in their headers 0, which means unknown."""
    start = at
    while start >= 0:
        following = first_match(_FLAC_MARK, data, _after_metadata(data, start + 4))
        end = len(data) if following < 0 else following
        head = bytearray(data[start : start + 26])
        claimed = None
        if len(head) == 26:
            claimed = int.from_bytes(head[21:26], "big") & 0xF_FFFF_FFFF
            head[21:26] = (head[21] & 0xF0).to_bytes(1, "big") + bytes(4)
        yield Part([bytes(head), (min(start + 26, end), end)], claimed or None)
        start = following


def _after_metadata(data, at: int) -> int:
    """Return the position after the metadata blocks of a FLAC stream, whose pictures may contain anything."""
    is_last = False
    while not is_last and at + 4 <= len(data):
        is_last = data[at] >= _LAST_BLOCK
        at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
    return at


def flac_from(data, part: Part, n_samples: int, at: int) -> tuple[list, int] | None:
    """Return the rest of a FLAC stream from the first frame at or after `n_samples`, and its first sample.

    The search starts at the position `at`. Return None if there is no such frame. Decoding of a damaged stream
    continues there.
    """
    (start, end) = part.pieces[1]
    head = _flac_head(data, part)
    last = part.claimed_samples or 1 << 36
    for found in _FLAC_FRAME.finditer(data, max(start, at), end):
        first_sample = _first_sample(data, found.start(), head)
        if first_sample is not None and n_samples <= first_sample < last:
            return [head, (found.start(), end)], first_sample
    return None


def flac_ends(data, part: Part, n_samples: int) -> Iterator[tuple[list, int]]:
    """Yield the last frame of `n_samples` samples as a FLAC stream, and its first sample, for every possible end.

    A frame may end where its checksum is right, which every 65536th other position is too.
    """
    (start, end) = part.pieces[1]
    head = _flac_head(data, part)
    before = (
        (found.start(), first_sample)
        for stop in range(end, start, -_WINDOW_BYTES)
        for found in reversed([*_FLAC_FRAME.finditer(data, max(start, stop - _WINDOW_BYTES), min(stop + 1, end))])
        if (first_sample := _first_sample(data, found.start(), head)) is not None and first_sample < n_samples
    )
    at, first_sample = next(before, (end, 0))
    crc = 0
    for place, byte in enumerate(data[at : min(end, at + _MAX_FRAME_BYTES)], at + 1):
        crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ byte]
        if crc == 0:
            yield [head, (at, place)], first_sample


def _flac_head(data, part: Part) -> bytes:
    """Return the mark and the STREAMINFO block of a FLAC stream, as its only block of metadata."""
    (start, _) = part.pieces[1]
    head = part.pieces[0] + data[start : start + 16]
    return head[:4] + bytes([_LAST_BLOCK]) + head[5:42]


def _first_sample(data, at: int, head: bytes) -> int | None:
    """Return the first sample of the frame at a position; None if no frame begins there."""
    number = _flac_number(data[at : at + 16])
    is_sample = data[at + 1 : at + 2] == b"\xf9"
    return number if number is None or is_sample else number * int.from_bytes(head[8:10], "big")


def _crc16(crc: int) -> int:
    """Return the remainder of a byte in the upper half of `crc`, with the polynomial 0x8005."""
    for _ in range(8):
        crc = crc << 1 ^ (0x18005 if crc & 0x8000 else 0)
    return crc


_CRC16 = [_crc16(byte << 8) for byte in range(256)]


def _flac_number(head: bytes) -> int | None:
    """Return the frame or sample number in the header of a FLAC frame; None if its checksum is wrong."""
    if len(head) < 16 or head[2] >> 4 == 0 or head[2] & 15 == 15 or head[3] & 1:
        return None
    n_more = max(0, 7 - (head[4] ^ 0xFF).bit_length())  # further bytes of the number, coded as in UTF-8
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
        place, body, end, flags, _, serial, number = page
        if flags & _FIRST_PAGE and not in_head:
            _close(parts)
            parts.append(Part([], cut_off=True))
            numbers, start = {}, place
        in_head = bool(flags & _FIRST_PAGE)
        if parts:
            part = parts[-1]
            part.pages.append(page)
            part.damaged |= (place > at > start) or number != numbers.get(serial, number)
            part.cut_off &= not flags & _LAST_PAGE
            numbers[serial] = number + 1
            if data[body : body + 5] == _OGG_FLAC_MARK:
                part.flac.append((body + 9, end))  # after the mapping header, the stream is as in a FLAC file
            elif part.flac:
                part.flac.append((body, end))
        at = end
    _close(parts)
    if not parts:
        raise ValueError("it has no beginning of an Ogg stream")
    parts[-1].n_behind = len(data) - at
    return parts


def _close(parts: list[Part]) -> None:
    """Set the pieces of the last part: its pages without what stands between them, which libogg searches for long."""
    pieces: list = []
    for page in parts[-1].pages if parts else ():
        begin = pieces.pop()[0] if pieces and pieces[-1][1] == page.start else page.start
        pieces.append((begin, page.end))
    if parts:
        parts[-1].pieces = pieces


def ogg_runs(data, part: Part) -> list[Run]:
    """Split a Vorbis or Opus stream into runs of undamaged pages; empty for other streams."""
    marks = (b"\x01vorbis", _OPUS_MARK)
    serial = next((p.serial for p in part.pages if data[p.body : p.body + 8].startswith(marks)), None)
    pages = [p for p in part.pages if p.serial == serial and _checksum(data, p) == _CRC.unpack_from(data, p.start + 22)]
    n_head = next((i for i, p in enumerate(pages) if p.granule > 0), 0)
    if n_head == 0:
        return []
    cuts = [n_head, *(i + 1 for i, (p, q) in enumerate(pairwise(pages)) if i >= n_head and q.number != p.number + 1)]
    body = pages[0].body
    is_opus = data[body : body + 8] == _OPUS_MARK
    skipped = int.from_bytes(data[body + 10 : body + 12], "little") if is_opus else 0
    runs = []
    for first, end in pairwise([*cuts, len(pages)]):
        run = pages[first:end]
        is_first = first == n_head and run[0].number == pages[n_head - 1].number + 1
        numbers = range(run[0].number - n_head, run[0].number)
        head = [_changed(data, p._replace(number=n), is_first) for p, n in zip(pages[:n_head], numbers, strict=True)]
        pieces = [*head, *((p.start, p.end) for p in run)]
        if len(run) == 1 and not is_first:  # libsndfile refuses a single page that ends the stream at a late time
            pieces[-1] = _changed(data, run[0]._replace(flags=run[0].flags & ~_LAST_PAGE), is_first)
        runs.append(Run(pieces, max(p.granule for p in run) - skipped, is_opus, is_first))
    return runs


def _checksum(data, page: Page) -> tuple[int]:
    """Return the checksum of a page: CRC-32 of zlib with the bits of each byte in the other order."""
    content = data[page.start : page.start + 22] + bytes(4) + data[page.start + 26 : page.end]
    crc = zlib.crc32(content.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return (int(f"{crc:032b}"[::-1], 2),)


def _changed(data, page: Page, is_first: bool) -> bytes:
    """Return the page with the flags and the number in `page`; only in the first run, Opus skips samples."""
    content = bytearray(data[page.start : page.end])
    at = page.body - page.start
    if not is_first and content[at : at + 8] == _OPUS_MARK:
        content[at + 10 : at + 12] = bytes(2)
    content[5] = page.flags
    content[18:22] = struct.pack("<I", page.number & 0xFFFFFFFF)
    content[22:26] = _CRC.pack(*_checksum(bytes(content), page._replace(start=0, end=len(content))))
    return bytes(content)


def _page(data, at: int) -> Page | None:
    """Return the next complete page."""
    while (at := data.find(b"OggS", at)) >= 0:
        if at + _PAGE.size > len(data):
            return None
        _, version, flags, granule, serial, number, _, n_segments = _PAGE.unpack_from(data, at)
        body = at + _PAGE.size + n_segments
        end = body + sum(data[at + _PAGE.size : body])
        if version == 0 and flags < 8 and end <= len(data):
            # A complete page is followed by a page or the end; after damage, no page may start within this page.
            if data[end : end + 4] in (b"OggS", b"") or data.find(b"OggS", at + 4, end) < 0:
                return Page(at, body, end, flags, granule, serial, number)
        at += 4
    return None
