"""Tar shards: what is written is read, equal content gives equal bytes, damage is reported."""

import io
import tarfile

import pytest

from lpcnet_cq.work.tar_shards import ShardWriter, members

FILES = [("a.wav", b"sound"), ("a.json", b"{}"), ("sub/b.wav", b""), ("ü" * 120 + ".wav", bytes(10_000))]


def shard_of(files):
    file = io.BytesIO()
    with ShardWriter(file) as shard:
        for name, data in files:
            shard.add(name, data)
    return file.getvalue()


def test_members_are_those_that_were_written(tmp_path):
    (tmp_path / "a.tar").write_bytes(shard_of(FILES))
    assert list(members(tmp_path / "a.tar")) == FILES
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == [name for name, _ in FILES]


def test_equal_content_gives_equal_bytes():
    assert shard_of(FILES) == shard_of(FILES)


def test_folders_of_a_shard_are_left_out(tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "x.txt").write_bytes(b"x")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "in", "in")
    assert list(members(tmp_path / "a.tar")) == [("in/sub/x.txt", b"x")]


@pytest.mark.parametrize("data", [b"", b"no tar file " * 20, shard_of(FILES)[:11_000]])
def test_a_damaged_shard_is_reported(tmp_path, data):
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(ValueError, match="is not a readable tar file"):
        list(members(tmp_path / "a.tar"))
