"""Files are written whole or not at all, and failures name them."""

import os
import sys

import numpy as np
import pytest

from lpcnet_cq.audio.reader import read_audio
from lpcnet_cq.audio.writer import write_wav
from lpcnet_cq.output import PARTIAL, is_regular, partial_prefix, remove_partials, replacing

SECOND = np.arange(16000) / 16000
TONE = (0.5 * np.sin(2 * np.pi * 440 * SECOND)).astype(np.float32)


def test_names_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("x" * 251 + ".wav")
    write_wav(path, TONE, 16000)
    assert os.listdir(tmp_path) == [path.name] and len(read_audio(path).x) == 16000


def test_closed_standard_output_is_named(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OSError, match="it is closed: '-'"):
        write_wav("-", TONE, 16000)


def test_failing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"new, half")
        raise RuntimeError
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.bin"]
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["a.bin"]


def test_links_keep_pointing_and_permissions_follow_the_umask(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    old = os.umask(0o022)
    try:
        with replacing(tmp_path / "link") as file:
            file.write(b"x")
    finally:
        os.umask(old)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"x"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o644


def test_full_disks_and_missing_folders_carry_their_name(tmp_path):
    with pytest.raises(OSError, match=r"No such file or directory: '.*nowhere/a\.wav'"):
        write_wav(tmp_path / "nowhere" / "a.wav", TONE, 16000)
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_wav("/dev/full", TONE, 16000)
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_wav("/dev/full", TONE[:10], 16000)  # fails when flushed
    assert os.path.exists("/dev/full")


def test_regular_files_are_no_folders_pipes_devices_or_descriptors(tmp_path):
    path = tmp_path / "a.bin"
    assert not is_regular(path)
    path.write_bytes(b"x")
    assert is_regular(path) and is_regular(str(path))
    assert not is_regular(tmp_path) and not is_regular("/dev/null")
    os.mkfifo(tmp_path / "pipe")
    assert not is_regular(tmp_path / "pipe")
    with open(path, "rb") as file:  # a link to the file, which exists on systems with open descriptors in /dev
        assert not is_regular(f"/dev/fd/{file.fileno()}")


def test_what_lost_processes_left_beside_targets_is_removed_and_nothing_else(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "a.cq").write_bytes(b"whole")
    lost = [tmp_path / f"{partial_prefix(name)}{i}{PARTIAL}" for name in ("a.cq", "real") for i in (1, 2)]
    of_another = tmp_path / f"{partial_prefix('b.cq')}1{PARTIAL}"
    for path in (*lost, of_another):
        path.write_bytes(b"half")
    remove_partials([tmp_path / "a.cq", tmp_path / "link", tmp_path / "no" / "folder"])
    assert sorted(os.listdir(tmp_path)) == sorted([of_another.name, "a.cq", "link"])
    remove_partials([tmp_path / "b.cq"])
    assert sorted(os.listdir(tmp_path)) == ["a.cq", "link"]
