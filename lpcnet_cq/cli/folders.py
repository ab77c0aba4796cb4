"""Folders on the command line: all files of an input folder are coded to an output folder, on any engine.

A file that cannot be coded is reported and skipped; the exit status is then 1. With a manifest, a run that was
interrupted goes on where it stopped: units whose outputs have the hashes of the manifest are not coded again.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from lpcnet_cq.cli.arguments import UsageError, say
from lpcnet_cq.cli.paths import check_folder, coded_pairs, quoted
from lpcnet_cq.cli.progress import file_counter
from lpcnet_cq.cli.units import TAR_SUFFIX, CodeUnit, Outcome, Unit, failed, file_units, shard_units
from lpcnet_cq.work.engine import LOST, LOST_TEXT, Here, completed
from lpcnet_cq.work.where import HERE, Where

if TYPE_CHECKING:
    from lpcnet_cq.work.manifest import Manifest


@dataclass(frozen=True)
class Folders:
    """Hold the folders of a run and how it codes them.

    Attributes
    ----------
    source, out : Path
    verb : str
        Text for the progress line.
    where : Where
    """

    source: Path
    out: Path
    verb: str
    where: Where = HERE


def code_folder(args: argparse.Namespace, out: str, writes: str, verb: str, coding: Callable[[], tuple]) -> int:
    """Code the folder that a command line names, and return the exit status: 0, or 1 if a file could not be coded.

    Parameters
    ----------
    args : argparse.Namespace
        `input` and the options of `add_folder_options`.
    out : str
    writes : str
        Suffix of the written format.
    verb : str
        Text for the progress line.
    coding : callable
        coding() returns the `Work` on a file and the settings that determine outputs; called if all paths are valid.
    """
    resumes = resumes_manifest(args.manifest, args.force)
    where = Where(args.jobs, args.cluster)
    folders = Folders(Path(where.path(args.input)), Path(where.path(out)), verb, where)
    units = units_of(folders, writes, args.tar)
    check_folder([(unit.sources[0], unit.target) for unit in units], out, args.force or resumes)
    work, settings = coding()
    if not args.manifest:
        return code_units(units, CodeUnit(work, writes, False), folders)
    from lpcnet_cq.work.manifest import Manifest

    settings = settings | ({"tar": args.tar} if args.tar else {})
    with Manifest(args.manifest, settings, fresh=args.force) as manifest:
        return code_units(units, CodeUnit(work, writes, True), folders, manifest)


def resumes_manifest(manifest: str | None, force: bool) -> bool:
    """Return whether a run resumes one of which there is a manifest, or the journal of one that did not end.

    Raises
    ------
    UsageError
        If the manifest has another suffix than .parquet.
    """
    if manifest is None:
        return False
    if os.path.splitext(manifest)[1] != ".parquet":
        raise UsageError(f"the manifest {quoted(manifest)} must have the suffix .parquet")
    return not force and any(map(os.path.exists, (manifest, f"{manifest}.journal")))


def units_of(folders: Folders, writes: str, tar: int | None) -> list[Unit]:
    """Return the units of a folder: files; or, with `tar` files per shard, its shards or its files in shards."""
    if not tar:
        return file_units(coded_pairs(folders.source, folders.out, writes))
    shards = sorted(path for path in folders.source.rglob(f"*{TAR_SUFFIX}") if not path.name.startswith("."))
    if shards:
        return [Unit((path,), folders.out / path.relative_to(folders.source)) for path in shards]
    return shard_units(coded_pairs(folders.source, folders.out, writes), folders.out, tar)


def code_units(units: Sequence[Unit], work: CodeUnit, folders: Folders, manifest: "Manifest | None" = None) -> int:
    """Code units and return the exit status; report notes and errors, and a summary if there is a manifest."""
    from lpcnet_cq.output import remove_partials

    before = {unit: rows for unit in units if manifest and (rows := rows_before(unit, folders, manifest))}
    todo, rows = [unit for unit in units if unit not in before], list(chain.from_iterable(before.values()))
    n_before, engine = len(rows), folders.where.engine(work) if todo else Here(work)
    if engine.slots > 1:
        todo.sort(key=lambda unit: sum(map(size_bytes, unit.sources)), reverse=True)
    count = file_counter(folders.verb, len(units))
    try:
        for done, (unit, outcome) in enumerate(completed(todo, engine), start=len(before) + 1):
            outcome = failed(unit, f"{quoted(unit.sources[0])}: {LOST_TEXT}") if outcome is LOST else outcome
            count(len(units))  # clears the line
            report(outcome)
            new = [relative_row(row, folders) for row in outcome.rows]
            rows += new
            if manifest:
                manifest.add(new)
            count(done)
    finally:
        if manifest or not isinstance(engine, Here):  # lost workers, also those of a run before, leave partial files
            remove_partials(unit.target for unit in todo)
    n_failed = sum(1 for row in rows if row["error"])
    if n_failed:
        say(f"{len(rows) - n_failed} of {len(rows)} files were coded, {n_failed} failed")
    if manifest:
        say(summary(rows, n_before))
    return 1 if n_failed else 0


def size_bytes(path: Path) -> int:
    """Return the size of a file; 0 if it cannot be read, which is reported when it is coded."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def report(outcome: Outcome) -> None:
    """Print the notes and the errors of a unit."""
    for name, note in outcome.notes:
        say(f"{quoted(name)}: {note}")
    for error in dict.fromkeys(row["error"] for row in outcome.rows if row["error"]):
        say(f"error: {error}")


