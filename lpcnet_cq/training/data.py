"""Corpora of recorded speech become memory-mapped shards, and shards become reproducible batches.

First in the chain of training; the codec itself never needs it. The letters:
B crops in a batch, T packets in a crop, M order of the linear prediction, N = T * hop samples.

A crop is chosen by a counter-based generator keyed by (seed, step): batch 5,000 is the same whether the
training got there in one go or was resumed ten times, and nothing but the step number has to be saved.
"""

import csv
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dsp.frames import FrameSpec
from lpcnet_cq.audio import read_audio
from lpcnet_cq.speech.analysis import VERSION as ANALYSIS_VERSION
from lpcnet_cq.speech.analysis import analyse_lsf
from lpcnet_cq.training.active_level import active_level_dbov
from lpcnet_cq.training.augment import SPEED, augment, draw_speed
from lpcnet_cq.training.psychoacoustic_loss import threshold_db

AUDIO_SUFFIXES = frozenset({".flac", ".ogg", ".opus", ".sph", ".wav"})

# Folders that wrap speakers in the layouts of LibriSpeech, VCTK and TIMIT, but are no speakers themselves.
_WRAPPER = re.compile(
    r"librispeech|vctk.*|timit|data|audio|clips|speech|flac|wavs?|wav(16|48)\w*|dr[1-8]"
    r"|(train|dev|test|valid|validation)([-_](clean|other|\d+))*",
    re.IGNORECASE,
)
_TRAIN, _DEV = re.compile(r"train", re.IGNORECASE), re.compile(r"dev|test|valid", re.IGNORECASE)

LEVELS_DBOV = (-36.0, -16.0)
SILENCE_DBOV = -60.0
_CHUNK_PACKETS = 1500


@dataclass(frozen=True)
class Clip:
    """One recording: its file, who speaks, "train" or "dev", and the collection it comes from."""

    path: Path
    speaker: str
    split: str
    source: str = ""


@dataclass(frozen=True)
class Shards:
    """All training material as two parallel arrays on disk.

    `pcm` (n_packets * hop,) int16; `lsf` (n_packets, M) float32, radians, unquantised;
    `sources` maps each collection to its half-open range of packets.
    """

    pcm: np.ndarray
    lsf: np.ndarray
    sources: dict[str, tuple[int, int]]
    spec: FrameSpec


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


def build_shards(clips: Sequence[Clip], cache_folder: str | Path, spec: FrameSpec) -> Shards:
    """Write the clips one behind the other, with their LSFs, into a cache; or open what lies there already.

    Each clip is cut to whole packets and faded over one subframe at both ends; the LSFs are those of the
    joined signal, as the codec's own analysis finds them. The cache is keyed by paths, sizes and
    times of the files, by `spec` and by the version of the analysis, and appears only when whole.

    Parameters
    ----------
    clips : recordings of one split, any rates.
    cache_folder : where caches live; made if missing.
    spec : frames of the codec.

    Raises
    ------
    ValueError
        If `clips` is empty or a file is unreadable.
    """

    def write(clips: Sequence[Clip], folder: Path) -> None:
        sources = _write_pcm(clips, folder / "pcm.i16", spec)
        _write_lsf(folder, max(stop for _, stop in sources.values()), spec)
        (folder / "sources.json").write_text(json.dumps(sources))

    folder = cached(clips, cache_folder, spec, write)
    sources = {k: (v[0], v[1]) for k, v in json.loads((folder / "sources.json").read_text()).items()}
    return Shards(
        np.memmap(folder / "pcm.i16", np.int16, "r"), np.load(folder / "lsf.npy", "r"), sources, spec
    )


def cached(
    clips: Sequence[Clip], cache_folder: str | Path, spec: FrameSpec, write: Callable[[Sequence[Clip], Path], None]
) -> Path:
    """Return the folder that `write(clips in order, folder)` fills, now or earlier; it appears only when whole.

    Raises
    ------
    ValueError
        If `clips` is empty.
    """
    if not clips:
        raise ValueError("clips: none given; training needs at least one recording")
    clips = sorted(clips, key=lambda c: (c.source, c.speaker, c.path))
    folder = Path(cache_folder) / cache_key(clips, spec)
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix="part-", dir=folder.parent))
        try:
            write(clips, part)
            os.replace(part, folder)
        except OSError:
            if not folder.is_dir():  # else another training filled the same folder meanwhile
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def cache_key(clips: Sequence[Clip], spec: FrameSpec) -> str:
    """Return what changes with paths, sizes and times of the files, with `spec` and the version of the analysis."""
    stats = [c.path.stat() for c in clips]
    files = [(c.source, str(c.path), s.st_size, s.st_mtime_ns) for c, s in zip(clips, stats, strict=True)]
    return hashlib.sha256(json.dumps([ANALYSIS_VERSION, asdict(spec), files]).encode()).hexdigest()[:16]


