"""Tar shards, the layout of WebDataset: files of one sample have one name before their suffixes.

Place in the chain: inputs and outputs of work on folders, and the data of trainings that stream. Members have no times
and no owners, so that equal content gives equal bytes.
"""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".tar"


def members(shard: str | Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of a shard, in order, with the memory of one file.

    Raises
    ------
    ValueError
        If the file is not a tar file or is truncated.
    """
    try:
        with tarfile.open(shard, "r:") as tar:
            for info in tar:
                if info.isfile() and (file := tar.extractfile(info)):
                    yield info.name, file.read()
                tar.members = []  # type: ignore[attr-defined]  # which grows with every file otherwise
    except tarfile.TarError as error:
        raise ValueError(f"`{shard}` is not a readable tar file: {error}") from error


class ShardWriter:
    """Write files to a shard.

    Parameters
    ----------
    file : binary file open for writing

    Examples
    --------
    >>> file = io.BytesIO()
    >>> with ShardWriter(file) as shard:
    ...     shard.add("a.txt", b"hello")
    >>> tarfile.open(fileobj=io.BytesIO(file.getvalue())).getnames()
    ['a.txt']
    """

    def __init__(self, file: BinaryIO):
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name: str, data: bytes) -> None:
        """Add a file."""
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))
        self._tar.members = []  # type: ignore[attr-defined]

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *error) -> None:
        if error[0] is None:
            self._tar.close()
