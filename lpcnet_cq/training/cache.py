"""Cache of recordings on disk, as concatenated 16-bit samples, which is written once for many trainings.

Place in the chain: between the recordings of a corpus and the batches of a training.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from dsp.frames import FrameSpec
from lpcnet_cq.audio.writer import to_pcm16
from lpcnet_cq.speech.analysis import VERSION as ANALYSIS_VERSION
from lpcnet_cq.training.data import Clip

PCM, INDEX = "pcm.i16", "sources.json"  # files of a cache
Spans = dict[str, list[tuple[int, int]]]  # recordings of each collection as half-open ranges of samples


class CachedPcm(NamedTuple):
    """Hold recordings of a cache: its folder, int16 samples (n,), and what the index holds for each collection."""

    folder: Path
    pcm: np.ndarray
    index: dict[str, list]


def cached_pcm(
    clips: Sequence[Clip],
    cache_folder: str | Path,
    spec: FrameSpec,
    read: Callable[[Clip], np.ndarray],
    make_index: Callable[[Path, Spans], dict] = lambda folder, spans: spans,
) -> CachedPcm:
    """Return recordings from the cache; if they are missing, write them to the cache first.

    Parameters
    ----------
    clips : sequence of Clip
        Recordings of one split, with any sample rates.
    cache_folder : str or Path
        Folder of caches, created if missing.
    spec : FrameSpec
        Frames of the codec.
    read : callable
        As for `write_pcm`.
    make_index : callable
        make_index(folder, spans) returns the index, by collection, and may write more files to the folder; by default,
        the index is the spans of the recordings.

    Raises
    ------
    ValueError
        If `clips` is empty or a file cannot be read.
    """

    def write(clips: Sequence[Clip], folder: Path) -> None:
        index = make_index(folder, write_pcm(clips, folder / PCM, read))
        (folder / INDEX).write_text(json.dumps(index))

    folder = cached(clips, cache_folder, spec, write)
    return CachedPcm(folder, np.memmap(folder / PCM, np.int16, "r"), json.loads((folder / INDEX).read_text()))


def cached(
    clips: Sequence[Clip], cache_folder: str | Path, spec: FrameSpec, write: Callable[[Sequence[Clip], Path], None]
) -> Path:
    """Return the cache folder of clips; if it does not exist, `write(sorted clips, folder)` writes its content.

    The folder gets its name only when it is complete.

    Raises
    ------
    ValueError
        If `clips` is empty.
    """
    if not clips:
        raise ValueError("`clips` is empty, it must have at least one recording")
    clips = sorted(clips, key=lambda c: (c.source, c.speaker, c.path))
    return whole_folder(Path(cache_folder) / cache_key(clips, spec), lambda part: write(clips, part))


def whole_folder(folder: Path, write: Callable[[Path], None]) -> Path:
    """Return a folder; if it does not exist, `write(part)` writes its content to a folder that gets its name then."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix="part-", dir=folder.parent))
        try:
            write(part)
            os.replace(part, folder)
        except OSError:
            if not folder.is_dir():  # otherwise another training has written the same folder
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def cache_key(clips: Sequence[Clip], spec: FrameSpec) -> str:
    """Return a hash of paths, sizes and times of the files, of `spec`, and of the version of the analysis."""
    stats = [c.path.stat() for c in clips]
    files = [(c.source, str(c.path), s.st_size, s.st_mtime_ns) for c, s in zip(clips, stats, strict=True)]
    return hashlib.sha256(json.dumps([ANALYSIS_VERSION, asdict(spec), files]).encode()).hexdigest()[:16]


def write_pcm(clips: Sequence[Clip], path: Path, read: Callable[[Clip], np.ndarray]) -> Spans:
    """Write concatenated recordings; return the ranges of the recordings of each collection.

    Parameters
    ----------
    clips : sequence of Clip
    path : Path
        File of int16 samples to write.
    read : callable
        read(clip) returns a float array (n_samples,) or (n_samples, channels), in [-1, 1].
    """
    spans: Spans = {}
    n = 0
    with open(path, "wb") as f:
        for clip in tqdm(clips, "reading recordings", unit="file", leave=False, mininterval=1.0):
            x = read(clip)
            f.write(to_pcm16(x).tobytes())
            spans.setdefault(clip.source, []).append((n, n + len(x)))
            n += len(x)
    return spans


def as_floats(pcm: np.ndarray) -> np.ndarray:
    """Return int16 samples as float32 in [-1, 1).

    Examples
    --------
    >>> as_floats(np.array([-32768, 16384], np.int16)).tolist()
    [-1.0, 0.5]
    """
    return pcm.astype(np.float32) / np.float32(32768)
