"""Live coding on the command line: input is read ahead, coded packet by packet, and written at once.

A thread reads the input into memory while the codec is still being made ready, so that a recorder never has to wait and
nothing is lost; 16 MiB at most, a minute and a half of stereo at 44.1 kHz.
"""

import os
import signal
import stat
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from lpcnet_cq.bitstream.packing import Mode
    from lpcnet_cq.codec import Codec

MOST_AHEAD_BYTES = 1 << 24
READ_BYTES = 1 << 16


def is_pipe(path: str, mode: str) -> bool:
    """Say whether a path, or "-" for standard input (mode r) or output (mode w), is a pipe or a socket."""
    try:
        if path != "-":
            status = os.stat(path)
        else:
            stream = sys.stdin if mode == "r" else sys.stdout
            status = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):  # closed, replaced by something else, or not there
        return False
    return stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)


class ReadAhead:
    """Read a pipe in a thread; `read` gives what is there.

    Parameters
    ----------
    file : binary file open for reading
    name : str
        For messages.
    most_bytes : int
        Beyond which the pipe has to wait.
    """

    def __init__(self, file: BinaryIO, name: str, most_bytes: int = MOST_AHEAD_BYTES):
        self._file, self.name, self._most = file, name, most_bytes
        self._chunks: deque[bytes] = deque()
        self._n_bytes, self._ended, self._error = 0, False, None
        self._changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def read(self, n_bytes: int) -> bytes:
        """Return 1 to n_bytes bytes as soon as there are any; none at the end."""
        with self._changed:
            while not self._chunks and not self._ended:
                self._changed.wait()
            if not self._chunks:
                if self._error is not None:
                    raise self._error
                return b""
            chunk = self._chunks.popleft()
            if len(chunk) > n_bytes:
                self._chunks.appendleft(chunk[n_bytes:])
                chunk = chunk[:n_bytes]
            self._n_bytes -= len(chunk)
            self._changed.notify_all()
            return chunk

    def end(self) -> None:
        """Let the input end with what was read."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            while chunk := self._next():
                with self._changed:
                    while self._n_bytes >= self._most and not self._ended:
                        self._changed.wait()
                    if self._ended:
                        return
                    self._chunks.append(chunk)
                    self._n_bytes += len(chunk)
                    self._changed.notify_all()
        except OSError as error:
            self._error = error
        self.end()

    def _next(self) -> bytes:
        """Read what there is, from the descriptor where there is one: a buffered file would be locked at exit."""
        with suppress(AttributeError, OSError, ValueError):
            return os.read(self._file.fileno(), READ_BYTES)
        return self._file.read(READ_BYTES)


@contextmanager
def ended_by_interrupt(ahead: ReadAhead) -> Iterator[None]:
    """Let the first interrupt end the input, so that the stream is completed; the second one ends the program."""
    before = signal.getsignal(signal.SIGINT)

    def end(*_) -> None:
        signal.signal(signal.SIGINT, before)
        threading.Thread(target=ahead.end).start()  # a handler must not wait for a lock that its thread may hold

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def reading_ahead(source: str) -> Iterator[ReadAhead]:
    """Read a pipe ahead from now on, while the codec is still being loaded."""
    from dsp.audio_file import open_source, source_name

    with open_source(source, source_name(source)) as file:
        ahead = ReadAhead(file, source)
        with ended_by_interrupt(ahead):
            yield ahead


def encode_live(
    codec: "Codec",
    source: "str | ReadAhead",
    target: str,
    bitrate_bps: int,
    layers: int,
    mode: "Mode",
    expected_loss: float,
    copy_offset: int,
    dtx: bool,
    raw: tuple[int, int] | None,
) -> list[str]:
    """Code an input while it arrives, or a file as if it did, and return notes."""
    from lpcnet_cq.audio.blocks import open_audio
    from lpcnet_cq.output import replacing

    audio = open_audio(cast(BinaryIO, source), codec.channels, arriving=isinstance(source, ReadAhead), raw=raw)
    channels = min(audio.n_channels, 2) if codec.channels == 2 else 1
    blocks = iter(audio.blocks)
    first = next(blocks)  # raises if there are no samples, before a header is written
    with replacing(target) as file:
        options = bitrate_bps, layers, mode, expected_loss, copy_offset, dtx
        codec.encode_live(file, chain([first], blocks), audio.sample_rate_hz, channels, *options)
    return audio.notes
