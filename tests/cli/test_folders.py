"""Folders on the command line: structure, names, errors, several processes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lpcnet_cq.cli import paths
from lpcnet_cq.cli.arguments import UsageError
from lpcnet_cq.cli.folders import Folders, code_units
from lpcnet_cq.cli.paths import check_folder, coded_pairs
from lpcnet_cq.cli.units import CodeUnit, attempt, file_units

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Make a folder `in` of empty files, and work beside it."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "a.flac", "b.WAV", "sub/a.wav", "sub/deep/c.mp3", "notes.txt", ".hidden.wav", ".git/x.wav"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def copied(source, target):
    """Stand in for coding: copy, with a note; refuse one file."""
    if "deep" in source:
        raise ValueError("no audio")
    Path(target).write_bytes(b"coded")
    return ["done"]


def code(pairs):
    """Copy pairs in this process, and return the exit status."""
    return code_units(file_units(pairs), CodeUnit(copied, ".cq", False), Folders(Path("in"), Path("out"), "coding"))


def names(pairs):
    return {str(a): str(b) for a, b in pairs}


def test_structure_is_kept_and_no_two_files_get_one_name(tree):
    assert names(coded_pairs("in", "out", ".cq")) == {
        "in/a.flac": "out/a.flac.cq",
        "in/a.wav": "out/a.wav.cq",
        "in/b.WAV": "out/b.cq",
        "in/sub/a.wav": "out/sub/a.cq",
        "in/sub/deep/c.mp3": "out/sub/deep/c.cq",
    }
    (tree / "in" / "a.wav.wav").write_bytes(b"")
    targets = list(names(coded_pairs("in", "out", ".cq")).values())
    assert len(set(targets)) == len(targets) == 6


def test_decoding_takes_coded_files_alone(tree):
    with pytest.raises(ValueError, match=r"the folder `in` contains no \.cq files$"):
        coded_pairs("in", "out", ".wav")
    (tree / "in" / "sub" / "x.tar").write_bytes(b"")
    with pytest.raises(ValueError, match=r"the folder `in` contains no \.cq files; --tar N reads its tar shards$"):
        coded_pairs("in", "out", ".wav")
    (tree / "in" / "sub" / "x.cq").write_bytes(b"")
    assert names(coded_pairs("in", "out", ".wav")) == {"in/sub/x.cq": "out/sub/x.wav"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_in_a_folder_are_left_out(tree):
    before = names(coded_pairs("in", "out", ".cq"))
    os.mkfifo(tree / "in" / "endless.wav")
    assert names(coded_pairs("in", "out", ".cq")) == before


def test_nothing_is_written_where_one_file_exists(tree):
    pairs = coded_pairs("in", "out", ".cq")
    check_folder(pairs, "out", force=False)
    for i, target in enumerate(("out/b.cq", "out/sub/a.cq")):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).write_bytes(b"mine")
        with pytest.raises(UsageError, match=("b.cq` exists", "and 1 others exist")[i]):
            check_folder(pairs, "out", force=False)
    check_folder(pairs, "out", force=True)


def test_one_bad_file_is_reported_and_skipped(tree, capsys):
    pairs = coded_pairs("in", "out", ".cq")
    assert code(pairs) == 1
    said = capsys.readouterr().err.splitlines()
    assert "lpcnet-cq: error: `in/sub/deep/c.mp3`: no audio" in said
    assert said.count("lpcnet-cq: `in/b.WAV`: done") == 1
    assert said[-1] == "lpcnet-cq: 4 of 5 files were coded, 1 failed"
    assert sorted(p.name for p in Path("out").rglob("*.cq")) == ["a.cq", "a.flac.cq", "a.wav.cq", "b.cq"]
    assert code([pair for pair in pairs if pair[1].exists()]) == 0


def test_errors_of_the_system_name_their_file(tree):
    def full(source, target):
        raise OSError(28, "No space left on device", target)

    assert attempt(full, (Path("in/a.wav"), Path("out/a.cq")))[1] == "`out/a.cq`: No space left on device"
    Path("out/file").write_bytes(b"")
    notes, error = attempt(copied, (Path("in/a.wav"), Path("out/file/a.cq")))
    assert notes == [] and "`out/file`" in error

    def large(source, target):
        raise MemoryError

    assert "too long for the memory" in attempt(large, (Path("in/a.wav"), Path("out/a.cq")))[1]


def test_progress_counts_files_on_a_terminal(tree, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    code(coded_pairs("in", "out", ".cq"))
    said = capsys.readouterr().err
    assert "coding 2 of 5 files, 0:00 left" in said and said.count("\r\x1b[K") >= 2


def test_quoted_names_are_one_printable_line():
    assert paths.quoted("a\n\udcff.wav") == r"`a\n\udcff.wav`"


def command(*arguments):
    """Run the command line in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "lpcnet_cq", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=environment)


def test_several_processes_give_the_bytes_of_one(tmp_path):
    """With released weights: two processes encode and decode what one does, and name the file that is none."""
    for name, seconds in (("a", 0.2), ("sub/b", 0.1), ("sub/c", 0.15)):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        x = 0.1 * np.sin(np.arange(round(16000 * seconds)) ** 1.2 / 50)
        soundfile.write(tmp_path / "in" / f"{name}.wav", x, 16000)
    (tmp_path / "in" / "bad.ogg").write_bytes(b"nothing of the kind")
    for jobs, out in ((1, "one"), (2, "two")):
        done = command("encode", tmp_path / "in", "-o", tmp_path / out, "--jobs", jobs, "--cbr", "--bitrate", "16k")
        assert done.returncode == 1, done.stderr
        assert "bad.ogg` is not an audio file" in done.stderr and "3 of 4 files were coded" in done.stderr
    coded = sorted((tmp_path / "one").rglob("*.cq"))
    assert [p.relative_to(tmp_path / "one").as_posix() for p in coded] == ["a.cq", "sub/b.cq", "sub/c.cq"]
    for path in coded:
        assert (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes() == path.read_bytes()
    done = command("decode", tmp_path / "two", tmp_path / "back", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "back" / "sub" / "b.wav").frames == 1600
