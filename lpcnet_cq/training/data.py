"""Corpora: the recordings of a folder, who speaks in each, and whether it is trained on or held out.

Place in the chain: first in that of training; the codec itself never needs it.
"""

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lpcnet_cq.audio import read_audio

AUDIO_SUFFIXES = frozenset({".flac", ".ogg", ".opus", ".sph", ".wav"})

# Folders that wrap speakers in the layouts of LibriSpeech, VCTK and TIMIT, but are no speakers themselves.
_WRAPPER = re.compile(
    r"librispeech|vctk.*|timit|data|audio|clips|speech|flac|wavs?|wav(16|48)\w*|dr[1-8]"
    r"|(train|dev|test|valid|validation)([-_](clean|other|\d+))*",
    re.IGNORECASE,
)
_TRAIN, _DEV = re.compile(r"train", re.IGNORECASE), re.compile(r"dev|test|valid", re.IGNORECASE)


@dataclass(frozen=True)
class Clip:
    """One recording: its file, who speaks, "train" or "dev", and the collection it comes from."""

    path: Path
    speaker: str
    split: str
    source: str = ""


def open_corpus(folder: str | Path, part: str = "speech/") -> list[Clip]:
    """List the recordings below `folder`, every speaker in one split only.

    With an `index.csv` (columns `path`, `split`, `speaker`, `source`; of these only `path` is needed) its
    rows count, and where some lie under `part` only those. Without it every WAV, FLAC, OGG or SPHERE file
    counts and the speaker is the first sub-folder that is not a mere wrapper, so that the folders of
    LibriSpeech, VCTK and TIMIT work as they come. Where no split is given about a tenth of the
    speakers, chosen by a hash of their names, is held out as "dev"; of a single speaker a tenth of the files.
    Parts called test or valid count as "dev"; where there are parts, a recording outside them goes with its
    speaker, and to "train" if that speaker is in none.

    Parameters
    ----------
    folder : path of the corpus.
    part : "speech/" or "audio/", of corpora that hold both.

    Returns
    -------
    Clips in ascending order of source, speaker and path.

    Raises
    ------
    ValueError
        If the folder is missing, has no recordings, or its index names a file or a split that is not there.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"data: {str(folder)!r} is no folder; give a folder of WAV, FLAC or OGG files")
    clips = _from_index(root, part) if (root / "index.csv").is_file() else _from_tree(root)
    if not clips:
        raise ValueError(f"data: {str(folder)!r} holds no WAV, FLAC or OGG file")
    clips = complete_split(clips) if {"train", "dev"} <= {c.split for c in clips} else hold_out(clips)
    return sorted(clips, key=lambda c: (c.source, c.speaker, c.path))


def complete_split(clips: Sequence[Clip]) -> list[Clip]:
    """Give clips without a split that of their speaker: "dev" if the speaker is held out, else "train".

    >>> [c.split for c in complete_split([Clip(Path("a.wav"), "ann", "dev"), Clip(Path("b.wav"), "ann", "")])]
    ['dev', 'dev']
    """
    held = {c.speaker for c in clips if c.split == "dev"}
    return [c if c.split else replace(c, split="dev" if c.speaker in held else "train") for c in clips]


def _split_of(name: str) -> str:
    return "train" if _TRAIN.match(name) else "dev" if _DEV.match(name) else ""


def hold_out(clips: Sequence[Clip], fraction: float = 0.1) -> list[Clip]:
    """Mark about `fraction` (0..1) of the speakers, at least one, as "dev" and the others as "train".

    The choice hangs on the names alone, so that it survives new files and other machines.

    >>> [c.split for c in hold_out([Clip(Path("a.wav"), "ann", ""), Clip(Path("b.wav"), "bob", "")])]
    ['dev', 'train']
    """
    several = len({c.speaker for c in clips}) > 1
    key = (lambda c: c.speaker) if several else (lambda c: c.path.name)
    names = sorted({key(c) for c in clips}, key=lambda s: hashlib.sha256(s.encode()).hexdigest())
    held = set(names[: max(1, round(fraction * len(names)))])
    return [Clip(c.path, c.speaker, "dev" if key(c) in held else "train", c.source) for c in clips]


def _from_index(root: Path, part: str) -> list[Clip]:
    with open(root / "index.csv", newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    if rows and "path" not in rows[0]:
        raise ValueError(f"data: {str(root / 'index.csv')!r} has no column 'path'")
    rows = [r for r in rows if r["path"].startswith(part)] or rows
    clips = []
    for r in rows:
        path = root / r["path"]
        if not path.is_file():
            raise ValueError(f"data: index.csv names {r['path']!r}, which is not in {str(root)!r}")
        split = _split_of(r.get("split") or "")
        if r.get("split") and not split:
            raise ValueError(
                f"data: index.csv puts {r['path']!r} in {r['split']!r}, it must be train, dev, test or valid"
            )
        speaker = r.get("speaker") or path.parent.name
        clips.append(Clip(path, speaker, split, r.get("source") or root.name))
    return clips


def _from_tree(root: Path) -> list[Clip]:
    clips = []
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in AUDIO_SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        if path.stem.endswith("_mic2"):  # VCTK 0.92 has every sentence twice, by two microphones
            continue
        folders = path.relative_to(root).parts[:-1]
        speaker = next((p for p in folders if not _WRAPPER.fullmatch(p)), root.name)
        parts = [_split_of(p) for p in folders if _WRAPPER.fullmatch(p)]
        split = next(filter(None, parts), "")
        clips.append(Clip(path, speaker, split, root.name))
    return clips


def read_clip(clip: Clip, sample_rate_hz: int, channels: int = 1) -> np.ndarray:
    """Read a recording as float32 (n_samples,), or (n_samples, 2) where asked for and there, in [-1, 1].

    Raises
    ------
    ValueError
        If the file cannot be read, is empty, or holds values that are not finite.
    """
    return read_audio(clip.path, sample_rate_hz, channels).x
