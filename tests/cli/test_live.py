"""Live coding on the command line: when it is chosen, input that is read ahead, interrupts."""

import io
import os
import signal
import threading

import pytest

from lpcnet_cq.cli.live import ReadAhead, ended_by_interrupt, is_pipe


@pytest.fixture
def pipe():
    """Return both ends of a pipe, as files."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "wb", 0) as writer:
        yield reader, writer


def test_pipes_are_known(tmp_path, pipe):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(b"")
    assert is_pipe(str(tmp_path / "fifo"), "r") and is_pipe(f"/dev/fd/{pipe[1].fileno()}", "w")
    assert not is_pipe(str(tmp_path / "file"), "r") and not is_pipe(str(tmp_path / "none"), "w")
    assert not is_pipe("-", "r"), "pytest replaces standard input"


def test_input_is_read_before_it_is_asked_for(pipe):
    """More than a pipe holds can be written before the first read; what was written comes back."""
    reader, writer = pipe
    ahead, data = ReadAhead(reader, "-"), os.urandom(1 << 18)
    written = 0
    while written < len(data):
        written += writer.write(data[written:])
    writer.close()
    got = list(iter(lambda: ahead.read(1000), b""))
    assert b"".join(got) == data and max(map(len, got)) <= 1000 and ahead.name == "-"


def test_memory_is_limited():
    """The thread waits where nobody reads, and goes on when somebody does."""
    file = io.BytesIO(bytes(1 << 20))
    ahead = ReadAhead(file, "a", 1 << 17)
    first = ahead.read(1 << 16)
    assert ahead._n_bytes <= (1 << 17) + (1 << 16)
    rest = iter(lambda: ahead.read(1 << 20), b"")
    assert len(first) + sum(map(len, rest)) == 1 << 20


def test_an_error_of_the_input_comes_at_its_place():
    class Broken(io.BytesIO):
        def read(self, n=-1):
            data = super().read(n)
            if not data:
                raise OSError(5, "input/output error")
            return data

    ahead = ReadAhead(Broken(b"abc"), "a")
    assert ahead.read(10) == b"abc"
    with pytest.raises(OSError, match="input/output"):
        ahead.read(10)


def test_an_interrupt_ends_the_input(pipe):
    reader, writer = pipe
    before = signal.getsignal(signal.SIGINT)
    ahead = ReadAhead(reader, "-")
    with ended_by_interrupt(ahead):
        writer.write(b"abc")
        assert ahead.read(10) == b"abc"
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert ahead.read(10) == b""
        assert signal.getsignal(signal.SIGINT) is before, "the second one interrupts"
    assert signal.getsignal(signal.SIGINT) is before
