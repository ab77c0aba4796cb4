"""Units of work: files and shards, the rows of their files, files that cannot be coded."""

from hashlib import sha256
from pathlib import Path

import pytest

from lpcnet_cq.cli.units import CodeUnit, Unit, failed, shard_units
from lpcnet_cq.work.tar_shards import ShardWriter, members


def upper(source, target):
    """Stand in for coding: write upper case; refuse one file, with its path."""
    text = Path(source).read_text()
    if text == "bad":
        raise ValueError(f"`{source}` is no sound")
    Path(target).write_text(text.upper())
    return ["done"]


WORK = CodeUnit(upper, ".cq", False)


def pack(path, files):
    with open(path, "wb") as file, ShardWriter(file) as shard:
        for name, text in files.items():
            shard.add(name, text.encode())
    return path


def test_a_shard_is_coded_and_what_is_no_sound_is_copied(tmp_path):
    files = {"a.wav": "x", "a.json": "{}", "sub/b.flac": "bad", "c.wav": "y", "c.flac": "z"}
    source = pack(tmp_path / "s.tar", files)
    outcome = WORK(Unit((source,), tmp_path / "out" / "s.tar"))
    coded = {"a.cq": b"X", "a.json": b"{}", "c.cq": b"Y", "c.flac.cq": b"Z"}
    assert dict(members(tmp_path / "out" / "s.tar")) == coded
    errors = {row["path"]: row["error"] for row in outcome.rows}
    assert errors == dict.fromkeys([f"{source}/a.wav", f"{source}/c.wav", f"{source}/c.flac"], "") | {
        f"{source}/sub/b.flac": f"`{source}/sub/b.flac` is no sound"
    }
    assert outcome.notes == [(f"{source}/{name}", "done") for name in ("a.wav", "c.wav", "c.flac")]


def test_files_become_shards_of_a_size(tmp_path):
    pairs = []
    for name, text in (("a", "x"), ("b", "bad"), ("c", "y")):
        (tmp_path / f"{name}.wav").write_text(text)
        pairs.append((tmp_path / f"{name}.wav", tmp_path / "out" / f"{name}.cq"))
    units = shard_units(pairs, tmp_path / "out", 2)
    rows = [row for unit in units for row in WORK(unit).rows]
    assert [row["path"] for row in rows] == [str(source) for source, _ in pairs]
    assert [bool(row["error"]) for row in rows] == [False, True, False]
    assert [list(members(unit.target)) for unit in units] == [[("a.cq", b"X")], [("c.cq", b"Y")]]


@pytest.mark.parametrize("files", [{"a.wav": "bad"}, {"a.txt": "x"}, {}])
def test_a_shard_of_which_nothing_is_coded_is_not_written(tmp_path, files):
    (row,) = WORK(Unit((pack(tmp_path / "s.tar", files),), tmp_path / "out" / "s.tar")).rows
    assert "no file of its shard could be coded" in row["error"] and list((tmp_path / "out").iterdir()) == []


def test_a_damaged_shard_is_an_error_of_its_own(tmp_path):
    (tmp_path / "s.tar").write_bytes(b"no shard")
    (row,) = WORK(Unit((tmp_path / "s.tar",), tmp_path / "out.tar")).rows
    assert "is not a readable tar file" in row["error"]


def test_a_failed_unit_has_an_error_for_each_file():
    unit = Unit((Path("a.wav"), Path("b.wav")), Path("out/s.tar"), ("a.cq", "b.cq"))
    assert failed(unit, "lost").rows == [
        {"path": "a.wav", "output": "out/s.tar/a.cq", "error": "lost"},
        {"path": "b.wav", "output": "out/s.tar/b.cq", "error": "lost"},
    ]


def test_rows_describe_what_was_written(tmp_path, speech_codec):
    import numpy as np

    data = speech_codec.encode(np.zeros(1600), 16000, bitrate_bps=9000)
    (tmp_path / "a.cq").write_bytes(data)
    copy = CodeUnit(copied, ".cq", True)
    ((row,)) = copy(Unit((tmp_path / "a.cq",), tmp_path / "b.cq")).rows
    assert (row["seconds"], row["bytes"], row["hash"]) == (0.1, len(data), sha256(data).hexdigest())
    assert 0 < row["bits"] < 8 * len(data)
    ((decoded,)) = CodeUnit(copied, ".wav", True)(Unit((tmp_path / "a.cq",), tmp_path / "b.wav")).rows
    assert decoded | {"output": row["output"]} == row


def copied(source, target):
    Path(target).write_bytes(Path(source).read_bytes())
    return []
