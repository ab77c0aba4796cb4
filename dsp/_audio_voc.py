"""Find the samples in the blocks of Creative Voice files (VOC), of which libsndfile reads the first one only.

Place in the chain: beside `_audio_headers`; `_audio_recordings` decodes what is found. All positions are in bytes. The
blocks are described in "Creative Voice (VOC) file format", Creative Labs, 1994.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from dsp._audio_samples import BLOCK_SAMPLES, WIDTHS, sample_blocks

_MARK = b"Creative Voice File\x1a"
_ENCODINGS = {0: "u1", 4: "<i2", 6: "alaw", 7: "ulaw"}  # the others are ADPCM
_SOUND, _CONTINUED, _SILENCE, _EXTENDED, _SOUND_16 = 1, 2, 3, 8, 9


@dataclass
class VocSamples:
    """Describe blocks that follow each other and have the same format.

    Attributes
    ----------
    sample_rate_hz, channels : int
    encoding : str
        See `_audio_samples`.
    pieces : list of (int, int)
        Position and length of the samples of each block; the position is -1 for a silence of so many samples.
    cut_off : bool
        Whether the last block is longer than the file.
    """

    sample_rate_hz: int
    channels: int
    encoding: str
    pieces: list[tuple[int, int]] = field(default_factory=list)
    cut_off: bool = False

    def blocks(self, data) -> Iterator[np.ndarray]:
        """Yield float32 blocks (n, channels)."""
        for start, n in self.pieces:
            if start >= 0:
                yield from sample_blocks(data, start, n, self.encoding, self.channels)
            for done in range(0, n if start < 0 else 0, BLOCK_SAMPLES):
                yield np.zeros((min(BLOCK_SAMPLES, n - done), self.channels), np.float32)

    @property
    def n_samples(self) -> int:
        """Samples per channel."""
        width = WIDTHS[self.encoding] * self.channels
        return sum(n if start < 0 else n // width for start, n in self.pieces)


def is_voc(data, at: int) -> bool:
    """Return whether such a file begins at a position."""
    return data[at : at + len(_MARK)] == _MARK


def find_voc(data, at: int) -> list[VocSamples]:
    """Return the samples of the file that begins at a position.

    Raises
    ------
    ValueError
        If there are none, or they are compressed.
    """
    found: list[VocSamples] = []
    extended = None
    for kind, place, size in _blocks(data, at):
        head = data[place : min(place + size, len(data))][:12]
        n_head = {_SOUND: 2, _SOUND_16: 12, _SILENCE: 3, _EXTENDED: 4}.get(kind, 0)
        if len(head) < n_head:
            break
        if kind == _EXTENDED:
            extended = _format_extended(*struct.unpack_from("<HBB", head))
        elif kind in (_SOUND, _SOUND_16):
            wanted, extended = extended or _format_of(kind, head), None
            if not found or (found[-1].sample_rate_hz, found[-1].channels, found[-1].encoding) != wanted:
                found.append(VocSamples(*wanted))
        elif kind == _SILENCE and found:
            found[-1].pieces.append((-1, struct.unpack_from("<H", head)[0] + 1))
        if kind in (_SOUND, _SOUND_16, _CONTINUED) and found:
            end = min(place + size, len(data))
            found[-1].pieces.append((place + n_head, end - place - n_head))
            found[-1].cut_off = place + size > len(data)
    if not found:
        raise ValueError("it has no block of sound")
    return found


def _blocks(data, at: int) -> Iterator[tuple[int, int, int]]:
    """Yield kind, position of the content and length of every block of a file up to the one that ends it."""
    at += struct.unpack("<H", data[at + 20 : at + 22].ljust(2, b"\0"))[0] or len(data)
    while at + 4 <= len(data) and data[at]:
        size = int.from_bytes(data[at + 1 : at + 4], "little")
        yield data[at], at + 4, size
        at += 4 + size


def _format_of(kind: int, head: bytes) -> tuple[int, int, str]:
    """Return sample rate, channels and encoding of a block of sound."""
    if kind == _SOUND:
        return round(1e6 / (256 - head[0])), 1, _encoding(head[1])
    rate_hz, _, channels, code = struct.unpack_from("<IBBH", head)
    if not rate_hz or not channels:
        raise ValueError(f"the header of a block gives {channels} channels and {rate_hz} Hz")
    return rate_hz, channels, _encoding(code)


def _format_extended(divisor: int, code: int, mode: int) -> tuple[int, int, str]:
    """Return what a block that extends the next one says, as `_format_of` does."""
    channels = 1 + (mode > 0)
    return round(256e6 / (channels * (65536 - divisor))), channels, _encoding(code)


def _encoding(code: int) -> str:
    if code not in _ENCODINGS:
        raise ValueError(f"its samples have the code {code} of ADPCM, they must be PCM, A-law or mu-law")
    return _ENCODINGS[code]
