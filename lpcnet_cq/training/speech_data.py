"""Recordings of speech become memory-mapped shards with their LSFs, and shards become reproducible batches.

Place in the chain: between the recordings of a corpus and the training of speech.

A crop is chosen by a counter-based generator keyed by (seed, step): batch 5,000 is the same whether the training got
there in one go or was resumed ten times, and nothing but the step number has to be saved.

Letters: B crops in a batch, T packets in a crop, M order of the linear prediction, N = T * hop samples.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from dsp.frames import FrameSpec
from lpcnet_cq.speech.analysis import analyse_lsf
from lpcnet_cq.training.active_level import active_level_dbov
from lpcnet_cq.training.augment import SPEED, augment, draw_speed
from lpcnet_cq.training.cache import cached, write_pcm
from lpcnet_cq.training.data import Clip, read_clip
from lpcnet_cq.training.psychoacoustic_loss import threshold_db

LEVELS_DBOV = (-36.0, -16.0)
SILENCE_DBOV = -60.0
_CHUNK_PACKETS = 1500


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
        spans = write_pcm(clips, folder / "pcm.i16", lambda clip: read_faded(clip, spec))
        sources = {name: (of[0][0] // spec.hop, of[-1][1] // spec.hop) for name, of in spans.items()}
        n_packets = max(stop for _, stop in sources.values())
        if n_packets == 0:
            raise ValueError(
                f"clips: none of the {len(clips)} recordings is as long as a packet ({spec.hop} samples)"
            )
        _write_lsf(folder, n_packets, spec)
        (folder / "sources.json").write_text(json.dumps(sources))

    folder = cached(clips, cache_folder, spec, write)
    sources = {k: (v[0], v[1]) for k, v in json.loads((folder / "sources.json").read_text()).items()}
    return Shards(
        np.memmap(folder / "pcm.i16", np.int16, "r"), np.load(folder / "lsf.npy", "r"), sources, spec
    )


def read_faded(clip: Clip, spec: FrameSpec) -> np.ndarray:
    """Read a recording as whole packets, float32 (n_samples,), faded over one subframe at both ends."""
    fade = (np.arange(spec.subframe, dtype=np.float32) + 0.5) / spec.subframe
    x = read_clip(clip, spec.sample_rate_hz)
    x = x[: len(x) // spec.hop * spec.hop].copy()
    if len(x) > 0:
        x[: len(fade)] *= fade
        x[-len(fade) :] *= fade[::-1]
    return x


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
        mask_db : (B, F, K) float32, dB SPL, where asked for: see `psychoacoustic_loss.threshold_db`.
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
