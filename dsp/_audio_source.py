"""Get at the bytes of an audio file: a file on disk is mapped, a pipe is read into memory or, if long, onto disk.

Place in the chain: called by `audio_file`. Delay: none.
"""

import io
import mmap
import os
import stat
import tempfile
from typing import BinaryIO

from dsp._audio_recordings import may_be_audio

HEAD_BYTES = 1 << 16
CHUNK_BYTES = 1 << 20
SPOOL_BYTES = 1 << 26  # of a pipe, beyond which it is put on disk


def contents(file) -> bytes | mmap.mmap:
    """Return the bytes from the current position of a file; those of a file on disk, and of a long pipe, are mapped."""
    try:
        if _holds_file_bytes(file):
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size and file.tell() == 0:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # closed, or on a disk that cannot be mapped
        pass
    data = io.BytesIO()
    is_empty = True
    while data.tell() < (SPOOL_BYTES if is_empty else CHUNK_BYTES) and (chunk := read_chunk(file, CHUNK_BYTES)):
        data.write(chunk)
        is_empty &= chunk.count(0) == len(chunk)  # a recording can begin behind zero bytes
    if data.tell() < CHUNK_BYTES or may_be_audio(data.getvalue()):
        while chunk := read_chunk(file, CHUNK_BYTES):
            data.write(chunk)
            if data.tell() > SPOOL_BYTES:
                return _spooled(data.getvalue(), file)
    return data.getvalue()


def _holds_file_bytes(file) -> bool:
    """Return whether a file object reads what its descriptor holds; that of `gzip.open` is of the compressed file."""
    buffered = type(file) in (io.BufferedReader, io.BufferedRandom)
    return type(file.raw if buffered else file) is io.FileIO


def _spooled(begin: bytes, file) -> mmap.mmap:
    """Copy a file that begins so to disk and map it."""
    with tempfile.TemporaryFile() as spool:
        spool.write(begin)
        while chunk := read_chunk(file, CHUNK_BYTES):
            spool.write(chunk)
        spool.flush()
        return mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ)


def check_file(name: str, file) -> None:
    """Refuse a file object that is closed, in text mode or open for writing only; `name` is that of the argument."""
    fault = ""
    if getattr(file, "closed", False) is True:
        fault = "a closed file"
    elif isinstance(file, io.TextIOBase):
        fault = "a file in text mode"
    elif isinstance(file, io.BufferedWriter | io.FileIO) and not file.readable():
        fault = "a file that is open for writing only"
    if fault:
        raise ValueError(f"`{name}` is {fault}, it must be a path or an open binary file")


def read_chunk(file, n_bytes: int) -> bytes:
    """Read `n_bytes` bytes; fewer only at the end of the file, or where a file gives what it has."""
    chunk = file.read(n_bytes) if hasattr(file, "read") else None
    if not isinstance(chunk, bytes | bytearray):
        raise ValueError(f"`source` is of type {type(file).__name__}, it must be a path or an open binary file")
    return bytes(chunk)


class Continued:
    """Read on a file of which the beginning was read."""

    def __init__(self, head: bytes, file: BinaryIO):
        self._head, self._file = io.BytesIO(head), file

    def read(self, n_bytes: int) -> bytes:
        """Read `n_bytes` bytes; fewer only at the end."""
        data = self._head.read(n_bytes)
        while len(data) < n_bytes and (chunk := read_chunk(self._file, n_bytes - len(data))):
            data += chunk
        return data
