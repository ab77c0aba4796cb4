"""Read audio files, pipes and binary file objects to the end of their data, even if truncated, joined or damaged.

Place in the chain: first. The reader does not rely on lengths in headers. WAV, RF64, Wave64, AIFF, AU and CAF with
linear, float, A-law or mu-law samples need only NumPy; all other formats (FLAC, Ogg, MP3, ADPCM) need soundfile.
Delay: none.
"""

import io
import mmap
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from dsp._arguments import integer_in
from dsp._audio_recordings import may_be_audio, recordings

_HEAD_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20
_CANCELLED_DB = 20.0  # level of the mono mix below that of the channels from which on a note is added


@dataclass(frozen=True)
class AudioFile:
    """Hold the samples of an audio file, and notes on problems in it.

    Attributes
    ----------
    x : float32 array (n,) or (n, 2)
        Finite samples; full scale is 1, and files with float samples may exceed it.
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
        If the source cannot be read, is not an audio file, has no samples, or has NaN or infinite samples. The
        message is one sentence with the name of the source and the reason.

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
    channels = integer_in("channels", channels, 1, 2)
    name = source_name(source)
    try:
        with open_source(source, name) as file:
            data = _contents(file)
        return _read(data, name, channels)
    except MemoryError:
        raise ValueError(f"{name} is too long for the memory of this machine") from None


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
            yield source
        elif str(source) == "-":
            if sys.stdin is None:
                raise ValueError(f"cannot read {name}: it is closed")
            yield sys.stdin.buffer
        else:
            with open(source, "rb") as file:
                yield file
    except OSError as error:
        raise ValueError(f"cannot read {name}: {error.strerror or error}") from error


def downmix(x: np.ndarray, channels: int) -> np.ndarray:
    """Return x (n, c) as float32: both channels if c and `channels` are 2, otherwise the mean of the channels (n,)."""
    return x.astype(np.float32) if x.shape[1] == channels == 2 else x.mean(axis=1, dtype=np.float64).astype(np.float32)


def _contents(file: BinaryIO) -> bytes | mmap.mmap:
    """Return the bytes from the current position of a file: memory-mapped if the file is on disk, otherwise read."""
    try:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_size and file.tell() == 0:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (AttributeError, OSError, ValueError):  # not a file on disk, or it cannot be mapped
        pass
    data = io.BytesIO()
    data.write(_chunk(file, _HEAD_BYTES))
    if data.tell() < _HEAD_BYTES or may_be_audio(data.getvalue()):
        while chunk := _chunk(file, _CHUNK_BYTES):
            data.write(chunk)
    return data.getvalue()


def _chunk(file: BinaryIO, n_bytes: int) -> bytes:
    """Read `n_bytes` bytes, or fewer at the end of the file."""
    chunk = file.read(n_bytes) if hasattr(file, "read") else None
    if not isinstance(chunk, bytes | bytearray):
        raise ValueError(f"`source` is of type {type(file).__name__}, it must be a path or an open binary file")
    return bytes(chunk)


def _release(data: bytes | mmap.mmap) -> None:
    """Release the memory pages of a mapped file that have been read."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)


class _Joiner:
    """Collect blocks of samples, mix them to the requested channels, and measure the power before and after."""

    def __init__(self, channels: int):
        self.channels, self.n_samples, self.is_mixed = channels, 0, False
        self.data = bytearray()
        self.power, self.mixed_power = 0.0, 0.0

    def add(self, block: np.ndarray) -> None:
        with np.errstate(all="ignore"):  # samples that are not finite are refused at the end
            x = downmix(block, self.channels)
            self.is_mixed = x.ndim == 1 and block.shape[1] > 1
            if self.is_mixed:
                self.power += float(np.square(block, dtype=np.float64).sum()) / block.shape[1]
                self.mixed_power += float(np.square(x, dtype=np.float64).sum())
        self.data += x.tobytes()
        self.n_samples += len(x)

    def notes(self, n_channels: int) -> list[str]:
        if not self.is_mixed:
            return []
        notes = [f"mixed {n_channels} channels to mono"]
        if self.power > 0 and self.mixed_power * 10 ** (_CANCELLED_DB / 10) < self.power:
            loss_db = 10 * np.log10(self.power / max(self.mixed_power, 1e-12 * self.power))
            notes.append(f"the channels cancel: the mono mix is {loss_db:.0f} dB below them")
        return notes


def _read(data, name: str, channels: int) -> AudioFile:
    """Decode and concatenate the recordings in the data of a file."""
    layout, joined, notes, n_recordings = None, _Joiner(channels), [], 0
    try:
        for recording in recordings(data):
            n_before = joined.n_samples
            rate_hz, n_channels = layout = layout or (recording.sample_rate_hz, recording.channels)
            if layout != (recording.sample_rate_hz, recording.channels):
                raise ValueError(f"they have {recording.channels} channels at {recording.sample_rate_hz} Hz")
            for block in recording.blocks:
                joined.add(block)
                _release(data)
            notes += recording.notes(joined.n_samples - n_before)
            n_recordings += joined.n_samples > n_before
    except ValueError as error:
        if not joined.n_samples:
            raise ValueError(f"{name} is not an audio file that can be read: {error}") from None
        notes.append(f"ignored the data after {joined.n_samples / rate_hz:.3f} s: {error}")
    if not joined.n_samples:
        raise ValueError(": ".join([f"{name} holds no samples", *notes[:1]]))
    x = np.frombuffer(joined.data, np.float32).reshape(joined.n_samples, -1)
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        raise ValueError(f"{name} holds NaN or infinite samples, the first at {finite.argmin() / rate_hz:.3f} s")
    if n_recordings > 1:
        notes.append(f"joined {n_recordings} recordings that follow each other in the file")
    x = x[:, 0] if x.shape[1] == 1 else x
    return AudioFile(x, rate_hz, n_channels, notes + joined.notes(n_channels))
