"""Tables on the command line: rows as CSV files."""

import os
from collections.abc import Mapping, Sequence

from lpcnet_cq.cli.arguments import UsageError
from lpcnet_cq.cli.paths import quoted


def check_table(path: str, other: str, force: bool) -> None:
    """Raise an error if a table must not be written: it needs the suffix .csv and another name than the output `other`.

    Raises
    ------
    UsageError
        If the name is not allowed, or the file exists and must not be overwritten.
    FileNotFoundError
        If its folder does not exist.
    """
    if os.path.splitext(path)[1].lower() != ".csv" or os.path.abspath(path) == os.path.abspath(other):
        raise UsageError(f"the table {quoted(path)} must have the suffix .csv and a name of its own")
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise FileNotFoundError(2, "its folder does not exist", path)
    if os.path.lexists(path) and not force:
        raise UsageError(f"{quoted(path)} exists; -f overwrites it")


def write_table(path: str, rows: Sequence[Mapping]) -> None:
    """Write rows, at least one, as a CSV file; the columns are those of the first row."""
    import csv  # every command imports this module
    import io

    from lpcnet_cq.output import replacing

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode())
