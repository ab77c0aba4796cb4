"""Scores of many units of work: on any engine, with the rows that a manifest holds from an earlier run.

Place in the chain: between the commands that score folders and the engines. A unit is scored again if it has no row,
an error, or files that have changed. A unit that cannot be scored has an error in its row.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lpcnet_cq.work.engine import LOST, LOST_TEXT, completed
from lpcnet_cq.work.where import HERE, Where

if TYPE_CHECKING:
    from lpcnet_cq.work.manifest import Manifest

Row = dict[str, Any]
TEXTS = frozenset({"path", "output", "hash", "error"})  # columns of a manifest that are no numbers


@dataclass(frozen=True)
class Scoring:
    """Score a unit on a worker.

    Attributes
    ----------
    work : callable
        work(unit) returns scores by name and notes; must be picklable.
    files : callable
        files(unit) returns the paths of its files; must be picklable.
    described : bool
        Whether rows have the hash of these files.
    """

    work: Callable[[Any], tuple[Mapping[str, Any], list[str]]]
    files: Callable[[Any], Iterable[Path]]
    described: bool

    def __call__(self, unit: Any) -> tuple[Row, list[str]]:
        """Return the row of a unit, and notes."""
        try:
            known = {"hash": self.hash(unit)} if self.described else {}
            scores, notes = self.work(unit)
            return {**known, **scores, "error": ""}, notes
        except (OSError, ValueError) as error:
            return {"error": str(error)}, []

    def hash(self, unit: Any) -> str:
        """Return the SHA-256 of the files of a unit, one behind the other."""
        from lpcnet_cq.work.manifest import file_hash

        return file_hash(*self.files(unit))


def scored(
    units: Mapping[str, Any],
    scoring: Scoring,
    where: Where = HERE,
    manifest: "Manifest | None" = None,
    watch: Callable[[Iterator], Iterable] = iter,
    report: Callable[[list[str]], None] = lambda notes: None,
) -> dict[str, Row]:
    """Return the rows of all units by their names, in the order of the units.

    Parameters
    ----------
    units : mapping
        Hashable units by name.
    scoring : Scoring
    where : Where
    manifest : Manifest, optional
        Holds rows of earlier runs, and gets the new ones; its key is the name.
    watch : callable
        watch(iterator) returns an iterator over the same values, which may show progress.
    report : callable
        report(notes) is called for each unit that is scored.

    Examples
    --------
    >>> scoring = Scoring(lambda unit: ({"score": len(unit)}, []), lambda unit: (), described=False)
    >>> scored({"a": "one", "b": "three"}, scoring)
    {'a': {'score': 3, 'error': ''}, 'b': {'score': 5, 'error': ''}}
    """
    rows = {
        name: row for name, unit in units.items() if manifest and (row := row_before(name, unit, scoring, manifest))
    }
    todo = {unit: name for name, unit in units.items() if name not in rows}
    if todo:
        for unit, found in watch(completed(list(todo), where.engine(scoring))):
            row, notes = ({"error": LOST_TEXT}, []) if found is LOST else found
            name = todo[unit]
            if manifest:
                add_row(name, row, manifest)
            rows[name] = row
            report(notes)
    return {name: rows[name] for name in units}


def add_row(name: str, row: Row, manifest: "Manifest") -> None:
    """Add the row of a unit to a manifest."""
    from lpcnet_cq.work.manifest import valid_name

    manifest.add([{"path": valid_name(name), "output": valid_name(name)} | row])


def row_before(name: str, unit: Any, scoring: Scoring, manifest: "Manifest") -> Row | None:
    """Return the row of a unit that is done and whose files have not changed; else None."""
    from lpcnet_cq.work.manifest import valid_name

    for row in manifest.rows_of(valid_name(name)):
        try:
            if not row["error"] and row["hash"] == scoring.hash(unit):
                return row
        except OSError:
            return None
    return None


def named(error: str, *paths: Path) -> str:
    """Return an error of a unit with the last of its files in front, unless the error names one of them.

    Examples
    --------
    >>> named("no utterance was found", Path("ref/a.wav"), Path("deg/a.wav"))
    '`deg/a.wav`: no utterance was found'
    >>> named("`ref/a.wav` holds no samples", Path("ref/a.wav"), Path("deg/a.wav"))
    '`ref/a.wav` holds no samples'
    """
    return error if any(str(path) in error for path in paths) else f"`{paths[-1]}`: {error}"


def numbers(row: Row) -> Row:
    """Return the scores of a row, without the other columns of a manifest.

    Examples
    --------
    >>> numbers({"path": "a", "seconds": 1.5, "bits": None, "error": "", "pesq": 4.0})
    {'seconds': 1.5, 'pesq': 4.0}
    """
    return {name: value for name, value in row.items() if name not in TEXTS and value is not None}
