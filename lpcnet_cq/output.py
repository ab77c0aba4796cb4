"""Files that replace others only when they are complete.

Place in the chain: none; coded and decoded files, exported networks, tables, manifests and tar shards go through here,
so that no half-written file remains.
"""

import errno
import hashlib
import os
import shutil
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"  # suffix of files that are being written


def is_regular(path: str | Path) -> bool:
    """Return whether a path is an existing regular file, and not a folder, pipe, device, or entry of /dev or /proc."""
    return os.path.isfile(path) and not os.path.abspath(path).startswith(("/dev/", "/proc/"))


def partial_prefix(path: str | Path) -> str:
    """Return how the names of partial files of a target begin, so that a lost process leaves files that are known."""
    return f".{hashlib.sha256(os.fsencode(os.path.basename(path))).hexdigest()[:16]}-"


def remove_partials(targets: Iterable[str | Path]) -> None:
    """Remove partial files that lost processes left beside targets; nothing else may write these targets meanwhile."""
    prefixes: dict[str, set[str]] = {}
    for target in targets:
        folder, name = os.path.split(os.path.realpath(target))
        prefixes.setdefault(folder, set()).add(partial_prefix(name))
    for folder, of_targets in prefixes.items():
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name.endswith(PARTIAL) and name.partition("-")[0] + "-" in of_targets:
                os.remove(os.path.join(folder, name))


@contextmanager
def replacing(target: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file for writing that replaces the target only when it is complete.

    Parameters
    ----------
    target : str or Path
        File, or "-" for standard output. Devices, pipes and open descriptors (/dev/fd/3) are written to directly. The
        permissions of an existing file are kept.

    Raises
    ------
    OSError
        If the file cannot be written. The exception contains the name of the target; no partial file remains.
    """
    path = os.path.realpath(target)  # resolves links, so that the file is replaced and not the link
    direct = str(target) == "-" or (os.path.exists(target) and not is_regular(target))
    # A short name for the partial file: the name of the target with a suffix could be too long for the file system.
    name = f"{partial_prefix(path)}{uuid.uuid4().hex}{PARTIAL}"
    partial = str(target) if direct else os.path.join(os.path.dirname(path), name)
    try:
        if str(target) == "-" and sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed")
        try:
            mode = "wb" if direct else "xb"
            with nullcontext(sys.stdout.buffer) if str(target) == "-" else open(partial, mode) as file:
                yield file
                file.flush()
            if not direct:
                if os.path.exists(path):
                    shutil.copymode(path, partial)
                os.replace(partial, path)
        finally:
            if not direct and os.path.exists(partial):
                os.remove(partial)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
