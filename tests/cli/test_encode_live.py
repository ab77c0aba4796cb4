"""When `lpcnet-cq encode` writes a live stream, around a stand-in codec."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lpcnet_cq.bitstream.container import read_header
from lpcnet_cq.cli import main

pytestmark = pytest.mark.usefixtures("codec")


def test_live_streams_are_chosen_or_asked_for(wav, codec):
    """`--live` for any input; by default only from pipe to pipe."""
    for options, source, live in (
        (["--live"], wav, True),
        ([], wav, False),
        (["--no-live"], wav, False),
    ):
        codec.live = False
        assert main(["encode", source, "a.cq", "-f", *options]) == 0
        assert codec.live is live
    os.mkfifo("in")
    for options, live in (([], True), (["--no-live"], False)):
        codec.live = False
        read_end, write_end = os.pipe()
        writer = subprocess.Popen([sys.executable, "-c", f"open('in', 'wb').write(open({wav!r}, 'rb').read())"])
        assert main(["encode", "in", f"/dev/fd/{write_end}", *options]) == 0
        os.close(write_end)
        assert writer.wait() == 0 and codec.live is live
        with os.fdopen(read_end, "rb") as file:
            assert read_header(file).n_samples == 8000


def test_live_codes_no_folder(error):
    os.mkdir("folder")
    assert main(["encode", "folder", "out", "--live"]) == 2
    assert error() == "a live stream is one signal, `folder` is a folder"


def test_expected_loss_is_percent_and_for_live_streams(wav, codec, error):
    assert main(["encode", wav, "a.cq", "--live", "--expected-loss", "5"]) == 0
    assert codec.expected_loss == 0.05
    assert main(["encode", wav, "b.cq", "--expected-loss", "5"]) == 2
    assert error() == "--expected-loss is for live streams: --live writes one"
    for text in ("-1", "101", "nan", "x"):
        with pytest.raises(SystemExit):
            main(["encode", wav, "b.cq", "--live", f"--expected-loss={text}"])


def test_copies_have_an_offset_in_live_streams(wav, codec, error, capsys):
    for options, offset in (([], 2), (["--copy-offset", "8"], 8)):
        assert main(["encode", wav, "a.cq", "--live", "-f", *options]) == 0
        assert codec.copy_offset == offset
        said = "packets carry no copies at 9000 bit/s, an expected loss of 0 % and 1 layer(s); --copy-offset changes"
        assert (said in capsys.readouterr().err) == bool(options)
    loss = ["--expected-loss", "5", "--bitrate", "16k"]
    assert main(["encode", wav, "a.cq", "--live", "-f", "--copy-offset", "3", *loss]) == 0
    assert "copies" not in capsys.readouterr().err
    assert main(["encode", wav, "a.cq", "--live", "-f", "--copy-offset", "3", "--cbr", *loss]) == 0
    assert "packets of limited size carry no copies" in capsys.readouterr().err
    assert main(["encode", wav, "b.cq", "--copy-offset", "3"]) == 2
    assert error() == "--copy-offset is for live streams: --live writes one"
    for text in ("0", "9", "-1", "1.5", "x", "\u0663"):
        with pytest.raises(SystemExit):
            main(["encode", wav, "b.cq", "--live", f"--copy-offset={text}"])
        assert f"{text!r} is not a whole number from 1 to 8" in capsys.readouterr().err


def test_pauses_are_left_out_of_live_streams_only(wav, codec, error):
    assert main(["encode", wav, "a.cq", "--live", "--dtx"]) == 0
    assert codec.dtx is True
    assert main(["encode", wav, "a.cq", "--live", "-f"]) == 0
    assert codec.dtx is False
    for options, sentence in (
        ([], "--dtx is for live streams: --live writes one"),
        (["--live", "--cbr"], "--dtx leaves out packets, which --cbr does not allow"),
        (["--live", "--layers", "2"], "--dtx needs packets of one layer, --layers is 2"),
    ):
        assert main(["encode", wav, "b.cq", "--dtx", *options]) == 2
        assert error() == sentence
    codec.supports_dtx = False
    assert main(["encode", wav, "b.cq", "--dtx", "--live"]) == 2
    assert error() == "--dtx is for speech, `stand-in` codes music"


@pytest.mark.parametrize("content", ["nothing", "a header"])
@pytest.mark.parametrize("target", ["file", "pipe"])
def test_nothing_is_written_without_samples(content, target, error):
    """No header either, which a decoder at the other end would take for a stream."""
    soundfile.write("empty.wav", np.zeros(0), 16000)
    data = {"nothing": b"", "a header": Path("empty.wav").read_bytes()}[content]
    os.mkfifo("in")
    writer = subprocess.Popen([sys.executable, "-c", f"open('in', 'wb').write({data!r})"])
    read_end, write_end = os.pipe()
    assert main(["encode", "in", {"file": "a.cq", "pipe": f"/dev/fd/{write_end}"}[target], "--live"]) == 1
    os.close(write_end)
    assert writer.wait() == 0 and {"nothing": "no data", "a header": "no samples"}[content] in error()
    with os.fdopen(read_end, "rb") as file:
        assert file.read() == b"" and not os.path.exists("a.cq")
