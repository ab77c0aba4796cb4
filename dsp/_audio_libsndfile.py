"""Decode formats that need a library, by soundfile: FLAC, Ogg, MP3, ADPCM and others, block by block to the true end.

Place in the chain: after the modules that find recordings in the data. Delay: none.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np

from dsp._audio_samples import BLOCK_SAMPLES

_ENDLESS_BYTES = 1 << 40
_TAG_BYTES = 128
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's "as many as there are" is 2^63 - 1


class Pieces(io.RawIOBase):
    """Present pieces of data as one seekable file, without a copy.

    Parameters
    ----------
    data : bytes or mmap
    pieces : list of bytes or (start, end)
        New bytes, and places in the data.
    endless : bool
        Whether the file reports a very large length, for decoders that derive a limit from it.
    """

    def __init__(self, data, pieces: list, endless: bool = False):
        super().__init__()
        self._endless = endless
        places = [(p, 0, len(p)) if isinstance(p, bytes) else (data, *p) for p in pieces]
        # Damaged headers give places behind the end of the data.
        self._parts = [(source, start, min(end, len(source))) for source, start, end in places if start < len(source)]
        self._ends = np.cumsum([end - start for _, start, end in self._parts], dtype=np.int64)
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place in the file."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, not before the beginning: a library's callbacks cannot raise."""
        length = _ENDLESS_BYTES if self._endless else int(self._ends[-1]) if len(self._ends) else 0
        base = (0, self._at, length)[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer) -> int:
        """Fill a buffer as far as there are bytes, over the borders of pieces."""
        n = 0
        while n < len(buffer):
            index = int(np.searchsorted(self._ends, self._at, side="right"))
            if index == len(self._parts):
                if self._endless and self._at >= _ENDLESS_BYTES - _TAG_BYTES:  # libmpg123 looks for a tag there
                    n = len(buffer)
                break
            source, _, end = self._parts[index]
            at = end - (int(self._ends[index]) - self._at)
            piece = source[at : min(end, at + len(buffer) - n)]
            buffer[n : n + len(piece)] = piece
            n, self._at = n + len(piece), self._at + len(piece)
        return n


class Decoder:
    """Decode one recording.

    Parameters
    ----------
    file : binary file
        Can be read and sought in.

    Attributes
    ----------
    sample_rate_hz, channels : int
    claimed_samples : int or None
        Length per channel by the header.
    failed : bool
        Whether decoding has ended at damage.

    Raises
    ------
    ValueError
        If libsndfile cannot read it, in its own words.
    ImportError, OSError
        If soundfile, or its library, is not there.
    """

    def __init__(self, file: io.RawIOBase | io.BytesIO):
        import soundfile

        class Forward(soundfile.SoundFile):
            def seekable(self) -> bool:
                """Keep soundfile from limiting reads to the length in the header and from seeking after each."""
                return False

        self._error = soundfile.SoundFileError
        try:
            self._sound = Forward(cast(BinaryIO, file))  # all of it that is used
        except (soundfile.SoundFileError, TypeError) as error:
            raise ValueError(reason(error)) from None
        self.sample_rate_hz, self.channels = self._sound.samplerate, self._sound.channels
        frames = self._sound.frames
        self.claimed_samples = frames if 0 < frames < _UNKNOWN_FRAMES else None
        self.failed = False

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield float32 blocks (n, channels) until the data end or cannot be decoded."""
        buffer = np.empty((max(1, BLOCK_SAMPLES // self.channels), self.channels), np.float32)
        with self._sound:
            n = 1
            while n and not self.failed:
                # A failed read does not return the number of samples before the failure; these are not NaN.
                buffer.fill(np.nan)
                try:
                    n = len(self._sound.read(out=buffer))
                except self._error:
                    self.failed = True
                    given = ~np.isnan(buffer[:, 0])
                    n = len(buffer) if given.all() else int(given.argmin())
                yield buffer[:n]


def reason(error: BaseException) -> str:
    """Return libsndfile's own words, without the full stop."""
    words = getattr(error, "error_string", None) or str(error) or type(error).__name__
    return words.splitlines()[0].rstrip(". ")
