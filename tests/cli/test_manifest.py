"""Runs over folders with a manifest: workers and runs that are killed, and what a second run does."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lpcnet_cq.cli import main

pytest.importorskip("pyarrow", reason="needs the extra `cluster`")
FILES = 20


@pytest.fixture(scope="module")
def recordings(made_once):
    """Return a folder `in` of short recordings and one bad file, and what one process makes of it in `one`."""

    def make(folder):
        (folder / "in" / "sub").mkdir(parents=True)
        for i in range(FILES):
            x = 0.1 * np.sin(np.arange(2400 + 160 * i) ** 1.2 / 50)
            soundfile.write(folder / "in" / ("sub" if i % 2 else "") / f"{i}.wav", x, 16000)
        (folder / "in" / "bad.ogg").write_bytes(b"nothing of the kind")
        assert main(["encode", str(folder / "in"), str(folder / "one")]) == 1

    return made_once("manifest", make)


def content(folder):
    """Return the content of all files of a folder by name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def rows(manifest):
    from lpcnet_cq.work.manifest import read_table

    return read_table(manifest)[1]


def parent_and_line(folder):
    """Return the parent of a process and its command line; nothing if it has ended meanwhile."""
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1]), (folder / "cmdline").read_text()
    except OSError:
        return 0, ""


def workers_of(pid):
    found = {int(folder.name): parent_and_line(folder) for folder in Path("/proc").glob("[0-9]*")}
    return [child for child, (parent, line) in found.items() if parent == pid and "spawn_main" in line]


@pytest.fixture
def run(recordings, tmp_path, environment):
    """Return a function that starts the encoding of the recordings in two processes, and waits for a few files."""
    journal = tmp_path / "two.parquet.journal"

    def start():
        line = [sys.executable, "-m", "lpcnet_cq", "encode", recordings / "in", "-o", tmp_path / "two"]
        line += ["--jobs", "2", "--manifest", tmp_path / "two.parquet"]
        process = subprocess.Popen(list(map(str, line)), env=environment, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 4):
            time.sleep(0.01)
        return process

    return start


needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")


@needs_proc
def test_a_killed_worker_loses_and_doubles_nothing(recordings, tmp_path, run):
    process = run()
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    said = process.communicate()[1]
    assert process.returncode == 1 and f"{FILES} of {FILES + 1} files were coded, 1 failed" in said
    assert content(tmp_path / "two") == content(recordings / "one")
    assert len(rows(tmp_path / "two.parquet")) == FILES + 1


def test_a_killed_run_goes_on_where_it_stopped(recordings, tmp_path, run):
    process = run()
    process.kill()
    process.communicate()
    first = {p: p.stat().st_mtime_ns for p in (tmp_path / "two").rglob("*.cq")}
    assert 0 < len(first) < FILES and not (tmp_path / "two.parquet").exists()
    left = tmp_path / "two" / "sub" / f".{'0' * 16}-1.partial"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"of another program")
    process = run()
    said = process.communicate()[1]
    assert process.returncode == 1 and "of them were done before" in said
    assert len(rows(tmp_path / "two.parquet")) == FILES + 1
    left.unlink()
    assert content(tmp_path / "two") == content(recordings / "one")
    kept = [p for p, time_ns in first.items() if p.stat().st_mtime_ns == time_ns]
    assert len(kept) >= len(first) - 2  # those that were coded, but not yet in the journal


