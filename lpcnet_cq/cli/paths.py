"""Paths on the command line: checks of output paths, and the output path of every file of a folder.

Existing outputs are overwritten with `-f` only. An output that is the input, or that has the suffix of another format,
is an error.
"""

import os
import stat
import sys
from collections import Counter
from pathlib import Path

from lpcnet_cq.cli.arguments import UsageError

AUDIO_SUFFIXES = frozenset(
    ".aac .aif .aifc .aiff .amr .au .caf .flac .m4a .mp2 .mp3 .mp4 .oga .ogg .opus .rf64 .snd .sph .w64 .wav .wave "
    ".webm .wma".split()
)
CODED_SUFFIX, RAW_SUFFIX = ".cq", ".raw"
WAV_SUFFIXES = frozenset({".wav", ".wave"})


def quoted(path: str | Path) -> str:
    r"""Return a path for messages: on one line, with escapes for characters that cannot be printed.

    Examples
    --------
    >>> print(quoted("caf\udce9\n.wav"))
    `caf\udce9\n.wav`
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))
    return f"`{text}`"


def check_output(source: str, target: str, force: bool, *, writes: str) -> None:
    """Raise an error if the output must not be written.

    Parameters
    ----------
    source, target : str
        Paths, or "-" for standard input and output.
    force : bool
        Allow overwriting an existing file.
    writes : str
        Suffix of the written format: .cq, .wav or .raw.

    Raises
    ------
    UsageError
        If the target is a folder, has the suffix of another format, is the source, or exists and must not be
        overwritten.
    FileNotFoundError
        If its folder does not exist.
    """
    if target != "-":
        check_place(source, target, writes)
    if is_same_file(source, target):
        name = "standard output" if target == "-" else quoted(target)
        raise UsageError(f"{name} is the input; the output must have another name")
    from lpcnet_cq.output import is_regular

    if target != "-" and is_regular(target) and not force:
        raise UsageError(f"{quoted(target)} exists; -f overwrites it")


def check_place(source: str, target: str, writes: str) -> None:
    """Raise an error, as `check_output` does, if the output is a folder, has no folder, or has a foreign suffix.

    A WAV file has no suffix but its own, or none: other programs take the suffix for the format.
    """
    if not target or target.endswith(os.sep) or os.path.isdir(target):
        raise UsageError(f"the output {quoted(target)} must be a file, as the input {quoted(source)} is")
    suffix = os.path.splitext(target)[1].lower()
    own = WAV_SUFFIXES if writes in WAV_SUFFIXES else {writes}
    is_free = suffix not in AUDIO_SUFFIXES | {CODED_SUFFIX} and own != WAV_SUFFIXES
    if suffix and suffix not in own and not is_free and not is_device(target):
        allowed = ".wav, .wave or none" if own == WAV_SUFFIXES else writes
        raise UsageError(f"{quoted(target)} must have the suffix {allowed}, the format that is written")
    folder = os.path.dirname(os.path.abspath(target))
    if not os.path.isdir(folder):
        raise FileNotFoundError(2, "its folder does not exist", target)


def is_device(path: str) -> bool:
    """Return whether there is a pipe, a device or a socket of this name."""
    return os.path.exists(path) and not os.path.isfile(path)


def is_folder(source: str, target: str) -> bool:
    """Say whether the input is a folder.

    Raises
    ------
    UsageError
        If it is, and the output is standard output.
    """
    if source == "-" or not os.path.isdir(source):
        return False
    if target == "-":
        raise UsageError(f"the output - must be a folder, as the input {quoted(source)} is")
    return True


def is_same_file(source: str, target: str) -> bool:
    """Say whether two paths, or "-" for standard input and output, are one file on disk."""
    try:
        one, other = (
            os.fstat(stream.fileno()) if path == "-" else os.stat(path)
            for path, stream in ((source, sys.stdin), (target, sys.stdout))
        )
    except (AttributeError, OSError, ValueError):  # closed, replaced by something else, or not there
        return False
    return stat.S_ISREG(one.st_mode) and os.path.samestat(one, other)


def coded_pairs(folder: str | Path, out: str | Path, writes: str) -> list[tuple[Path, Path]]:
    """Return input and output path of all files to code in a folder and its sub-folders.

    Inputs are files with a suffix of audio (if .cq is written) or .cq (otherwise), except hidden files and pipes, which
    may never end. If two outputs would have the same name, such as those of a.wav and a.flac, the suffix is kept:
    a.wav.cq and a.flac.cq.

    Parameters
    ----------
    folder, out : str or Path
    writes : str
        Suffix of the written format: .cq, .wav or .raw.

    Raises
    ------
    ValueError
        If the folder contains no such file.
    """
    wanted = AUDIO_SUFFIXES if writes == CODED_SUFFIX else {CODED_SUFFIX}
    sources = sorted(
        Path(base, name)
        for base, folders, names in os.walk(folder)
        if not hide(folders)
        for name in names
        if not name.startswith(".") and os.path.splitext(name)[1].lower() in wanted
        if not is_device(os.path.join(base, name))
    )
    if not sources:
        kind = "audio" if writes == CODED_SUFFIX else CODED_SUFFIX
        shards = "; --tar N reads its tar shards" if any(Path(folder).rglob("*.tar")) else ""
        raise ValueError(f"the folder {quoted(folder)} contains no {kind} files{shards}")
    plain = [Path(out, path.relative_to(folder)).with_suffix(writes) for path in sources]
    long = [Path(out, str(path.relative_to(folder)) + writes) for path in sources]
    count = Counter(plain + long)
    return [(s, p if count[p] == 1 else q) for s, p, q in zip(sources, plain, long, strict=True)]


def hide(folders: list[str]) -> None:
    """Remove hidden folders from the list of `os.walk`, and sort the others."""
    folders[:] = sorted(name for name in folders if not name.startswith("."))


def check_folder(pairs: list[tuple[Path, Path]], out: str | Path, force: bool) -> None:
    """Raise an error if an output of a folder must not be written.

    Raises
    ------
    UsageError
        If the output folder is a file, or outputs exist and must not be overwritten.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"the output {quoted(out)} must be a folder, as the input is")
    existing = [target for _, target in pairs if os.path.lexists(target)]
    if existing and not force:
        others = f" and {len(existing) - 1} others exist" if len(existing) > 1 else " exists"
        raise UsageError(f"{quoted(existing[0])}{others}; -f overwrites them")
