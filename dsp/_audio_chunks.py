"""Walk the chunks of WAV, RF64, Wave64, AIFF and CAF files, and tell chunks and foreign bytes from samples.

Place in the chain: below `_audio_headers`. Positions are in bytes.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")  # metadata tags that can follow the samples
SAMPLE_CHUNKS = (b"data", b"SSND")
_COMPARED_BYTES = 1 << 12
_FOREIGN = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"%PDF-", b"PK\3\4", b"\x1f\x8b\x08", b"<?xml")
_TEXT = bytes((*b"\t\n\r", *range(32, 127)))


class Layout(NamedTuple):
    """Describe the chunks of a format: head of name and length, alignment, bytes of the head that the length counts."""

    head: struct.Struct
    align: int
    own_bytes: int = 0


RIFF, RIFX = Layout(struct.Struct("<4sI"), 2), Layout(struct.Struct(">4sI"), 2)  # AIFF has the layout of RIFX
W64, CAF = Layout(struct.Struct("<16sQ"), 8, 24), Layout(struct.Struct(">4sq"), 1)


def chunks(data, at: int, layout: Layout) -> Iterator[tuple[bytes, int, int]]:
    """Yield id, position of the content and length of every chunk; chunks are aligned relative to the first one."""
    first, (head, align, own_bytes) = at, layout
    while at + head.size <= len(data):
        mark, size = head.unpack_from(data, at)
        at += head.size
        yield mark, at, size - own_bytes
        at += max(0, size - own_bytes)
        padding = (first - at) % align
        if not (padding == 1 and is_name(data[at : at + 4]) and not is_name(data[at + 1 : at + 5])):
            at += padding  # some programs leave it out


def is_name(mark: bytes) -> bool:
    """Return whether these bytes can be the name of a chunk."""
    return len(mark) == 4 and all(32 <= byte < 127 for byte in mark)


def begins_chunk(data, at: int) -> bool:
    """Return whether a chunk or a metadata tag begins at a position, and not more samples."""
    mark = data[at : at + 24]
    if len(mark) < 8:  # shorter than the header of a chunk
        return mark.startswith(TAGS)
    sizes = [size for (size,) in (struct.unpack(order + "I", mark[4:8]) for order in "<>")]
    sizes += [struct.unpack(order + "q", mark[n : n + 8])[0] for order, n in ((">", 4), ("<", 16)) if len(mark) > n + 7]
    named = is_name(mark[:4]) and any(0 <= size <= len(data) - at for size in sizes)
    return mark.startswith((*TAGS, *SAMPLE_CHUNKS)) or named


def are_chunks(data, at: int, layout: Layout) -> bool:
    """Return whether chunks lead from a position to the end of the data, or to samples or a metadata tag."""
    found = False
    for mark, place, size in chunks(data, at, layout):
        if mark.startswith((*TAGS, *SAMPLE_CHUNKS)):
            return True
        found = is_name(mark[:4]) and 0 <= size <= len(data) - place
        if not found:
            return False
    return found or data[at : at + 24].startswith(TAGS)


def are_foreign(data, at: int, end: int) -> bool:
    """Return whether the bytes from `at` to `end` are a picture, a document, an archive or text, and no samples."""
    begin = data[at : min(at + _COMPARED_BYTES, end)]
    return begin.startswith(_FOREIGN) or not begin.translate(None, _TEXT)
