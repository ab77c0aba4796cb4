"""Transcribed speech as features and labels, for the recogniser.

A corpus is a folder whose `index.csv` has a column `transcript`. Recordings without a transcript are left out.
Letters: B utterances, T frames of 10 ms, F mel bands, L letters.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from lpcnet_cq.training.data import Clip, hold_out, open_corpus, read_clip
from lpcnet_cq.training.mel import mel_bank

RATE_HZ = 16000
FRAME, HOP, BANDS = 400, 160, 40  # samples: 25 ms every 10 ms
FLOOR = 3e-5  # amplitude added to band amplitudes, full scale 1
ALPHABET = " ABCDEFGHIJKLMNOPQRSTUVWXYZ'"  # letter i has the label i + 1; 0 is the blank of CTC
BUCKETS = {400: 16, 800: 8}  # frames that utterances are padded to, and utterances per batch
MOST_LETTERS = 96
SPEED = 0.1  # largest relative change of speed
MASKS, MASKED_BANDS, MASKED_FRAMES = 2, 8, 30


@dataclass(frozen=True)
class Utterance:
    """Hold a recording and its transcript."""

    clip: Clip
    text: str


def plain(text: str) -> str:
    """Return a text reduced to the letters of the alphabet.

    >>> plain("It's 3-fold.")
    "IT'S FOLD"
    """
    return " ".join("".join(c for c in text.upper() if c in ALPHABET).split())


def spell(text: str) -> np.ndarray:
    """Return the labels of a text (L,).

    >>> spell("Ab").tolist()
    [2, 3]
    """
    return np.array([1 + ALPHABET.index(c) for c in plain(text)], np.int32)


def open_transcripts(folder: str | Path) -> dict[str, list[Utterance]]:
    """Return the utterances of a corpus: "train", "held" (a tenth of those speakers) and "dev" (its dev speakers)."""
    root = Path(folder)
    with open(root / "index.csv", newline="", encoding="utf-8") as file:
        texts = {root / row["path"]: row["transcript"] for row in csv.DictReader(file) if row.get("transcript")}
    clips = [clip for clip in open_corpus(root) if clip.path in texts]
    train = hold_out([clip for clip in clips if clip.split == "train"])
    parts = {
        "train": [clip for clip in train if clip.split == "train"],
        "held": [clip for clip in train if clip.split == "dev"],
        "dev": [clip for clip in clips if clip.split == "dev"],
    }
    return {name: [Utterance(clip, texts[clip.path]) for clip in part] for name, part in parts.items()}


def features(x: np.ndarray) -> np.ndarray:
    """Return log-mel features (T, F) of x (n,): each band of mean 0, all of them of deviation 1."""
    n = max(0, len(x) - FRAME) // HOP + 1
    x = np.pad(x, (0, max(0, FRAME - len(x))))
    frames = np.lib.stride_tricks.sliding_window_view(x, FRAME)[::HOP][:n] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames) * 2 / FRAME) ** 2 @ mel_bank(BANDS, FRAME, RATE_HZ)
    log = 0.5 * np.log(power + FLOOR**2)
    log -= log.mean(axis=0)
    return (log / max(log.std(), 1e-3)).astype(np.float32)


def read_features(utterances: Sequence[Utterance]) -> list[np.ndarray]:
    """Return the features of recordings."""
    return [features(read_clip(of.clip, RATE_HZ)) for of in utterances]


def fill(frames: Sequence[np.ndarray], T: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features (B, T, F), padded with zeros, and their lengths (B,)."""
    x = np.zeros((len(frames), T, BANDS), np.float32)
    for row, of in zip(x, frames, strict=True):
        row[: len(of)] = of[:T]
    return x, np.array([min(len(of), T) for of in frames], np.int32)


class Batches:
    """Draw batches of utterances of similar length; the same seed and step give the same batch.

    Parameters
    ----------
    frames : list of arrays (T, F)
    texts : list of str
    seed : int
    """

    def __init__(self, frames: Sequence[np.ndarray], texts: Sequence[str], seed: int):
        self.frames, self.labels, self.seed = frames, [spell(text) for text in texts], seed
        room, lengths = 1 - SPEED, np.array([len(of) for of in frames])
        edges = [0, *(T * room for T in BUCKETS)]
        self.members = [np.flatnonzero((a < lengths) & (lengths <= b)) for a, b in pairwise(edges)]
        seconds = np.array([lengths[of].sum() for of in self.members], float)
        self.share = seconds / seconds.sum()

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Return batch number `step`: `x` (B, T, F), `n_frames` (B,), `labels` (B, L) with 0 behind the last."""
        rng = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], np.uint64)))
        k = rng.choice(len(BUCKETS), p=self.share)
        T, B = list(BUCKETS.items())[k]
        chosen = rng.choice(self.members[k], B)
        x, n_frames = fill([augment(self.frames[i], rng) for i in chosen], T)
        labels = np.zeros((B, MOST_LETTERS), np.int32)
        for row, i in zip(labels, chosen, strict=True):
            row[: len(self.labels[i])] = self.labels[i][:MOST_LETTERS]
        return {"x": x, "n_frames": n_frames, "labels": labels}


def augment(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change the speed of features (T, F) and set some bands and frames to zero.

    References
    ----------
    D. S. Park et al., "SpecAugment", Interspeech 2019.
    """
    speed = 1 + SPEED * rng.uniform(-1, 1)
    x = frames[np.arange(0, len(frames) - 0.5, speed).round().astype(int)].copy()
    for _ in range(MASKS):
        band, frame = rng.integers(BANDS), rng.integers(len(x))
        x[:, band : band + rng.integers(MASKED_BANDS)] = 0
        x[frame : frame + rng.integers(min(MASKED_FRAMES, len(x) // 4 + 1))] = 0
    return x
