"""Manifest: a table of coded files in Parquet, from which an interrupted run resumes.

Place in the chain: beside the outputs of a run over many files; only a run with a manifest imports PyArrow. While the
run lasts, rows are appended to a journal, one line per unit of work; at its end, and where the next run begins after a
killed one, the journal becomes a part of the table. Rows have these columns:

path, output : names of the input and the output file, relative to their folders; of a tar shard, `shard.tar/member`.
seconds : duration of the original.
bytes : size of the output.
bits : bits of the packets, without headers and checks.
hash : SHA-256 of the output.
error : why the file could not be coded; empty if it was.

A table of scores has other columns, too, which are numbers; its `path` and `output` are the name of what was scored,
and `hash` is that of its files.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from lpcnet_cq.bitstream.container import read_header, read_segments
from lpcnet_cq.bitstream.live_container import LiveReader
from lpcnet_cq.output import replacing

COLUMNS = {
    "path": "string",
    "output": "string",
    "seconds": "float64",
    "bytes": "int64",
    "bits": "int64",
    "hash": "string",
    "error": "string",
}
SETTINGS = b"settings"
JOURNAL = ".journal"  # suffix

Row = dict


class Manifest:
    """Hold the rows of a run, by units of work.

    Parameters
    ----------
    path : str or Path
        Parquet file; created if missing.
    settings : mapping
        JSON values that determine the outputs, such as the bitrate.
    fresh : bool
        Begin with no rows, whatever the file holds.
    unit_of : callable
        unit_of(output) returns the unit of work of an output; by default `file_of`.

    Raises
    ------
    ModuleNotFoundError
        If PyArrow is not installed.
    ValueError
        If the file is not a manifest, or one of a run with other settings.
    """

    def __init__(
        self, path: str | Path, settings: Mapping, fresh: bool = False, unit_of: Callable[[str], str] | None = None
    ):
        import pyarrow.parquet  # noqa: F401  # pyright: ignore[reportMissingImports]  (before any work is done)

        self.path, self.settings = Path(path), json.loads(json.dumps(settings))
        self.journal = self.path.with_name(self.path.name + JOURNAL)
        self._units, self._unit_of = dict[str, list[Row]](), unit_of or file_of
        self.resumed = not fresh and (self.path.exists() or self.journal.exists())
        if self.resumed:
            self._read()
        else:
            self.journal.unlink(missing_ok=True)
        self._file = open(self.journal, "a", encoding="utf-8")
        if self._file.tell() == 0:
            self._append(self.settings)

    def _read(self) -> None:
        kept = read_table(self.path) if self.path.exists() else (self.settings, [])
        lines = journal_lines(self.journal)
        for settings in (kept[0], *lines[:1]):
            if settings != self.settings:
                changed = {k: v for k, v in settings.items() if self.settings.get(k) != v}
                told = ", ".join(f"{name} {value}" for name, value in changed.items()) or "fewer settings"
                raise ValueError(f"`{self.path}` is the manifest of a run with {told}; -f begins a new one")
        for row in kept[1]:
            self._units.setdefault(self._unit_of(row["output"]), []).append(row)
        for rows in lines[1:]:
            self._units[self._unit_of(rows[0]["output"])] = rows

    def rows_of(self, unit: str) -> list[Row]:
        """Return the rows of a unit of work; none if it is not done."""
        return self._units.get(unit, [])

    def add(self, rows: Sequence[Row]) -> None:
        """Add the rows of one unit, at least one, to table and journal."""
        unit, rows = self._unit_of(rows[0]["output"]), [{**dict.fromkeys(COLUMNS), **row} for row in rows]
        self._units[unit] = rows
        self._append(rows)

    def _append(self, value) -> None:
        self._file.write(json.dumps(value) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Write the table, in the order of the inputs, and remove the journal."""
        self._file.close()
        rows = sorted((row for rows in self._units.values() for row in rows), key=lambda row: row["path"])
        write_table(self.path, rows, self.settings)
        self.journal.unlink()

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *error) -> None:
        self.close()


def file_of(output: str) -> str:
    """Return the file of an output, which is a member of a tar shard or a file itself.

    Examples
    --------
    >>> file_of("a/b.cq"), file_of("a/0001.tar/x/y.cq")
    ('a/b.cq', 'a/0001.tar')
    """
    head, dot, _ = output.partition(".tar/")
    return head + ".tar" if dot else output


def journal_lines(path: Path) -> list:
    """Return the values of a journal; a last line that a killed run did not complete is left out, also from the file.

    A journal without any complete line is removed.
    """
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        os.truncate(path, len(whole))
    return [json.loads(line) for line in whole.splitlines()]


def write_table(path: str | Path, rows: Sequence[Row], settings: Mapping) -> None:
    """Write rows as a Parquet file, with the settings in its metadata; columns not in `COLUMNS` are numbers."""
    import pyarrow as pa  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingImports]

    columns = {name: COLUMNS.get(name, "float64") for row in [COLUMNS, *rows] for name in row}
    schema = pa.schema(columns.items(), metadata={SETTINGS: json.dumps(settings)})
    with replacing(path) as file:
        pq.write_table(pa.Table.from_pylist(rows, schema), file)


def read_table(path: str | Path) -> tuple[dict, list[Row]]:
    """Return the settings and the rows of a manifest.

    Raises
    ------
    ValueError
        If the file is not a manifest.
    """
    import pyarrow as pa  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingImports]

    try:
        table = pq.read_table(str(path))
        table.select(list(COLUMNS))
        return json.loads(table.schema.metadata[SETTINGS]), table.to_pylist()
    except (pa.ArrowInvalid, KeyError, TypeError) as error:
        raise ValueError(f"`{path}` is not a manifest: {error}") from error


def coded_row(coded: Path, output: Path) -> Row:
    """Return seconds, bytes, bits and hash of an output that is the stream `coded` or was decoded from it."""
    with open(coded, "rb") as file:
        seconds, bits = stream_content(file)
    return {"seconds": seconds, "bytes": output.stat().st_size, "bits": bits, "hash": file_hash(output)}


def file_hash(*paths: Path) -> str:
    """Return the SHA-256 of files, one behind the other."""
    total = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            hashlib.file_digest(file, lambda: total)
    return total.hexdigest()


def valid_name(name: str) -> str:
    r"""Return a name of a file as valid text; bytes that are no UTF-8 are escaped.

    Examples
    --------
    >>> valid_name("caf\udce9.wav")
    'caf\\xe9.wav'
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def stream_content(file: BinaryIO) -> tuple[float, int]:
    """Return the duration of the original in seconds and the bits of all packets of a stream, without decoding it.

    Files of the first releases do not contain the sample rate of the codec; it is taken to be that of the original.
    """
    header = read_header(file)
    if header.live:
        reader = LiveReader(file, header)
        bits = 8 * sum(map(len, reader.packets()))
        return (reader.n_samples or 0) / header.sample_rate_hz, bits
    bits = 8 * sum(len(segment.payload) for segment in read_segments(file))
    seconds = header.duration_s
    return (header.n_samples / header.sample_rate_hz if seconds is None else seconds), bits
