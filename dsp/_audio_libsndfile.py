"""Decode FLAC, Ogg, MP3, ADPCM and other formats with soundfile, block by block to the end of the data.

Place in the chain: after the modules that find recordings in the data. Delay: none.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np

from dsp._audio_samples import BLOCK_SAMPLES

_ENDLESS_BYTES = 1 << 40
_TAG_BYTES = 128
_UNKNOWN_FRAMES = 1 << 62  # libsndfile gives 2^63 - 1 if the length is unknown


class Pieces(io.RawIOBase):
    """Present pieces of data as one seekable file, without a copy.

    Parameters
    ----------
    data : bytes or mmap
    pieces : list of bytes or (start, end)
        New bytes, and ranges of positions in the data.
    endless : bool
        Whether the file reports a very large length, because some decoders derive a limit from it.
    """

    def __init__(self, data, pieces: list, endless: bool = False):
        super().__init__()
        self._endless = endless
        places = [(p, 0, len(p)) if isinstance(p, bytes) else (data, *p) for p in pieces]
        # Damaged headers can give positions after the end of the data.
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
        """Return the position in the file."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, limited to 0 or more, because a callback of a library cannot raise an error."""
        length = _ENDLESS_BYTES if self._endless else int(self._ends[-1]) if len(self._ends) else 0
        base = (0, self._at, length)[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer) -> int:
        """Fill a buffer with the next bytes, which may come from several pieces."""
        n = 0
        while n < len(buffer):
            index = int(np.searchsorted(self._ends, self._at, side="right"))
            if index == len(self._parts):
                if self._endless and self._at >= _ENDLESS_BYTES - _TAG_BYTES:  # libmpg123 searches a tag there
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
        Must support `read` and `seek`.

    Attributes
    ----------
    sample_rate_hz, channels : int
    kind : str
        Name of the format.
    claimed_samples : int or None
        Samples per channel that the header states.
    failed : bool
        Whether decoding has stopped at damaged data.

    Raises
    ------
    ValueError
        If libsndfile cannot read the file; the message is that of libsndfile.
    ImportError, OSError
        If soundfile or libsndfile is not installed.
    """

    def __init__(self, file: io.RawIOBase | io.BytesIO):
        import soundfile

        class Forward(soundfile.SoundFile):
            def seekable(self) -> bool:
                """Return False: soundfile must not limit reads to the length in the header, and must not seek."""
                return False

        self._error = soundfile.SoundFileError
        try:
            self._sound = Forward(cast(BinaryIO, file))  # soundfile uses only the methods of `Pieces`
        except (soundfile.SoundFileError, TypeError) as error:
            raise ValueError(reason(error)) from None
        self.sample_rate_hz, self.channels = self._sound.samplerate, self._sound.channels
        self.kind, frames = self._sound.format, self._sound.frames
        self.claimed_samples = frames if 0 < frames < _UNKNOWN_FRAMES else None
        self.failed = False

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield float32 blocks (n, channels) up to the end of the data or to data that cannot be decoded."""
        buffer = np.empty((max(1, BLOCK_SAMPLES // self.channels), self.channels), np.float32)
        with self._sound:
            n = 1
            while n and not self.failed:
                # A failed read does not return the number of decoded samples. NaN marks the samples not decoded.
                buffer.fill(np.nan)
                try:
                    n = len(self._sound.read(out=buffer))
                except self._error:
                    self.failed = True
                    given = ~np.isnan(buffer[:, 0])
                    n = len(buffer) if given.all() else int(given.argmin())
                yield buffer[:n]


def reason(error: BaseException) -> str:
    """Return the message of libsndfile, without the full stop."""
    words = getattr(error, "error_string", None) or str(error) or type(error).__name__
    return words.splitlines()[0].rstrip(". ")