def relative_row(row: dict, folders: Folders) -> dict:
    """Return a row with names relative to the folders of the run, on any system with slashes and valid characters."""
    names = {"path": relative_name(row["path"], folders.source), "output": relative_name(row["output"], folders.out)}
    return row | names


def relative_name(path: str | Path, folder: Path) -> str:
    """Return the name of a file below a folder; bytes that are no UTF-8 are escaped."""
    from lpcnet_cq.work.manifest import valid_name

    return valid_name(Path(os.path.relpath(path, folder)).as_posix())


def rows_before(unit: Unit, folders: Folders, manifest: "Manifest") -> list[dict]:
    """Return the rows of a unit that is done: its output has the hashes of the manifest; else none."""
    name = relative_name(unit.target, folders.out)
    rows = manifest.rows_of(name)
    hashes = {row["output"]: row["hash"] for row in rows if not row["error"]}
    return rows if hashes and hashes.items() <= output_hashes(unit.target, name).items() else []


def output_hashes(target: Path, name: str) -> dict[str, str]:
    """Return the SHA-256 of an output of this name, or of all members of a shard; none if it is not there."""
    from lpcnet_cq.work.manifest import file_hash
    from lpcnet_cq.work.tar_shards import members

    try:
        if target.suffix != TAR_SUFFIX:
            return {name: file_hash(target)}
        return {f"{name}/{member}": sha256(data).hexdigest() for member, data in members(target)}
    except (OSError, ValueError):
        return {}


def summary(rows: Sequence[dict], n_before: int) -> str:
    """Return a sentence on a run: files, duration, size, mean bitrate of the packets, and files of earlier runs.

    Examples
    --------
    >>> summary([{"seconds": 3600.0, "bytes": 4100000, "bits": 32400000, "error": ""}], 1)
    '1 files, 1.00 hours, 4.1 MB, 9.00 kbps in packets; 1 of them were done before'
    """
    good = [row for row in rows if not row["error"]]
    seconds, size, bits = (sum(row[name] for row in good) for name in ("seconds", "bytes", "bits"))
    text = f"{len(good)} files, {seconds / 3600:.2f} hours, {size / 1e6:.1f} MB"
    text += f", {bits / seconds / 1000:.2f} kbps in packets" if seconds else ""
    return text + (f"; {n_before} of them were done before" if n_before else "")
