"""Paths of inputs and outputs on the command line: names, suffixes, links, and files that exist or are missing."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lpcnet_cq.cli import main

pytestmark = pytest.mark.usefixtures("codec")


def test_nothing_is_overwritten_unless_told(wav, error):
    for command in (["encode", wav, "out"], ["decode", "a.cq", "out"]):
        with open("out", "w") as file:
            file.write("mine")
        assert main(command) == 2
        assert error() == "`out` exists; -f overwrites it"
        with open("out") as file:
            assert file.read() == "mine"
        main(["encode", wav, "a.cq", "-f"])
        assert main([*command, "-f"]) == 0
        assert os.path.getsize("out") > 8000


def test_missing_files_and_folders_are_named(wav, error):
    assert main(["encode", "none.wav", "a.cq"]) == 1
    assert error() == "cannot read `none.wav`: No such file or directory"
    assert main(["decode", "none.cq", "b.wav"]) == 1
    assert error() == "cannot read `none.cq`: No such file or directory"
    assert main(["encode", wav, "nowhere/a.cq"]) == 1
    assert error() == "`nowhere/a.cq`: its folder does not exist"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_named(wav, error):
    main(["encode", wav, "a.cq"])
    for command in (["encode", wav, "/dev/full"], ["decode", "a.cq", "/dev/full"]):
        assert main(command) == 1
        assert error() == "`/dev/full`: No space left on device"


def test_outputs_by_option(wav, error):
    assert main(["encode", wav, "-o", "a.cq"]) == 0 and os.path.exists("a.cq")
    for arguments in ([], ["b.cq", "-o", "c.cq"]):
        assert main(["encode", wav, *arguments]) == 2
        assert "needs one output" in error()
    assert sorted(os.listdir()) == ["a.cq", "in.wav"]


def test_outputs_may_follow_options(wav, capsys):
    assert main(["encode", wav, "--bitrate", "16k", "a.cq"]) == 0
    assert main(["decode", "a.cq", "-f", "b.wav"]) == 0
    assert sorted(os.listdir()) == ["a.cq", "b.wav", "in.wav"]
    for wrong in (["c.cq", "d.cq"], ["--loud"], ["c.cq", "--loud"]):
        with pytest.raises(SystemExit) as stop:
            main(["encode", wav, "--bitrate", "16k", *wrong])
        assert stop.value.code == 2 and "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize("link", [None, "hard", "soft"])
def test_the_input_is_never_the_output(wav, error, link):
    """By whatever name, and even with -f."""
    before, output = Path(wav).read_bytes(), "in.wav"
    if link:
        output = "same"
        os.link(wav, output) if link == "hard" else os.symlink(wav, output)
    assert main(["encode", wav, output, "-f"]) == 2
    assert "is the input" in error() if link else "must have the suffix .cq" in error()
    assert Path(wav).read_bytes() == before


@pytest.mark.parametrize("command", ["encode", "decode", "thin"])
@pytest.mark.parametrize("name", ["a.flac", "a.MP3", "a.opus"])
def test_outputs_named_like_another_format_are_refused(wav, error, command, name):
    main(["encode", wav, "in.cq"])
    assert main([command, wav if command == "encode" else "in.cq", name, "-f"]) == 2
    assert f"`{name}` must have the suffix ." in error() and not os.path.exists(name)


def test_names_without_suffix_are_free(wav, error):
    """Also other suffixes, except those of WAV files, which other programs take for the format."""
    assert main(["encode", wav, "coded"]) == main(["encode", wav, "coded.part"]) == 0
    assert main(["decode", "coded", "decoded"]) == main(["decode", "coded", "decoded.WAVE"]) == 0
    assert main(["decode", "coded", "decoded.pcm16", "--raw"]) == 0
    assert main(["decode", "coded", "wrong.pcm16"]) == 2
    assert error() == "`wrong.pcm16` must have the suffix .wav, .wave or none, the format that is written"
    assert not os.path.exists("wrong.pcm16")


@pytest.mark.parametrize("name", ["b" * 252 + ".cq", "caf\udce9.cq", "two\nlines.cq", "-dash.cq"])
def test_names_of_any_kind(wav, error, name):
    outputs = [v for v in (f"./{name}", f"./{name[:-3]}.wav") if len(os.fsencode(os.path.basename(v))) <= 255]
    assert outputs
    for output in outputs:
        source = wav if output.endswith(".cq") else f"./{name}"
        assert main(["encode" if source == wav else "decode", source, output]) == 0
        assert os.path.exists(output)
    assert main(["encode", wav, f"./{name}"]) == 2
    error()


def test_folders_as_files_and_files_as_folders_are_refused(wav, error):
    os.mkdir("folder")
    soundfile.write("folder/a.wav", np.zeros(800), 16000)
    assert main(["encode", wav, "folder"]) == 2
    assert "`folder` must be a file" in error()
    for name in ("encode", "decode"):
        assert main([name, "folder", "-"]) == 2
        assert error() == "the output - must be a folder, as the input `folder` is"
    assert main(["encode", "folder", "-o", wav, "-f"]) == 2
    assert "must be a folder" in error()
