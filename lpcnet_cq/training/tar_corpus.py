"""Corpora in tar shards: training reads them one after the other, with the memory of a few shards.

Place in the chain: between tar shards and the batches of each codec. A corpus is a folder with shards `train-*.tar` and
`dev-*.tar` in the layout of WebDataset; members with a suffix of audio are recordings.

The rows of a batch are divided among lanes. Each lane draws its crops from one shard during `SHARD_STEPS` steps, and
then goes on to its next shard; in each epoch, all shards are shuffled and dealt to the lanes. Shards and crops of a
lane depend on the seed and the step only. Therefore the step in a checkpoint is the position in the corpus, a resumed
run reads what an uninterrupted one reads, and each process reads only the shards of its own rows.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np

from lpcnet_cq.audio.reader import read_audio
from lpcnet_cq.audio.writer import to_pcm16, wav_header
from lpcnet_cq.output import replacing
from lpcnet_cq.training.cache import whole_folder
from lpcnet_cq.training.data import AUDIO_SUFFIXES, Clip, read_clip
from lpcnet_cq.training.sampling import batch_generator
from lpcnet_cq.work.tar_shards import SUFFIX, ShardWriter, members

SHARD_STEPS = 256  # in which a lane draws from a shard; 15 minutes of speech are then heard about once or twice
MOST_LANES = 8  # shards from which a batch is drawn; fewer if the rows of a batch cannot be divided
SHUFFLE = 1 << 32  # row of the generator that shuffles shards, beyond those of crops


def shards_of(folder: str | Path, split: str) -> list[Path]:
    """Return the shards of a split, "train" or "dev", in the order of their names; none if it is no such corpus."""
    return sorted(Path(folder).glob(f"{split}-*{SUFFIX}"))


def recordings(path: Path, sample_rate_hz: int, channels: int = 1) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and samples of each recording of a shard, as `data.read_clip` reads them.

    Raises
    ------
    ValueError
        If the file is not a shard, or a recording cannot be read.
    """
    for name, data in members(path):
        if Path(name).suffix.lower() not in AUDIO_SUFFIXES:
            continue
        try:
            x = read_audio(BytesIO(data), sample_rate_hz, channels).x
        except ValueError as error:
            raise ValueError(f"`{path}` has the member `{name}`, which cannot be read: {error}") from error
        yield name, x


class ShardBatches:
    """Draw random crops of shards, which depend only on (seed, step); at most two shards per lane are in memory.

    Parameters
    ----------
    paths : sequence of Path
        Shards for training, in any order.
    draw : callable
        draw(path) reads a shard and returns an object with the method `batch(step, rows)`.
    batch : int
        Number of crops in a batch.
    seed : int
    """

    def __init__(self, paths: Sequence[Path], draw: Callable[[Path], Any], batch: int, seed: int) -> None:
        self._paths, self._draw = sorted(paths), draw
        self.batch_size, self.seed, self.lanes = batch, seed, gcd(batch, MOST_LANES)
        self._reader = ThreadPoolExecutor(1)  # reads the next shards while the present ones are used
        self._held: dict[tuple[int, int], Future] = {}

    def shard(self, lane: int, visit: int) -> Path:
        """Return the shard from which a lane draws its crops at its visit number 0, 1, ..."""
        epoch, i = divmod(visit * self.lanes + lane, len(self._paths))
        order = batch_generator(self.seed, epoch, SHUFFLE).permutation(len(self._paths))
        return self._paths[order[i]]

    def batch(self, step: int, rows: Iterable[int] | None = None) -> dict[str, np.ndarray]:
        """Return batch number `step`, or only some of its rows, as the batches of each shard do."""
        visit = step // SHARD_STEPS
        of_lanes: dict[int, list[int]] = {}
        for row in range(self.batch_size) if rows is None else rows:
            of_lanes.setdefault(row * self.lanes // self.batch_size, []).append(row)
        wanted = [(lane, v) for v in (visit, visit + 1) for lane in of_lanes]
        self._held = {key: self._held.get(key) or self._reader.submit(self._draw, self.shard(*key)) for key in wanted}
        parts = [self._held[lane, visit].result().batch(step, own) for lane, own in of_lanes.items()]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def dev_clips(folder: str | Path, cache_folder: Path) -> list[Clip]:
    """Return the recordings of the shards for evaluation, which are unpacked to the cache once.

    The speaker of a recording is the first part of its name that a slash or a hyphen ends.
    """
    shards = shards_of(folder, "dev")
    key = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in shards]
    root = Path(cache_folder) / hashlib.sha256(repr(key).encode()).hexdigest()[:16]

    def unpack(part: Path) -> None:
        for i, path in enumerate(shards):
            for name, data in members(path):
                if Path(name).suffix.lower() in AUDIO_SUFFIXES:
                    (part / f"{i}-{name.replace('/', '-')}").write_bytes(data)

    paths = sorted(whole_folder(root, unpack).iterdir())
    speakers = [path.name.split("-")[1].partition(".")[0] for path in paths]
    return [Clip(path, speaker, "dev", Path(folder).name) for path, speaker in zip(paths, speakers, strict=True)]


def write_shards(
    clips: Sequence[Clip], folder: Path, minutes: float, seed: int, sample_rate_hz: int, channels: int = 1
) -> int:
    """Write recordings in random order to shards of about so many minutes; return the number of shards.

    Each split has its own shards. Names of members begin with the speaker; with two channels, which are for music, with
    the collection.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n_shards = 0
    for split in sorted({clip.split for clip in clips}):
        own = [clip for clip in clips if clip.split == split]
        order = batch_generator(seed, 0, SHUFFLE).permutation(len(own))
        queue, i = [own[k] for k in order], 0
        while queue:
            with replacing(folder / f"{split}-{i:06d}{SUFFIX}") as file, ShardWriter(file) as shard:
                seconds = 0.0
                while queue and seconds < 60 * minutes:
                    clip = queue.pop()
                    x = read_clip(clip, sample_rate_hz, channels)
                    data = wav_header(x.ndim, sample_rate_hz, len(x)) + to_pcm16(x).tobytes()
                    owner = clip.source.replace("/", "-") if channels > 1 else clip.speaker
                    shard.add(f"{owner}/{clip.path.stem}-{len(queue):06d}.wav", data)
                    seconds += len(x) / sample_rate_hz
            i, n_shards = i + 1, n_shards + 1
    return n_shards
