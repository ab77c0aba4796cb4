"""16-bit PCM without a header on the command line, around a stand-in codec."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lpcnet_cq.audio.writer import write_raw_blocks
from lpcnet_cq.bitstream.container import read_header
from lpcnet_cq.cli import main

BROKEN = "the last sample is not whole: 1 of 2 bytes; it is left out"
pytestmark = pytest.mark.usefixtures("codec")


def pcm_of(path):
    return soundfile.read(path, dtype="int16")[0].astype("<i2").tobytes()


def test_samples_without_a_header_are_coded_as_those_with_one(wav):
    Path("in.raw").write_bytes(pcm_of(wav))
    assert main(["encode", wav, "a.cq"]) == 0 and main(["encode", "in.raw", "b.cq", "--raw", "16000"]) == 0
    assert Path("a.cq").read_bytes() == Path("b.cq").read_bytes()
    assert main(["decode", "a.cq", "out.wav"]) == 0 and main(["decode", "a.cq", "out.raw", "--raw"]) == 0
    assert Path("out.raw").read_bytes() == pcm_of("out.wav") == pcm_of(wav)


def test_rate_and_channels_are_given(capsys, header):
    x = np.random.default_rng(0).integers(-9000, 9000, (48000, 2)).astype("<i2")
    Path("in.pcm").write_bytes(x.tobytes())
    assert main(["encode", "in.pcm", "a.cq", "--raw", "48000", "--raw-channels", "2"]) == 0
    assert header().sample_rate_hz == 48000 and header().n_samples == 16000
    assert "mixed 2 channels to mono" in capsys.readouterr().err


def test_files_with_headers_and_broken_samples_are_named(wav, capsys):
    assert main(["encode", wav, "a.cq", "--raw", "16000"]) == 1
    assert "begins with the header of an audio file, not with raw samples" in capsys.readouterr().err
    Path("in.raw").write_bytes(pcm_of(wav) + b"x")
    assert main(["encode", "in.raw", "a.cq", "--raw", "16000"]) == 0
    assert BROKEN in capsys.readouterr().err


def test_live_streams_from_pipe_to_pipe(wav, codec):
    Path("in.raw").write_bytes(pcm_of(wav))
    os.mkfifo("in")
    read_end, write_end = os.pipe()
    writer = subprocess.Popen([sys.executable, "-c", "open('in', 'wb').write(open('in.raw', 'rb').read())"])
    assert main(["encode", "in", f"/dev/fd/{write_end}", "--raw", "16000"]) == 0
    os.close(write_end)
    assert writer.wait() == 0 and codec.live
    with os.fdopen(read_end, "rb") as file:
        assert read_header(file).n_samples == 8000
    assert main(["encode", "in.raw", "a.cq", "--live", "--raw", "16000"]) == 0, "a file as if it arrived"


def test_every_block_is_written_at_once():
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)

    def blocks():
        for i in range(1, 4):
            yield np.full(320, i / 8)
            np.testing.assert_array_equal(np.frombuffer(os.read(read_end, 9999), "<i2"), np.full(320, i * 4096))

    write_raw_blocks(f"/dev/fd/{write_end}", blocks())
    os.close(write_end)
    os.close(read_end)


def test_errors_are_one_sentence(wav, error):
    os.mkdir("folder")
    Path("empty.raw").write_bytes(b"\0")
    main(["encode", wav, "in.cq"])
    for options, status, sentence in (
        (["encode", "empty.raw", "a.cq", "--raw", "16000"], 1, f"`empty.raw` holds no samples: {BROKEN}"),
        (["encode", "none.raw", "a.cq", "--raw", "16000"], 1, "cannot read `none.raw`: No such file or directory"),
        (["encode", "folder", "out", "--raw", "8000"], 2, "--raw is for one signal, `folder` is a folder"),
        (["encode", wav, "a.cq", "--raw-channels", "2"], 2, "--raw-channels is for --raw, which gives the sample rate"),
        (
            ["decode", "in.cq", "out.wav", "--raw"],
            2,
            "`out.wav` must have the suffix .raw, the format that is written",
        ),
    ):
        assert main(options) == status
        assert error() == sentence
    assert not {"a.cq", "out", "out.wav"} & set(os.listdir())


@pytest.mark.parametrize(
    "options", [["--raw", "0"], ["--raw", "999"], ["--raw", "1", "--raw-channels", "9"], ["--raw"]]
)
def test_values_out_of_range_are_refused(wav, capsys, options):
    with pytest.raises(SystemExit) as left:
        main(["encode", wav, "a.cq", *options])
    assert left.value.code == 2 and "--raw" in capsys.readouterr().err
