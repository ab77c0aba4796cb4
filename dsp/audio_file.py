"""Read audio files, pipes and binary file objects to the end of their data, even if truncated, joined or damaged.

Place in the chain: first. The reader does not rely on lengths in headers. WAV, RF64, Wave64, AIFF, AU and CAF with
linear, float, A-law or mu-law samples need only NumPy; all other formats (FLAC, Ogg, MP3, ADPCM) need soundfile.
Delay: none.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from dsp._arguments import integer_in
from dsp._audio_blocks import AudioBlocks, arriving, checked_blocks, downmix, open_recordings
from dsp._audio_headers import Samples, begins_recording, find_samples
from dsp._audio_source import HEAD_BYTES, Continued, check_file, contents, read_chunk

__all__ = [
    "AudioBlocks",
    "AudioFile",
    "check_file",
    "downmix",
    "open_audio_file",
    "open_audio_stream",
    "open_source",
    "printable",
    "read_audio_file",
    "source_name",
]  # fmt: skip

_MARK_BYTES = 16  # which tell a format


@dataclass(frozen=True)
class AudioFile:
    """Hold the samples of an audio file, and notes on problems in it.

    Attributes
    ----------
    x : float32 array (n,) or (n, 2)
        Finite samples; full scale is 1, and files with float samples may have up to 4.
    sample_rate_hz : int
    n_channels : int
        Number of channels of the file.
    notes : list of str
        Sentences for the user about mixed channels, wrong lengths in headers, and damage.
    """

    x: np.ndarray
    sample_rate_hz: int
    n_channels: int
    notes: list[str]


def read_audio_file(source: str | os.PathLike[str] | BinaryIO, channels: int = 1) -> AudioFile:
    """Read an audio file to the end of its data, independent of the length in its header.

    Parameters
    ----------
    source : str, Path or binary file object
        A file, a pipe, "-" for standard input, or an open file, which is read from its current position.
    channels : int, 1 or 2
        1 mixes all channels to their mean; 2 keeps both channels of a file with two channels.

    Returns
    -------
    AudioFile

    Raises
    ------
    ValueError
        If the source cannot be read, is not an audio file, has no samples, or has samples that are NaN, infinite or
        beyond 4 times full scale. The message is one sentence with the name of the source and the reason.

    Examples
    --------
    >>> import io, struct
    >>> head = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", 0, b"WAVEfmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 0)
    >>> found = read_audio_file(io.BytesIO(head + struct.pack("<2h", 16384, -32768)))  # lengths of 0
    >>> found.x.tolist(), found.sample_rate_hz
    ([0.5, -1.0], 8000)
    >>> found.notes
    ['the header gives no length: read to the end, 0.000 s']

    References
    ----------
    EBU Tech 3285 (WAV), EBU Tech 3306 (RF64), RFC 3533 (Ogg), RFC 9639 (FLAC), ISO/IEC 11172-3 (MP3).
    """
    try:
        audio, joined, shape = open_audio_file(source, channels), bytearray(), (-1,)
        for block in audio.blocks:
            joined += block.tobytes()
            shape = (-1, *block.shape[1:])
        return AudioFile(
            np.frombuffer(joined, np.float32).reshape(shape), audio.sample_rate_hz, audio.n_channels, audio.notes
        )
    except MemoryError:
        raise ValueError(f"{source_name(source)} is too long for the memory of this machine") from None


def open_audio_file(source: str | os.PathLike[str] | BinaryIO, channels: int = 1) -> AudioBlocks:
    """Read an audio file as `read_audio_file` does, in blocks: a file of hours needs the memory of a block.

    Raises
    ------
    ValueError
        If the source cannot be read or is not an audio file.
    """
    channels = integer_in("channels", channels, 1, 2)
    name = source_name(source)
    with open_source(source, name) as file:
        data = contents(file)
    return open_recordings(data, name, channels)


def open_audio_stream(file: BinaryIO, name: str, channels: int = 1) -> AudioBlocks:
    """Read audio as it arrives: every block holds what was there when it was asked for.

    Linear, A-law and mu-law samples in WAV, RF64, Wave64, AIFF, AU or CAF format, up to the length that the header
    gives, or to the end where it gives none; other formats are read to the end first.

    Parameters
    ----------
    file : binary file open for reading
        `read(n)` returns at most n bytes as soon as there are any, and none at the end.
    name : str
        For messages.
    channels : int, 1 or 2

    Raises
    ------
    ValueError
        If it is not an audio file.
    """
    channels = integer_in("channels", channels, 1, 2)
    check_file("file", file)
    head, found = b"", None
    while found is None and len(head) < HEAD_BYTES and (chunk := read_chunk(file, HEAD_BYTES)):
        head += chunk
        try:
            found = find_samples(head, whole=False)
        except ValueError:  # the header goes on
            continue
        if found is None and len(head) >= _MARK_BYTES:
            break
        if found is not None and not found.size_at and found.start >= len(head):
            found = None
    if found is None or not found.encoding:
        return open_recordings(contents(Continued(head, file)), name, channels)
    notes: list[str] = []
    blocks = arriving(found, head[found.start :], file, notes)
    return checked_blocks(blocks, name, found.sample_rate_hz, found.channels, channels, notes)


def open_raw_audio(
    source: str | os.PathLike[str] | BinaryIO, sample_rate_hz: int, n_channels: int = 1, channels: int = 1
) -> AudioBlocks:
    """Read 16-bit samples without a header, little-endian and interleaved, as they arrive.

    Parameters
    ----------
    source : str, Path or binary file object
        Of an object, `read(n)` returns at most n bytes as soon as there are any, and none at the end.
    sample_rate_hz, n_channels : int
        Of the samples.
    channels : int, 1 or 2
        As for `read_audio_file`.

    Raises
    ------
    ValueError
        From the blocks, if the source cannot be read, holds no samples, or begins as a file with a header.
    """
    channels, name = integer_in("channels", channels, 1, 2), source_name(source)
    notes: list[str] = []

    def blocks() -> Iterator[np.ndarray]:
        with open_source(source, name) as file:
            begin = read_chunk(file, HEAD_BYTES)
            if begins_recording(begin):
                raise ValueError(f"{name} begins with the header of an audio file, not with raw samples")
            yield from arriving(Samples(sample_rate_hz, n_channels, "<i2"), begin, file, notes)

    return checked_blocks(blocks(), name, sample_rate_hz, n_channels, channels, notes)


def source_name(source: str | os.PathLike[str] | BinaryIO) -> str:
    """Return the name of a source as messages show it."""
    name = str(source) if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    if not isinstance(name, str):
        return "the file object"
    return "standard input" if name == "-" else f"`{printable(name)}`"


def printable(name: str) -> str:
    r"""Return a file name as one line of printable characters.

    Examples
    --------
    >>> print(printable("caf\udce9\n"))
    caf\udce9\n
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


@contextmanager
def open_source(source: str | os.PathLike[str] | BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Open a file or standard input for reading; a file object of the caller is not closed.

    Raises
    ------
    ValueError
        If the source cannot be opened or read; the message is one sentence.
    """
    try:
        if not isinstance(source, str | os.PathLike):
            check_file("source", source)
            yield source
        elif str(source) == "-":
            if sys.stdin is None:
                raise ValueError(f"cannot read {name}: it is closed")
            yield sys.stdin.buffer
        else:
            with _open_file(source, name) as file:
                yield file
    except OSError as error:
        if error.filename is not None:  # of another file, which the caller writes
            raise
        raise ValueError(f"cannot read {name}: {error.strerror or error}") from error


def _open_file(path: str | os.PathLike[str], name: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise ValueError(f"cannot read {name}: {error.strerror or error}") from error
    except ValueError:  # of Python
        raise ValueError(f"cannot read {name}: no path holds a null character") from None
