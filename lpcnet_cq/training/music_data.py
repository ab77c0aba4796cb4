"""Training data of music: recordings in a memory-mapped array, and reproducible batches with masking thresholds.

Place in the chain: as `speech_data`. Masking thresholds and short-block flags are computed here, in the thread that
computes batches, so that the training step does not wait for them.

Crops are taken from pieces of music. Collections of short sounds (notes, drums) are mixed to scenes: several sounds at
random times, directions, levels and speeds.

Letters: B crops in a batch, T packets, N samples in a block, F frames and K lines of masking thresholds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dsp.frames import FrameSpec
from lpcnet_cq.audio.writer import to_pcm16
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.front_end import short_block_flags
from lpcnet_cq.training.augment import change_speed
from lpcnet_cq.training.cache import as_floats, cached_pcm
from lpcnet_cq.training.data import Clip, read_clip
from lpcnet_cq.training.music_objective import compared
from lpcnet_cq.training.psychoacoustic_loss import threshold_db
from lpcnet_cq.training.sampling import batch_generator, collection_probabilities
from lpcnet_cq.training.tar_corpus import recordings

SHORT_S = 15.0  # collections with a smaller mean duration of recordings contain single sounds
SOUNDS = (1, 6)  # number of sounds in a scene
SPEED = (0.75, 1.33)  # speed factors of sounds in a scene
LEVELS_DB = (-18.0, 0.0)  # levels of sounds in a scene
PEAKS_DB = (-14.0, -0.1)  # peak levels of crops relative to full scale
MONO_SHARE = 0.15  # share of crops that become mono
SILENT = 1e-3  # crops with a smaller peak amplitude are drawn again


@dataclass(frozen=True)
class Recordings:
    """Hold all recordings: `pcm` (n, 2) int16, and the recordings of each collection as half-open ranges of samples."""

    pcm: np.ndarray
    sources: dict[str, list[tuple[int, int]]]
    spec: FrameSpec


def build_recordings(clips: Sequence[Clip], cache_folder: str | Path, spec: FrameSpec) -> Recordings:
    """Return recordings from the cache; if they are missing, write them to the cache first.

    Parameters
    ----------
    clips : recordings of one split, with any sample rates.
    cache_folder : folder of caches, created if missing.
    spec : frames of the codec.

    Raises
    ------
    ValueError
        If `clips` is empty or a file cannot be read.
    """
    stored = cached_pcm(clips, cache_folder, spec, lambda clip: read_stereo(clip, spec))
    sources = {name: [(first, stop) for first, stop in spans] for name, spans in stored.index.items()}
    return Recordings(stored.pcm.reshape(-1, 2), sources, spec)


def read_shard(path: Path, spec: FrameSpec) -> Recordings:
    """Read the recordings of a tar shard into memory; the collection of each is the first folder of its name.

    Raises
    ------
    ValueError
        If the file is not a shard, a recording cannot be read, or there is none.
    """
    pcm, sources, n = [], dict[str, list[tuple[int, int]]](), 0
    for name, x in recordings(path, spec.sample_rate_hz, channels=2):
        pcm.append(to_pcm16(stereo(x)))
        collection = name.partition("/")[0] if "/" in name else ""
        sources.setdefault(collection, []).append((n, n + len(x)))
        n += len(x)
    if not pcm:
        raise ValueError(f"`{path}` has no recording")
    return Recordings(np.concatenate(pcm), sources, spec)


def read_stereo(clip: Clip, spec: FrameSpec) -> np.ndarray:
    """Read a recording as two channels, float32 (n_samples, 2)."""
    return stereo(read_clip(clip, spec.sample_rate_hz, channels=2))


def stereo(x: np.ndarray) -> np.ndarray:
    """Return two channels (n, 2); mono (n,) becomes two equal ones."""
    return x if x.ndim == 2 else np.stack([x, x], axis=1)


class MusicBatches:
    """Draw random crops and scenes, which depend only on (seed, step).

    `sampling` draws a collection; crops begin at any sample.

    Parameters
    ----------
    recordings : from `build_recordings`.
    batch : B, number of crops in a batch.
    seconds : duration of a crop, rounded to T packets.
    seed : 0..2^63 - 1.
    config : MusicConfig
        Configuration of the codec, with the lengths of blocks.

    Raises
    ------
    ValueError
        If no recording is as long as a crop, and no collection contains single sounds.
    """

    def __init__(self, recordings: Recordings, batch: int, seconds: float, seed: int, config: MusicConfig) -> None:
        self.recordings, self.batch_size, self.seed, self.config = recordings, batch, seed, config
        fs = recordings.spec.sample_rate_hz
        self.n_packets = max(5, round(seconds * fs / config.spec.hop))
        self.n = (self.n_packets + 2) * config.spec.hop
        lengths = {k: np.array([b - a for a, b in v]) for k, v in recordings.sources.items()}
        self.short = [k for k, v in lengths.items() if v.mean() < SHORT_S * fs]
        self.names = [k for k, v in lengths.items() if k in self.short or v.max() >= self.n]
        if not self.names:
            raise ValueError(f"`seconds` is {seconds}, it must be at most the length of the longest recording")
        self.seconds = {k: lengths[k].sum() / fs for k in self.names}

    def batch(self, step: int, rows: Iterable[int] | None = None) -> dict[str, np.ndarray]:
        """Return batch number `step` (0, 1, ...), or only some of its rows.

        Returns
        -------
        x : (B, 2, (T+2) N) float32 in [-1, 1]: left and right channel of the crops, with a block before and after.
        is_short : (B, T+2) float32: 1 for packets with short blocks, 0 for others.
        mask_db : (B, 2, F, K) float32: masking thresholds of the samples that `objective.compared` selects, dB SPL.
        """
        rows = range(self.batch_size) if rows is None else rows
        x = np.stack([self._crop(batch_generator(self.seed, step, row)) for row in rows])
        is_short = np.stack([short_block_flags(both, self.config) for both in x])
        inner = x[..., compared(self.config, self.n_packets)]
        return {"x": x, "is_short": is_short, "mask_db": threshold_db(inner, self.config.spec.sample_rate_hz)}

    def _crop(self, rng: np.random.Generator) -> np.ndarray:
        """Return left and right channel of a crop, (2, n)."""
        while True:
            source = self._draw(rng, self.names)
            x = self._scene(rng) if source in self.short else self._excerpt(rng, source)
            peak = float(np.abs(x).max())
            if peak >= SILENT:
                break
        gain = 10 ** (rng.uniform(*PEAKS_DB) / 20) / peak
        if rng.random() < MONO_SHARE:
            x = np.broadcast_to(x.mean(axis=1, keepdims=True), x.shape)
        return np.ascontiguousarray(np.float32(gain) * x.T)

    def _draw(self, rng: np.random.Generator, names: list[str]) -> str:
        return names[rng.choice(len(names), p=collection_probabilities([self.seconds[k] for k in names]))]

    def _excerpt(self, rng: np.random.Generator, source: str) -> np.ndarray:
        """Return a part of one recording, (n, 2); all possible parts of a collection are equally likely."""
        spans = np.array([span for span in self.recordings.sources[source] if span[1] - span[0] >= self.n])
        room = np.cumsum(spans[:, 1] - spans[:, 0] - self.n + 1)
        at = rng.integers(room[-1])
        i = np.searchsorted(room, at, side="right")
        return self._samples(spans[i, 1] - self.n - (room[i] - 1 - at), self.n)

    def _scene(self, rng: np.random.Generator) -> np.ndarray:
        """Return a mix of short sounds, (n, 2)."""
        x = np.zeros((self.n, 2), np.float32)
        for _ in range(rng.integers(SOUNDS[0], SOUNDS[1] + 1)):
            spans = self.recordings.sources[self._draw(rng, self.short)]
            first, stop = spans[rng.integers(len(spans))]
            speed = float(np.exp(rng.uniform(*np.log(SPEED))))
            length = min(stop - first, int(2 * self.n * speed))
            skip = rng.integers(stop - first - length + 1)
            sound = change_speed(self._samples(first + skip, length), speed)
            angle, gain = rng.uniform(0, np.pi / 2), 10 ** (rng.uniform(*LEVELS_DB) / 20)
            sound = sound * np.float32(2**0.5 * gain) * np.array([np.cos(angle), np.sin(angle)], np.float32)
            start = rng.integers(-len(sound) // 2, self.n)  # most onsets are inside the crop
            a, b = max(start, 0), min(start + len(sound), self.n)
            x[a:b] += sound[a - start : b - start]
        return x

    def _samples(self, first, n: int) -> np.ndarray:
        """Return samples first to first + n - 1 in [-1, 1]."""
        return as_floats(self.recordings.pcm[first : first + n])
