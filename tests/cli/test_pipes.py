"""Pipes on the command line: standard input and output, named pipes, closed streams."""

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from lpcnet_cq.cli import main

pytestmark = pytest.mark.usefixtures("codec")


def test_pipes(wav, monkeypatch):
    """`encode - - | decode - -` gives what the files give."""
    data = Path(wav).read_bytes()
    for command in ("encode", "decode"):
        out = io.BytesIO()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out, flush=out.flush))
        assert main([command, "-", "-"]) == 0
        data = out.getvalue()
    monkeypatch.undo()
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(data))[0], soundfile.read(wav)[0])


def test_a_broken_pipe_is_one_sentence(wav, environment):
    """Standard output whose reader has gone: no traceback, not even from Python's own shutdown."""
    main(["encode", wav, "a.cq"])
    read_end, write_end = os.pipe()
    os.close(read_end)
    code = "import sys; from lpcnet_cq.audio.writer import write_wav\n"
    code += "import lpcnet_cq.cli as c, lpcnet_cq.cli.decode as d\n"
    code += "d.run_decode = lambda args: write_wav('-', [0.0] * 99999, 16000)\n"
    code += "sys.exit(c.main(['decode', '-', '-']))"
    done = subprocess.run([sys.executable, "-c", code], stdout=write_end, stderr=subprocess.PIPE, env=environment)
    os.close(write_end)
    assert done.returncode == 1
    assert done.stderr == b"lpcnet-cq: error: standard output was closed before the output was complete\n"


def test_pipes_by_name(wav):
    """A named pipe is written to and read from as it is; nothing else appears."""
    os.mkfifo("pipe")
    code = "import sys, shutil; shutil.copyfileobj(open('pipe', 'rb'), open('copy.cq', 'wb'))"
    with subprocess.Popen([sys.executable, "-c", code]) as reader:
        assert main(["encode", wav, "pipe"]) == 0
        assert reader.wait() == 0
    writer = subprocess.Popen([sys.executable, "-c", "open('pipe', 'wb').write(open('copy.cq', 'rb').read())"])
    assert main(["decode", "pipe", "b.wav"]) == 0 and writer.wait() == 0
    np.testing.assert_array_equal(soundfile.read("b.wav")[0], soundfile.read(wav)[0])
    assert sorted(os.listdir()) == ["b.wav", "copy.cq", "in.wav", "pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="this system has no /dev/fd")
def test_process_substitution(wav, header):
    """The shell's `>(program)` is a pipe below /dev/fd."""
    read_end, write_end = os.pipe()
    assert main(["encode", wav, f"/dev/fd/{write_end}"]) == 0
    os.close(write_end)
    with os.fdopen(read_end, "rb") as file:
        data = file.read()
    Path("a.cq").write_bytes(data)
    assert header().n_samples == 8000
    with open("a.cq", "rb") as file:
        assert main(["decode", f"/dev/fd/{file.fileno()}", "b.wav"]) == 0
    with open("redirected", "wb") as file:
        assert main(["encode", wav, f"/dev/fd/{file.fileno()}"]) == 0
    assert Path("redirected").read_bytes() == data


def test_closed_standard_streams(wav, monkeypatch, error):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["encode", "-", "a.cq"]) == 1
    assert error() == "cannot read standard input: it is closed"
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["encode", wav, "-"]) == 1
    assert error() == "standard output: it is closed"
    assert main(["encode", wav, "a.cq"]) == 0
    monkeypatch.undo()


def test_messages_never_reach_standard_output(wav, monkeypatch, tmp_path, capsys):
    """Even if standard error is closed, where `print` would take standard output instead."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["encode", "none.wav", "-"]) == 1
    monkeypatch.undo()
    assert capsys.readouterr().out == ""


STREAMS = [
    ("info in.cq >&-", 1, "lpcnet-cq: error: standard output: it is closed\n"),
    ("info in.cq >/dev/full", 1, "lpcnet-cq: error: standard output: No space left on device\n"),
    ("thin in.cq - >/dev/full", 1, "lpcnet-cq: error: standard output: No space left on device\n"),
    ("--help >/dev/full", 1, "lpcnet-cq: error: standard output: No space left on device\n"),
    ("thin - out.cq <&-", 1, "lpcnet-cq: error: cannot read standard input: it is closed\n"),
    ("thin none.cq out.cq 2>/dev/full", 1, ""),
    ("thin in.cq out.wav 2>/dev/full", 2, ""),
    ("sing 2>/dev/full", 2, ""),
    ("sing 2>&-", 2, ""),
    ("thin - in.cq -f < in.cq", 2, "lpcnet-cq: error: `in.cq` is the input; the output must have another name\n"),
    ("thin in.cq - >> in.cq", 2, "lpcnet-cq: error: standard output is the input; the output must have another name\n"),
]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("command", "status", "said"), STREAMS)
def test_standard_streams_that_are_closed_or_full(command, status, said, unbuffered, environment):
    """One sentence, the right exit status, nothing in another stream, and no word from Python's own shutdown."""
    before = (Path(__file__).parents[1] / "vectors" / "cq-24k-layers.cq").read_bytes()
    Path("in.cq").write_bytes(before)
    run = f'"$PYTHON" -m lpcnet_cq {command}'
    own = environment | {"PYTHON": sys.executable, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(["bash", "-c", run], capture_output=True, text=True, env=own, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr, done.stdout) == (status, said, "")
    assert os.listdir() == ["in.cq"] and Path("in.cq").read_bytes() == before