def test_a_second_run_codes_what_is_missing_or_changed(recordings, tmp_path, capsys):
    command = ["encode", str(recordings / "in"), str(tmp_path / "out"), "--manifest", str(tmp_path / "m.parquet")]
    assert main(command) == 1
    before = rows(tmp_path / "m.parquet")
    assert sum(row["seconds"] for row in before if not row["error"]) == pytest.approx(FILES * (2400 + 80 * 19) / 16000)
    (tmp_path / "out" / "0.cq").unlink()
    (tmp_path / "out" / "2.cq").write_bytes(b"other")
    capsys.readouterr()
    assert main(command) == 1
    assert f"; {FILES - 2} of them were done before" in capsys.readouterr().err
    assert rows(tmp_path / "m.parquet") == before and content(tmp_path / "out") == content(recordings / "one")
    assert main([*command, "--bitrate", "12k"]) == 1
    assert "is the manifest of a run with rate_bps 9000; -f begins a new one" in capsys.readouterr().err
    assert main([*command, "--bitrate", "12k", "-f"]) == 1
    assert rows(tmp_path / "m.parquet") != before


def test_shards_are_coded_and_decoded(recordings, tmp_path, capsys):
    manifest = str(tmp_path / "m.parquet")
    command = ["encode", str(recordings / "in"), str(tmp_path / "coded"), "--tar", "8", "--manifest", manifest]
    assert main(command) == 1
    assert sorted(content(tmp_path / "coded")) == [f"shard-00000{i}.tar" for i in range(3)]
    assert len(rows(manifest)) == FILES + 1
    before = content(tmp_path / "coded")
    (tmp_path / "coded" / "shard-000001.tar").unlink()
    assert main(command) == 1
    assert content(tmp_path / "coded") == before
    assert main(["decode", str(tmp_path / "coded"), str(tmp_path / "back"), "--tar", "8"]) == 0
    from lpcnet_cq.work.tar_shards import members

    coded = {name: data for path in sorted((tmp_path / "coded").iterdir()) for name, data in members(path)}
    assert coded == content(recordings / "one")
    names = [name for path in sorted((tmp_path / "back").iterdir()) for name, _ in members(path)]
    assert names == [name.replace(".cq", ".wav") for name in coded]


def test_music_goes_from_shards_to_shards(tmp_path, plucked):
    from lpcnet_cq.work.tar_shards import members

    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        soundfile.write(tmp_path / "in" / f"{name}.wav", plucked, 44100)
    for command, source, target in (("encode", "in", "1"), ("decode", "1", "2"), ("encode", "2", "3")):
        line = [command, str(tmp_path / source), "-o", str(tmp_path / target), "--tar", "9"]
        assert main([*line, "--model", "audio"] if command == "encode" else line) == 0
    names = [[name for name, _ in members(tmp_path / str(i) / "shard-000000.tar")] for i in (1, 2, 3)]
    assert names == [["a.cq", "b.cq"], ["a.wav", "b.wav"], ["a.cq", "b.cq"]]
    decoded = dict(members(tmp_path / "2" / "shard-000000.tar"))["a.wav"]
    assert soundfile.read(io.BytesIO(decoded))[0].shape == plucked.shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--manifest", "m.csv"], "the manifest `m.csv` must have the suffix .parquet"),
        (["--tar", "8", "--stats", "a.csv"], "--stats is the table of one file"),
    ],
)
def test_options_that_cannot_be_are_refused(recordings, tmp_path, capsys, arguments, message):
    assert main(["encode", str(recordings / "in"), str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--cluster", "--manifest", "--tar"])
def test_one_file_has_no_options_of_folders(recordings, tmp_path, capsys, option):
    assert main(["encode", str(recordings / "in" / "0.wav"), str(tmp_path / "0.cq"), option, "1"]) == 2
    assert f"{option} is for folders" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "package"), [("--manifest", "pyarrow"), ("--cluster", "ray")])
def test_a_missing_package_is_named(recordings, tmp_path, capsys, monkeypatch, option, package):
    monkeypatch.setitem(sys.modules, package, None)
    value = {"--manifest": str(tmp_path / "m.parquet"), "--cluster": "local"}[option]
    assert main(["encode", str(recordings / "in"), str(tmp_path / "out"), option, value]) == 1
    said = capsys.readouterr().err
    assert f"encode needs the package `{package}`; `pip install 'lpcnet-cq[cluster]'` installs it" in said
    assert not (tmp_path / "out").exists()
