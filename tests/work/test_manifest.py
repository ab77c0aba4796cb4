"""Manifest: rows survive in table and journal, and other settings are refused."""

import pytest

from lpcnet_cq.work.manifest import COLUMNS, Manifest, file_of, read_table

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra `cluster`")
SETTINGS = {"rate_bps": 9000, "backend": None}


def row(output, **changes):
    values = {
        "path": output + ".wav",
        "output": output,
        "seconds": 1.0,
        "bytes": 5,
        "bits": 8,
        "hash": "0",
        "error": "",
    }
    return values | changes


def test_rows_are_kept_in_the_order_of_the_inputs(tmp_path):
    path = tmp_path / "m.parquet"
    with Manifest(path, SETTINGS) as manifest:
        assert not manifest.resumed and manifest.rows_of("b") == []
        manifest.add([row("b")])
        manifest.add([{"path": "a.wav", "output": "a", "error": "no audio"}])
        manifest.add([row("s.tar/x"), row("s.tar/y")])
    settings, rows = read_table(path)
    assert settings == SETTINGS and [r["output"] for r in rows] == ["a", "b", "s.tar/x", "s.tar/y"]
    assert rows[0]["hash"] is None and list(rows[0]) == list(COLUMNS) and not manifest.journal.exists()
    with Manifest(path, SETTINGS) as again:
        assert again.resumed and again.rows_of("s.tar") == rows[2:]
        again.add([row("b", hash="1")])
    assert [r["hash"] for r in read_table(path)[1]] == [None, "1", "0", "0"]


def test_a_run_that_was_killed_left_its_journal(tmp_path):
    path = tmp_path / "m.parquet"
    killed = Manifest(path, SETTINGS)
    killed.add([row("a")])
    killed.add([row("b")])
    killed._file.close()
    data = killed.journal.read_bytes()
    killed.journal.write_bytes(data[:-7])  # the last line is not complete
    with Manifest(path, SETTINGS) as manifest:
        assert manifest.resumed and manifest.rows_of("a") == [row("a")] and manifest.rows_of("b") == []
        manifest.add([row("b")])
    assert [r["output"] for r in read_table(path)[1]] == ["a", "b"]
    killed.journal.write_bytes(data[:5])  # killed before anything was done
    with Manifest(path, SETTINGS) as manifest:
        assert manifest.rows_of("b") == [row("b")]


def test_other_settings_are_refused_but_may_begin_anew(tmp_path):
    path = tmp_path / "m.parquet"
    with Manifest(path, SETTINGS) as manifest:
        manifest.add([row("a")])
    with pytest.raises(ValueError, match="is the manifest of a run with rate_bps 9000; -f begins a new one"):
        Manifest(path, SETTINGS | {"rate_bps": 12000})
    with Manifest(path, {"rate_bps": 12000}, fresh=True) as manifest:
        assert manifest.rows_of("a") == []
    assert read_table(path) == ({"rate_bps": 12000}, [])


def test_another_file_is_no_manifest(tmp_path):
    (tmp_path / "m.parquet").write_bytes(b"text")
    with pytest.raises(ValueError, match="is not a manifest"):
        Manifest(tmp_path / "m.parquet", SETTINGS)


def test_the_unit_of_a_member_is_its_shard():
    assert file_of("x.tar.cq") == "x.tar.cq" and file_of("d/x.tar/y/z.cq") == "d/x.tar"
