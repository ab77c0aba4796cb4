"""`lpcnet-cq encode` around a stand-in codec: rates, modes, layers, progress, and files that are overwritten."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lpcnet_cq.cli import main

pytestmark = pytest.mark.usefixtures("codec")


@pytest.mark.parametrize(("text", "bps"), [("9k", 9000), ("9.6k", 9600), ("9000", 9000), ("24K", 24000)])
def test_bitrates_are_bits_per_second(wav, text, bps, header):
    assert main(["encode", wav, "a.cq", "--bitrate", text]) == 0
    assert header().bitrate_bps == bps


@pytest.mark.parametrize("text", ["7q", "", "k", "-9k", "1e4", "nan", "9 k", "0", "٩k", "8999", "25k", "9" * 99])
def test_other_bitrates_are_refused_with_the_range(wav, error, text):
    assert main(["encode", wav, "a.cq", f"--bitrate={text}"]) == 2
    said = error()
    assert text in said and "from 9000 to 24000 bit/s" in said
    assert not os.path.exists("a.cq")


@pytest.mark.parametrize("command", ["encode", "thin"])
@pytest.mark.parametrize("layers", ["0", "3", "-1"])
def test_impossible_layers_are_refused(wav, error, command, layers):
    assert main([command, wav, "a.cq", f"--layers={layers}"]) == 2
    assert error() == f"--layers {layers} must be from 1 to 2"


def test_music_has_one_layer(wav, codec, error):
    codec.max_layers = 1
    assert main(["encode", wav, "a.cq", "--layers", "2"]) == 2
    assert error() == "--layers 2 must be at most 1 with `stand-in`"


@pytest.mark.parametrize(
    ("option", "mode", "note"),
    [([], "mean", ""), (["--cap"], "capped", "packets of 22 bytes are 8800 bit/s"), (["--cbr"], "constant", "8800")],
)
def test_modes_reach_the_codec_and_whole_bytes_are_said(wav, codec, capsys, option, mode, note):
    assert main(["encode", wav, "a.cq", *option]) == 0
    assert codec.mode == mode
    said = capsys.readouterr().err
    assert note in said and (said.count("\n") == 1 if note else said == "")
    main(["encode", wav, "b.cq", *option, "--bitrate", "16k"])
    assert capsys.readouterr().err == "", "40 bytes are 16 kbit/s"


def test_modes_exclude_each_other(wav):
    with pytest.raises(SystemExit) as stop:
        main(["encode", wav, "a.cq", "--cap", "--cbr"])
    assert stop.value.code == 2


def test_long_files_show_progress_to_a_terminal_only(codec, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for seconds, stream, shown in (
        (40, Terminal(), True),
        (20, Terminal(), False),
        (40, io.StringIO(), False),
    ):
        soundfile.write("long.wav", np.zeros(16000 * seconds), 16000)
        monkeypatch.setattr(sys, "stderr", stream)
        assert main(["encode", "long.wav", "a.cq", "-f"]) == 0
        assert ("encoding  " in stream.getvalue() and " left" in stream.getvalue()) == shown
        assert stream.getvalue().endswith("\r\x1b[K") == shown


def test_permissions_of_an_overwritten_file_stay(wav):
    main(["encode", wav, "a.cq"])
    os.chmod("a.cq", 0o600)
    assert main(["encode", wav, "a.cq", "-f"]) == 0
    assert os.stat("a.cq").st_mode & 0o777 == 0o600


def test_a_failed_encoding_leaves_the_old_file(wav, codec, monkeypatch, error):
    main(["encode", wav, "a.cq"])
    before = Path("a.cq").read_bytes()

    def broken(*args, **kwargs):
        raise ValueError("no")

    monkeypatch.setattr(codec, "encode_blocks", broken)
    assert main(["encode", wav, "a.cq", "-f"]) == 1
    assert error() == "no" and Path("a.cq").read_bytes() == before
    assert sorted(os.listdir()) == ["a.cq", "in.wav"]


def test_table_of_packets(wav, error):
    assert main(["encode", wav, "a.cq", "--stats", "a.csv"]) == 0
    assert Path("a.csv").read_text() == f"packet,bytes\nheaders,44\n0,{os.path.getsize('a.cq') - 44}\n"
    assert main(["encode", wav, "b.cq", "--stats", "a.csv"]) == 2
    assert error() == "`a.csv` exists; -f overwrites it" and not os.path.exists("b.cq")
    assert main(["encode", wav, "a.cq", "--stats", "a.csv", "-f"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["b.cq", "--stats", "b.txt"], "the table `b.txt` must have the suffix .csv and a name of its own"),
        (["b.csv", "--stats", "b.csv"], "the table `b.csv` must have the suffix .csv and a name of its own"),
        (
            ["b.cq", "--live", "--stats", "b.csv"],
            "--stats is for files, the output is a live stream: --no-live writes a file",
        ),
    ],
)
def test_tables_that_cannot_be_are_refused(wav, error, arguments, message):
    assert main(["encode", wav, *arguments]) == 2
    assert error() == message and not os.path.exists(arguments[0])


def test_a_folder_has_no_table(wav, tmp_path, error):
    assert main(["encode", str(tmp_path), "coded", "--stats", "b.csv"]) == 2
    assert "--stats is the table of one file" in error()
