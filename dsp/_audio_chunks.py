"""Walk the chunks of WAV, RF64, Wave64, AIFF and CAF files, and tell chunks and foreign bytes from samples.

Place in the chain: below `_audio_headers`. Positions are in bytes.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dsp._audio_samples import WIDTHS, to_float

TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")  # metadata tags that can follow the samples
SAMPLE_CHUNKS = (b"data", b"SSND")
_COMPARED_SAMPLES = 1 << 17
_LOUD = 0.42  # RMS; that of compressed data is 0.58, that of sound is hardly ever above
_UNLIKE = 0.3  # correlation of neighbouring samples; that of most sound is above twice this
_FOREIGN = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"%PDF-", b"PK\3\4", b"\x1f\x8b\x08", b"<?xml")
_TEXT = bytes((*b"\t\n\r", *range(32, 127)))
_BEYOND = 1e6  # times full scale


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


def begins_foreign(data, at: int) -> bool:
    """Return whether a picture, a document or an archive begins at a position."""
    return data[at : at + 8].startswith(_FOREIGN)


def are_foreign(data, start: int, at: int, end: int, encoding: str) -> bool:
    """Return whether the bytes from `at` to `end` are no samples that continue those from `start` to `at`.

    Bytes of pictures and archives are louder than most sound, and neighbours are not alike; texts have few characters.
    Samples of compressed formats are taken for complete, as the header says.
    """
    if (
        not encoding
        or begins_foreign(data, at)
        or not data[at : min(at + _COMPARED_SAMPLES, end)].translate(None, _TEXT)
    ):
        return True
    rms, alike = _rms_and_correlation(data, at, end, encoding)
    rms_before, alike_before = _rms_and_correlation(data, start, at, encoding)
    return rms > rms_before and (rms > _LOUD > rms_before or alike < _UNLIKE < 2 * _UNLIKE < alike_before)


def _rms_and_correlation(data, start: int, end: int, encoding: str) -> tuple[float, float]:
    """Return the RMS of the first samples of a range, full scale 1, and the correlation of neighbours.

    The RMS is infinite if a sample is not finite or far beyond full scale.
    """
    n = min((end - start) // WIDTHS[encoding], _COMPARED_SAMPLES)
    with np.errstate(invalid="ignore"):  # NaN of other bytes
        x = to_float(data[start : start + n * WIDTHS[encoding]], encoding).astype(np.float64)
    if not (np.abs(x) <= _BEYOND).all():
        return np.inf, 0.0
    deviation = x - x.mean() if n else x
    power = np.dot(deviation, deviation)
    return float(np.sqrt(np.mean(np.square(x)))) if n else 0.0, float(deviation[1:] @ deviation[:-1] / max(power, 1e-9))
