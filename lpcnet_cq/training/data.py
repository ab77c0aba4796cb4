"""Corpora: the recordings of a folder, with the speaker of each, and the split into training and held-out data.

Place in the chain: first step of training; coding does not need it.
"""

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lpcnet_cq.audio.reader import read_audio

AUDIO_SUFFIXES = frozenset({".flac", ".ogg", ".opus", ".sph", ".wav"})

# Folders that contain the folders of speakers in the layouts of LibriSpeech, VCTK and TIMIT.
_WRAPPER = re.compile(
    r"librispeech|vctk.*|timit|data|audio|clips|speech|flac|wavs?|wav(16|48)\w*|dr[1-8]"
    r"|(train|dev|test|valid|validation)([-_](clean|other|\d+))*",
    re.IGNORECASE,
)
_TRAIN, _DEV = re.compile(r"train", re.IGNORECASE), re.compile(r"dev|test|valid", re.IGNORECASE)


@dataclass(frozen=True)
class Clip:
    """Hold one recording: its file, its speaker, its split ("train" or "dev"), and the name of its collection."""

    path: Path
    speaker: str
    split: str
    source: str = ""


def open_corpus(folder: str | Path, part: str = "speech/") -> list[Clip]:
    """Return the recordings of a folder and its sub-folders; every speaker is in one split only.

    If the folder has an `index.csv` (columns `path`, `split`, `speaker`, `source`; only `path` is required), its rows
    are used. If some paths begin with `part`, only these are used. Without an index, every WAV, FLAC, OGG or SPHERE
    file is used. The speaker is then the first sub-folder that is not a container such as `train`, so that the folders
    of LibriSpeech, VCTK and TIMIT need no changes.

    If no split is given, about a tenth of the speakers, selected by a hash of their names, is held out as "dev"; with a
    single speaker, a tenth of the files. Splits called test or valid are treated as "dev". If only some recordings have
    a split, the others get the split of their speaker, or "train".

    Parameters
    ----------
    folder : path of the corpus.
    part : "speech/" or "audio/", for corpora that contain both.

    Returns
    -------
    Clips in ascending order of source, speaker and path.

    Raises
    ------
    ValueError
        If the folder is missing or has no recordings, or its index has a missing file or an unknown split.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"data: {str(folder)!r} is not a folder; give a folder of WAV, FLAC or OGG files")
    clips = _from_index(root, part) if (root / "index.csv").is_file() else _from_tree(root)
    if not clips:
        raise ValueError(f"data: {str(folder)!r} contains no WAV, FLAC or OGG file")
    clips = complete_split(clips) if {"train", "dev"} <= {c.split for c in clips} else hold_out(clips)
    return sorted(clips, key=lambda c: (c.source, c.speaker, c.path))


def complete_split(clips: Sequence[Clip]) -> list[Clip]:
    """Return clips in which those without a split get the split of their speaker: "dev" if held out, else "train".

    >>> [c.split for c in complete_split([Clip(Path("a.wav"), "ann", "dev"), Clip(Path("b.wav"), "ann", "")])]
    ['dev', 'dev']
    """
    held = {c.speaker for c in clips if c.split == "dev"}
    return [c if c.split else replace(c, split="dev" if c.speaker in held else "train") for c in clips]


def _split_of(name: str) -> str:
    return "train" if _TRAIN.match(name) else "dev" if _DEV.match(name) else ""


def hold_out(clips: Sequence[Clip], fraction: float = 0.1) -> list[Clip]:
    """Return clips in which about `fraction` (0..1) of the speakers, at least one, are "dev" and the others "train".

    The choice depends on the names only, so that it does not change with new files or on other machines.

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
            raise ValueError(f"data: index.csv has the path {r['path']!r}, which does not exist in {str(root)!r}")
        split = _split_of(r.get("split") or "")
        if r.get("split") and not split:
            raise ValueError(
                f"data: index.csv has the split {r['split']!r} for {r['path']!r}, it must be train, dev, test or valid"
            )
        speaker = r.get("speaker") or path.parent.name
        clips.append(Clip(path, speaker, split, r.get("source") or root.name))
    return clips


def _from_tree(root: Path) -> list[Clip]:
    clips = []
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in AUDIO_SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        if path.stem.endswith("_mic2"):  # VCTK 0.92 contains every sentence twice, recorded by two microphones
            continue
        folders = path.relative_to(root).parts[:-1]
        speaker = next((p for p in folders if not _WRAPPER.fullmatch(p)), root.name)
        parts = [_split_of(p) for p in folders if _WRAPPER.fullmatch(p)]
        split = next(filter(None, parts), "")
        clips.append(Clip(path, speaker, split, root.name))
    return clips


def read_clip(clip: Clip, sample_rate_hz: int, channels: int = 1) -> np.ndarray:
    """Read a recording as float32 in [-1, 1], (n_samples,), or (n_samples, 2) for stereo files if `channels` is 2.

    Raises
    ------
    ValueError
        If the file cannot be read, is empty, or contains values that are not finite.
    """
    return read_audio(clip.path, sample_rate_hz, channels).x
