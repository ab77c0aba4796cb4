"""Paths on the command line: what may be written where, and which file of a folder becomes which.

Nothing is overwritten that was not meant: outputs that exist need `-f`, an output that is the input is refused, and so
is a name that promises another format.
"""

import os
from collections import Counter
from pathlib import Path

from lpcnet_cq.cli_arguments import UsageError

AUDIO_SUFFIXES = frozenset(
    ".aac .aif .aifc .aiff .amr .au .caf .flac .m4a .mp2 .mp3 .mp4 .oga .ogg .opus .rf64 .snd .sph .w64 .wav .wave "
    ".webm .wma".split()
)
CODED_SUFFIX = ".cq"
WAV_SUFFIXES = frozenset({".wav", ".wave"})


def quoted(path: str | Path) -> str:
    r"""Return a path as messages name it: on one line, of characters that can be printed.

    Examples
    --------
    >>> print(quoted("caf\udce9\n.wav"))
    `caf\udce9\n.wav`
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))
    return f"`{text}`"


def check_output(source: str, target: str, force: bool, *, writes: str) -> None:
    """Refuse an output that must not be written, before anything is read.

    Parameters
    ----------
    source, target : str
        Paths, or "-" for standard input and output.
    force : bool
        Let an existing file be overwritten.
    writes : str
        Suffix of what is written: .cq or .wav.

    Raises
    ------
    UsageError
        If the target is a folder, has the suffix of another format, is the source, or exists and must not be
        overwritten.
    FileNotFoundError
        If its folder does not exist.
    """
    if target == "-":
        return
    if not target or os.path.isdir(target):
        raise UsageError(f"the output {quoted(target)} must be a file, as the input {quoted(source)} is")
    suffix = os.path.splitext(target)[1].lower()
    foreign = AUDIO_SUFFIXES if writes == CODED_SUFFIX else AUDIO_SUFFIXES - WAV_SUFFIXES | {CODED_SUFFIX}
    if suffix in foreign:
        raise UsageError(f"{quoted(target)} must be named {writes}, which is what is written")
    folder = os.path.dirname(os.path.abspath(target))
    if not os.path.isdir(folder):
        raise FileNotFoundError(2, "its folder does not exist", target)
    if os.path.isfile(target) and os.path.exists(source) and os.path.samefile(source, target):
        raise UsageError(f"{quoted(target)} is the input; the output needs another name")
    from lpcnet_cq.audio import is_regular

    if is_regular(target) and not force:
        raise UsageError(f"{quoted(target)} exists; -f overwrites it")


def coded_pairs(folder: str | Path, out: str | Path, writes: str) -> list[tuple[Path, Path]]:
    """Return which file below a folder becomes which file below another.

    Files are those with the suffix of audio (if .cq is written) or .cq (if .wav is); hidden ones are left out. Two
    that would get the same name, such as a.wav and a.flac, keep their suffix: a.wav.cq and a.flac.cq.

    Parameters
    ----------
    folder, out : str or Path
    writes : str
        .cq or .wav.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    wanted = AUDIO_SUFFIXES if writes == CODED_SUFFIX else {CODED_SUFFIX}
    sources = sorted(
        Path(base, name)
        for base, folders, names in os.walk(folder)
        if not hide(folders)
        for name in names
        if not name.startswith(".") and os.path.splitext(name)[1].lower() in wanted
    )
    if not sources:
        kind = "audio" if writes == CODED_SUFFIX else CODED_SUFFIX
        raise ValueError(f"the folder {quoted(folder)} holds no {kind} files")
    plain = [Path(out, path.relative_to(folder)).with_suffix(writes) for path in sources]
    long = [Path(out, str(path.relative_to(folder)) + writes) for path in sources]
    count = Counter(plain + long)
    return [(s, p if count[p] == 1 else q) for s, p, q in zip(sources, plain, long, strict=True)]


def hide(folders: list[str]) -> None:
    """Keep `os.walk` out of hidden folders, and in order."""
    folders[:] = sorted(name for name in folders if not name.startswith("."))


def check_folder(pairs: list[tuple[Path, Path]], out: str | Path, force: bool) -> None:
    """Refuse a folder's outputs that must not be written, before the first is.

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
