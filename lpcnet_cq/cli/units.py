"""Units of work of the commands that code folders: a file, or all files of a tar shard.

The work on a unit gives a row of the manifest for each of its files. A file that cannot be coded has an error in its
row. Files of a shard that are neither audio nor coded, such as transcripts, are copied from an input shard.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lpcnet_cq.cli.paths import AUDIO_SUFFIXES, CODED_SUFFIX, quoted

Pair = tuple[Path, Path]
Work = Callable[[str, str], list[str]]
TAR_SUFFIX = ".tar"


@dataclass(frozen=True)
class Unit:
    """Hold inputs and the output that is made of them: files for a file, files or a shard for a shard.

    `names` are those of the coded files in a shard that is made of files.
    """

    sources: tuple[Path, ...]
    target: Path
    names: tuple[str, ...] = ()


@dataclass
class Outcome:
    """Hold what became of a unit: a row per file, and notes on files with their names."""

    rows: list[dict]
    notes: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class CodeUnit:
    """Code the files of a unit.

    Attributes
    ----------
    work : callable
        Codes one input to one output and returns notes; must be picklable.
    writes : str
        Suffix of the written format.
    described : bool
        Whether rows have durations, sizes and hashes, for which the output is read again.
    """

    work: Work
    writes: str
    described: bool

    def __call__(self, unit: Unit) -> Outcome:
        """Code a unit; the rows have the names of its files as they are given."""
        if unit.target.suffix != TAR_SUFFIX:
            outcome = Outcome([])
            self._code(outcome, str(unit.sources[0]), str(unit.target), (unit.sources[0], unit.target))
            return outcome
        try:
            return self._code_shard(unit)
        except (OSError, ValueError) as error:
            return failed(unit, str(error))

    def _code(self, outcome: Outcome, name: str, output: str, pair: Pair) -> bool:
        """Code a file, add its row and its notes, and return whether it was coded."""
        notes, error = attempt(self.work, pair, name)
        row = {"path": name, "output": output, "error": error or ""}
        if self.described and error is None:
            from lpcnet_cq.work.manifest import coded_row

            row |= coded_row(pair[self.writes == CODED_SUFFIX], pair[1])
        outcome.rows.append(row)
        outcome.notes += [(name, note) for note in notes]
        return error is None

    def _code_shard(self, unit: Unit) -> Outcome:
        """Code to a shard.

        Raises
        ------
        ValueError
            If no file of it could be coded.
        """
        from lpcnet_cq.output import replacing
        from lpcnet_cq.work.tar_shards import ShardWriter

        os.makedirs(unit.target.parent, exist_ok=True)
        outcome, seen, n_coded = Outcome([]), set(), 0
        with tempfile.TemporaryDirectory() as folder, replacing(unit.target) as file, ShardWriter(file) as shard:
            for name, source, output in self._inputs(unit, Path(folder)):
                if output in seen:
                    output = name + self.writes
                seen.add(output)
                coded = Path(folder, "coded" + self.writes)
                if output == name:
                    shard.add(name, source.read_bytes())
                elif self._code(outcome, self._shown(unit, name, source), f"{unit.target}/{output}", (source, coded)):
                    shard.add(output, coded.read_bytes())
                    n_coded += 1
            if not n_coded:
                raise ValueError(f"{quoted(unit.sources[0])}: no file of its shard could be coded")
        return outcome

    def _shown(self, unit: Unit, name: str, source: Path) -> str:
        return str(source) if unit.names else f"{unit.sources[0]}/{name}"

    def _inputs(self, unit: Unit, folder: Path) -> Iterator[tuple[str, Path, str]]:
        """Yield name, file and name of the output; a file that is copied keeps its name."""
        if unit.names:
            yield from ((str(source), source, name) for source, name in zip(unit.sources, unit.names, strict=True))
            return
        from lpcnet_cq.work.tar_shards import members

        for name, data in members(unit.sources[0]):
            stem, suffix = os.path.splitext(name)
            path = Path(folder, "input" + suffix)
            path.write_bytes(data)
            yield name, path, stem + self.writes if suffix.lower() in read_suffixes(self.writes) else name


def read_suffixes(writes: str) -> frozenset[str]:
    """Return the suffixes of files from which files with the suffix `writes` are made."""
    return AUDIO_SUFFIXES if writes == CODED_SUFFIX else frozenset({CODED_SUFFIX})


def attempt(work: Work, pair: Pair, name: str | None = None) -> tuple[list[str], str | None]:
    """Code one file; return its notes and its error, if any, which gives it another name if there is one."""
    source, target = pair
    name = name or str(source)
    try:
        os.makedirs(target.parent, exist_ok=True)
        return work(str(source), str(target)), None
    except OSError as error:
        return [], f"{quoted(error.filename or name)}: {error.strerror or error}"
    except ValueError as error:
        text = str(error).replace(str(source), name)
        return [], text if name in text else f"{quoted(name)}: {text}"
    except MemoryError:
        return [], f"{quoted(name)} is too long for the memory of this machine"


def failed(unit: Unit, error: str) -> Outcome:
    """Return the outcome of a unit of which nothing was coded."""
    outputs = [f"{unit.target}/{name}" for name in unit.names] or [str(unit.target)]
    rows = [{"path": str(source), "output": output} for source, output in zip(unit.sources, outputs, strict=True)]
    return Outcome([row | {"error": error} for row in rows])


def file_units(pairs: list[Pair]) -> list[Unit]:
    """Return units of one file."""
    return [Unit((source,), target) for source, target in pairs]


def shard_units(pairs: list[Pair], out: Path, n_files: int) -> list[Unit]:
    """Return units of files for shards `shard-000000.tar` and so on, of so many files each.

    Examples
    --------
    >>> pairs = [(Path(f"in/{i}.wav"), Path(f"out/{i}.cq")) for i in range(3)]
    >>> [(unit.target.name, unit.names) for unit in shard_units(pairs, Path("out"), 2)]
    [('shard-000000.tar', ('0.cq', '1.cq')), ('shard-000001.tar', ('2.cq',))]
    """
    groups = [pairs[i : i + n_files] for i in range(0, len(pairs), n_files)]
    return [
        Unit(
            tuple(source for source, _ in group),
            out / f"shard-{i:06d}{TAR_SUFFIX}",
            tuple(target.relative_to(out).as_posix() for _, target in group),
        )
        for i, group in enumerate(groups)
    ]
