"""Training data of speech: memory-mapped shards of samples and LSFs, and reproducible batches.

Place in the chain: between the recordings of a corpus and the training of speech.

Letters: B crops in a batch, T packets in a crop, M order of the linear prediction, N = T * hop samples.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dsp.frames import FrameSpec
from lpcnet_cq.audio.writer import to_pcm16
from lpcnet_cq.speech.analysis import analyse_lsf
from lpcnet_cq.training.active_level import active_level_dbov
from lpcnet_cq.training.augment import SPEED, augment, draw_speed
from lpcnet_cq.training.cache import PCM, Spans, as_floats, cached_pcm
from lpcnet_cq.training.data import Clip, read_clip
from lpcnet_cq.training.psychoacoustic_loss import threshold_db
from lpcnet_cq.training.sampling import batch_generator, collection_probabilities
from lpcnet_cq.training.tar_corpus import recordings

LEVELS_DBOV = (-36.0, -16.0)  # range of active speech levels of crops
SILENCE_DBOV = -60.0  # crops with a lower level are rarely used
_CHUNK_PACKETS = 1500


@dataclass(frozen=True)
class Shards:
    """Hold all recordings as two parallel arrays on disk.

    `pcm` (n_packets * hop,) int16; `lsf` (n_packets, M) float32, radians, unquantised; `sources` maps each collection
    to its half-open range of packets.
    """

    pcm: np.ndarray
    lsf: np.ndarray
    sources: dict[str, tuple[int, int]]
    spec: FrameSpec


def build_shards(clips: Sequence[Clip], cache_folder: str | Path, spec: FrameSpec) -> Shards:
    """Return shards from the cache; if they are missing, write concatenated clips and their LSFs to the cache first.

    Each clip is truncated to whole packets and faded over one subframe at both ends. The analysis of the codec computes
    the LSFs of the concatenated signal. The key of the cache consists of paths, sizes and times of the files, `spec`,
    and the version of the analysis.

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

    def make_index(folder: Path, spans: Spans) -> dict[str, tuple[int, int]]:
        sources = {name: (of[0][0] // spec.hop, of[-1][1] // spec.hop) for name, of in spans.items()}
        n_packets = max(stop for _, stop in sources.values())
        if n_packets == 0:
            raise ValueError(
                f"`clips` has {len(clips)} recordings, at least one must be as long as a packet ({spec.hop} samples)"
            )
        _write_lsf(folder, n_packets, spec)
        return sources

    stored = cached_pcm(clips, cache_folder, spec, lambda clip: read_faded(clip, spec), make_index)
    sources = {name: (first, stop) for name, (first, stop) in stored.index.items()}
    return Shards(stored.pcm, np.load(stored.folder / "lsf.npy", "r"), sources, spec)


def read_shard(path: Path, spec: FrameSpec) -> Shards:
    """Read the recordings of a tar shard into memory, as `build_shards` does.

    Raises
    ------
    ValueError
        If the file is not a shard, a recording cannot be read, or none is as long as a packet.
    """
    pcm, lsf = [], []
    for _, x in recordings(path, spec.sample_rate_hz):
        pcm.append(to_pcm16(faded(x, spec)))
        if len(pcm[-1]):
            lsf.append(analyse_lsf(as_floats(pcm[-1]), spec).astype(np.float32))
    if not lsf:
        raise ValueError(f"`{path}` has no recording that is as long as a packet ({spec.hop} samples)")
    lsf = np.concatenate(lsf)
    return Shards(np.concatenate(pcm), lsf, {path.name: (0, len(lsf))}, spec)


def read_faded(clip: Clip, spec: FrameSpec) -> np.ndarray:
    """Read a recording as whole packets, float32 (n_samples,), faded over one subframe at both ends."""
    return faded(read_clip(clip, spec.sample_rate_hz), spec)


def faded(x: np.ndarray, spec: FrameSpec) -> np.ndarray:
    """Return whole packets of a signal (n_samples,), faded over one subframe at both ends."""
    fade = (np.arange(spec.subframe, dtype=np.float32) + 0.5) / spec.subframe
    x = x[: len(x) // spec.hop * spec.hop].copy()
    if len(x) > 0:
        x[: len(fade)] *= fade
        x[-len(fade) :] *= fade[::-1]
    return x


def _write_lsf(folder: Path, n_packets: int, spec: FrameSpec) -> None:
    """Analyse the concatenated signal in chunks with context; the result is that of the whole signal."""
    pcm = np.memmap(folder / PCM, np.int16, "r")
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
    """Draw random crops of the shards, which depend only on (seed, step).

    `sampling` draws a collection; then a crop that begins at any of its packets is drawn. Nearly silent crops (below
    -60 dBov) are drawn again with probability 0.9, else they keep their level. All other crops get a random gain, so
    that their active level is uniform in -36 to -16 dBov, or lower if they would clip. `augment` changes some crops
    first; their LSFs are computed again.

    Parameters
    ----------
    shards : from `build_shards`.
    batch : B, number of crops in a batch.
    seconds : duration of a crop, rounded to T packets.
    seed : 0..2^63 - 1.
    masks : whether batches contain the masking thresholds of their crops.

    Raises
    ------
    ValueError
        If no collection is as long as a crop.
    """

    def __init__(self, shards: Shards, batch: int, seconds: float, seed: int, masks: bool = False) -> None:
        spec = shards.spec
        self.shards, self.batch_size, self.seed, self.masks = shards, batch, seed, masks
        self.n_packets = max(1, round(seconds * spec.sample_rate_hz / spec.hop))
        after = -(-spec.look_ahead // spec.hop)
        # A crop needs two packets before it, for the previous LSFs and their window, and the look-ahead after it;
        # all lengths are multiplied by the speed factor.
        self._raw = int(np.ceil((self.n_packets + 2 + after) * spec.hop * SPEED[1])) + 1
        spans = [(a, b - -(-self._raw // spec.hop) + 1) for a, b in shards.sources.values()]
        spans = [(a, b) for a, b in spans if b > a]
        if not spans:
            raise ValueError(
                f"`seconds` is {seconds}, it must be at most the length of the longest collection of the corpus"
            )
        self._spans = np.array(spans)
        self._probability = collection_probabilities(self._spans[:, 1] - self._spans[:, 0])

    def batch(self, step: int, rows: Iterable[int] | None = None) -> dict[str, np.ndarray]:
        """Return batch number `step` (0, 1, ...), or only some of its rows.

        Returns
        -------
        x : (B, T * hop + look_ahead) float32 in [-1, 1]: the crops, each with its look-ahead.
        lsf : (B, T + 1, M) float32, radians; `lsf[:, 0]` belongs to the packet before the crop.
        mask_db : (B, F, K) float32, dB SPL, only with `masks`: see `psychoacoustic_loss.threshold_db`.
        """
        rows = range(self.batch_size) if rows is None else rows
        crops = [self._crop(batch_generator(self.seed, step, row)) for row in rows]
        x = np.stack([x for x, _ in crops])
        masks = {"mask_db": threshold_db(x, self.shards.spec.sample_rate_hz)} if self.masks else {}
        return {"x": x, "lsf": np.stack([lsf for _, lsf in crops])} | masks

    def _crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        spec = self.shards.spec
        while True:
            n = rng.integers(*self._spans[rng.choice(len(self._spans), p=self._probability)])
            raw = as_floats(self.shards.pcm[n * spec.hop : n * spec.hop + self._raw])
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
