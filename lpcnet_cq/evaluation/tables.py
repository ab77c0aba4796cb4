"""Rows of results as CSV files, and as Markdown tables of means with confidence intervals.

Place in the chain: none; used by `evaluate`, by the report on sparse weights and by all experiments. A row is a
dictionary from column names to values.
"""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

NOT_MEASURED = "–"


def write_rows(rows: Sequence[Mapping], path: Path) -> None:
    """Write rows as a CSV file, floats with five significant digits; the columns are those of the first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(csv_lines(rows, list(rows[0]), headed=True))


def append_rows(rows: Iterable[Mapping], columns: Sequence[str], path: Path) -> None:
    """Add rows to a CSV file, which is created with its header if missing; other columns are omitted.

    The file is opened, locked and closed in every call, so that several programs can add to it. A last line that is not
    complete, of a program that was killed, is removed.
    """
    import fcntl  # here, because Windows lacks it and needs `write_rows` only

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = list(rows)
    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
        cut_torn_line(file)
        file.write(csv_lines(rows, columns, headed=file.seek(0, os.SEEK_END) == 0))


def csv_lines(rows: Iterable[Mapping], columns: Sequence[str], headed: bool) -> bytes:
    r"""Return the lines of rows, with or without a header.

    >>> csv_lines([{"a": 1 / 3, "b": "x, y", "c": 1}], ["b", "a"], headed=False)
    b'"x, y",0.33333\r\n'
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    if headed:
        writer.writeheader()
    writer.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    return text.getvalue().encode("utf-8")


def cut_torn_line(file: BinaryIO) -> None:
    """Remove the last line of a file if it is not complete; the whole file is read only then."""
    if file.seek(0, os.SEEK_END) == 0:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def read_rows(path: Path, text_columns: Sequence[str] = ()) -> list[dict]:
    """Read the rows of a CSV file; values are floats except in `text_columns`.

    Blank cells are omitted, and so is a last line that is not complete. Without the file, the result is empty.

    >>> read_rows(Path("no/such/file.csv"))
    []
    """
    lines = io.StringIO(whole_lines(path).decode("utf-8"), newline="")
    return [
        {k: v if k in text_columns else float(v) for k, v in row.items() if v != ""} for row in csv.DictReader(lines)
    ]


def whole_lines(path: Path) -> bytes:
    """Return the content of a file up to the end of its last complete line; nothing if it does not exist."""
    data = path.read_bytes() if path.is_file() else b""
    return data[: data.rfind(b"\n") + 1]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Return a table in Markdown: `text_columns` columns aligned to the left, the others to the right.

    >>> print(markdown(["codec", "kbps"], [["ours", "8.98"]]))
    | codec | kbps |
    | --- | ---: |
    | ours | 8.98 |
    <BLANKLINE>
    """
    rule = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *rows))


def mean_and_interval(values: Iterable[float]) -> tuple[float, float]:
    """Return the mean and the half width of its 95 % confidence interval (Student's t); NaN values are ignored.

    >>> [round(v, 3) for v in mean_and_interval([1.0, 2.0, 3.0, float("nan")])]
    [2.0, 2.484]
    """
    from scipy import stats

    v = np.asarray(list(values), float)
    v = v[~np.isnan(v)]
    if len(v) < 2:
        return (float(v[0]) if len(v) else float("nan")), float("nan")
    return float(v.mean()), float(stats.t.ppf(0.975, len(v) - 1) * v.std(ddof=1) / np.sqrt(len(v)))


def mean_cell(values: Iterable[float], decimals: int = 2, sign: str = "") -> str:
    """Return a table cell: the mean, with its 95 % interval if there is one; `sign` "+" marks differences.

    >>> mean_cell([1.0, 2.0, 3.0]), mean_cell([1.0], 1, "+"), mean_cell([])
    ('2.00 ± 2.48', '+1.0', '–')
    """
    mean, half = mean_and_interval(values)
    if not np.isfinite(mean):
        return NOT_MEASURED
    return f"{mean:{sign}.{decimals}f}" + (f" ± {half:.{decimals}f}" if np.isfinite(half) else "")


def mean_kbps(rows: Iterable[Mapping]) -> float:
    """Return the bitrate of all rows together, bits over seconds, from their `kbps` and `seconds`.

    >>> mean_kbps([{"kbps": 8.0, "seconds": 1.0}, {"kbps": 12.0, "seconds": 3.0}])
    11.0
    """
    kbps, seconds = np.array([(row["kbps"], row["seconds"]) for row in rows]).T
    return float(kbps @ seconds / seconds.sum())


def group_by(rows: Iterable[Mapping], *columns: str) -> dict[tuple, list[Mapping]]:
    """Return rows in groups of equal values of some columns, in the order in which the groups appear.

    >>> list(group_by([{"a": 1, "b": 2}, {"a": 0, "b": 2}, {"a": 1, "b": 2}], "a", "b"))
    [(1, 2), (0, 2)]
    """
    groups: dict[tuple, list[Mapping]] = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in columns), []).append(row)
    return groups


def by_source(rows: Sequence[Mapping]) -> dict[str, list[Mapping]]:
    """Return all rows as "all" and, if they come from several corpora, the rows of each `source`.

    >>> list(by_source([{"source": "b"}, {"source": "a"}])), list(by_source([{"source": "b"}]))
    (['all', 'a', 'b'], ['all'])
    """
    sources = {source: group for (source,), group in sorted(group_by(rows, "source").items())}
    return {"all": list(rows)} | (sources if len(sources) > 1 else {})