def _write_pcm(clips: Sequence[Clip], path: Path, spec: FrameSpec) -> dict[str, tuple[int, int]]:
    """Append all clips to `path`; return the range of packets of each source."""
    sources: dict[str, tuple[int, int]] = {}
    fade = (np.arange(spec.subframe, dtype=np.float32) + 0.5) / spec.subframe
    n_packets = 0
    with open(path, "wb") as f:
        for clip in tqdm(clips, "reading recordings", unit="file", leave=False, mininterval=1.0):
            x = read_clip(clip, spec.sample_rate_hz)
            x = x[: len(x) // spec.hop * spec.hop].copy()
            if len(x) > 0:
                x[: len(fade)] *= fade
                x[-len(fade) :] *= fade[::-1]
            f.write(np.clip(np.round(32768 * x), -32768, 32767).astype(np.int16).tobytes())
            first = sources.get(clip.source, (n_packets, n_packets))[0]
            n_packets += len(x) // spec.hop
            sources[clip.source] = (first, n_packets)
    if n_packets == 0:
        raise ValueError(
            f"clips: none of the {len(clips)} recordings is as long as a packet ({spec.hop} samples)"
        )
    return sources


def _write_lsf(folder: Path, n_packets: int, spec: FrameSpec) -> None:
    """Analyse the joined signal in pieces, with enough context to equal the analysis of the whole."""
    pcm = np.memmap(folder / "pcm.i16", np.int16, "r")
    before = 1 + max(0, spec.window - spec.hop - spec.look_ahead) // spec.hop
    after = -(-spec.look_ahead // spec.hop)
    out = None
    for start in tqdm(range(0, n_packets, _CHUNK_PACKETS), "analysing", leave=False, mininterval=1.0):
        stop = min(start + _CHUNK_PACKETS, n_packets)
        left = max(0, start - before)
        x = pcm[left * spec.hop : (stop + after) * spec.hop] / 32768.0
        lsf = analyse_lsf(x, spec)[start - left : stop - left]
        if out is None:
            out = np.lib.format.open_memmap(folder / "lsf.npy", "w+", np.float32, (n_packets, lsf.shape[-1]))
        out[start:stop] = lsf
    assert out is not None
    out.flush()


class Batches:
    """Random crops of the shards, the same for the same (seed, step) on every run.

    A source is drawn with probability proportional to (its seconds)^0.75, so that a big collection does not
    drown a small one; then a crop that starts on a packet anywhere in it. Nearly silent crops
    (below -60 dBov) are drawn anew nine times out of ten and keep their level; all others get a gain that
    puts their active level anywhere in -36 to -16 dBov, less where they would clip. Some crops are changed by
    `augment` first and analysed afresh.

    Parameters
    ----------
    shards : from `build_shards`.
    batch : B, crops in a batch.
    seconds : length of a crop, rounded to T packets.
    seed : 0..2^63 - 1.
    masks : whether batches have the masking thresholds of their crops.

    Raises
    ------
    ValueError
        If no source is as long as a crop.
    """

    def __init__(self, shards: Shards, batch: int, seconds: float, seed: int, masks: bool = False) -> None:
        spec = shards.spec
        self.shards, self.batch_size, self.seed, self.masks = shards, batch, seed, masks
        self.n_packets = max(1, round(seconds * spec.sample_rate_hz / spec.hop))
        after = -(-spec.look_ahead // spec.hop)
        # A crop needs two packets before it (the previous LSFs, and their window) and the look-ahead behind it;
        # a little more of everything where it is played faster.
        self._raw = int(np.ceil((self.n_packets + 2 + after) * spec.hop * SPEED[1])) + 1
        spans = [(a, b - -(-self._raw // spec.hop) + 1) for a, b in shards.sources.values()]
        spans = [(a, b) for a, b in spans if b > a]
        if not spans:
            raise ValueError(
                f"seconds: {seconds} is longer than every source of the corpus; give less, or more data"
            )
        self._spans = np.array(spans)
        weight = (self._spans[:, 1] - self._spans[:, 0]).astype(float) ** 0.75
        self._probability = weight / weight.sum()

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Batch number `step` (0, 1, ...).

        Returns
        -------
        x : (B, T * hop + look_ahead) float32 in [-1, 1]: the crops and the look-ahead behind each.
        lsf : (B, T + 1, M) float32, radians; `lsf[:, 0]` belongs to the packet before the crop.
        mask_db : (B, F, K) float32, dB SPL, where asked for: see `calibration.threshold_db`.
        """
        rng = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], np.uint64)))
        crops = [self._crop(rng) for _ in range(self.batch_size)]
        x = np.stack([x for x, _ in crops])
        masks = {"mask_db": threshold_db(x, self.shards.spec.sample_rate_hz)} if self.masks else {}
        return {"x": x, "lsf": np.stack([lsf for _, lsf in crops])} | masks

    def _crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        spec = self.shards.spec
        while True:
            n = rng.integers(*self._spans[rng.choice(len(self._spans), p=self._probability)])
            raw = self.shards.pcm[n * spec.hop : n * spec.hop + self._raw].astype(np.float32) / np.float32(32768)
            speed = draw_speed(rng)
            need = (self.n_packets + 2) * spec.hop + spec.look_ahead
            raw, changed = augment(raw[: int(np.ceil(need * speed)) + 1], speed, spec.sample_rate_hz, rng)
            x = raw[2 * spec.hop : need]
            level_dbov = active_level_dbov(x, spec.hop)
            target_dbov = rng.uniform(*LEVELS_DBOV)
            if level_dbov >= SILENCE_DBOV:
                gain = min(10 ** ((target_dbov - level_dbov) / 20), 0.999 / float(np.abs(x).max()))
                break
            if rng.random() >= 0.9:
                gain = 1.0
                break
        if changed:
            lsf = analyse_lsf(raw[:need], spec, self.shards.lsf.shape[1])
        else:
            lsf = self.shards.lsf[n : n + self.n_packets + 2]
        return x * np.float32(gain), np.array(lsf[1 : self.n_packets + 2])
