"""Describe the recordings on which a rival is closest to our codec, or ahead.

    python experiments/worst.py DATA [--model NAME]

Decodes the ten recordings per rate that `benchmark.py` lists in `results/benchmark/worst.csv`, and describes each one
next to the median of all held-out recordings: level, background, pitch, share of power above 4 kHz, and the level error
of decoded speech in five bands, per frame. Writes `results/benchmark/worst.md`.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from benchmark import RATE_HZ
from coders import own_code
from report import RESULTS, make_parser, publish
from scipy.signal import ShortTimeFFT, get_window

import lpcnet_cq
from dsp.pitch import pitch_track
from lpcnet_cq.evaluation.evaluate import held_out
from lpcnet_cq.evaluation.tables import group_by, markdown, read_rows
from lpcnet_cq.training.data import read_clip

EDGES_HZ = (60, 500, 1000, 2000, 4000, 8000)
WINDOW = 512
QUIET, LOUD = 0.1, 0.9  # quantiles of frame levels that stand for background and speech
TALK_HZ = 4000
TEXT_COLUMNS = ("codec", "clip", "rival")
DESCRIBED = ["level, dB", "speech to background, dB", "pitch, Hz", "above 4 kHz, dB"]
OFF = [f"off, {low / 1000:g} to {high / 1000:g} kHz, dB" for low, high in pairwise(EDGES_HZ)]


def band_powers(x: np.ndarray) -> np.ndarray:
    """Return powers (frames, bands) of a signal (n,)."""
    transform = ShortTimeFFT(np.asarray(get_window("hann", WINDOW)), WINDOW // 4, RATE_HZ)
    power = np.abs(transform.stft(x)) ** 2
    index = np.digitize(transform.f, EDGES_HZ) - 1
    return np.stack([power[index == k].sum(axis=0) for k in range(len(EDGES_HZ) - 1)], axis=1)


def describe(x: np.ndarray, y: np.ndarray) -> list[float]:
    """Describe a recording (n,) and its decoded copy (n,): see `DESCRIBED` and `OFF`."""
    P, Q = band_powers(x), band_powers(y)
    level = 10 * np.log10(P.sum(axis=1) + 1e-9)
    quiet, loud = np.quantile(level, [QUIET, LOUD])
    speech = level > (quiet + loud) / 2
    f0_hz, _ = pitch_track(np.lib.stride_tricks.sliding_window_view(x, 2 * WINDOW)[::WINDOW], RATE_HZ)
    high = P[speech, EDGES_HZ.index(TALK_HZ) :].sum() / P[speech].sum()
    distance = 10 * np.abs(np.log10((Q[speech] + 1e-9) / (P[speech] + 1e-9)))
    total = 10 * np.log10(np.mean(x**2) + 1e-12)
    pitch_hz = np.median(voiced) if len(voiced := f0_hz[np.isfinite(f0_hz)]) else np.nan
    return [total, loud - quiet, pitch_hz, 10 * np.log10(high), *distance.mean(axis=0)]


def table(title: str, rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Return the descriptions of recordings as Markdown."""
    lines = [[name, *(f"{v:.{int(i >= 4)}f}" for i, v in enumerate(values))] for name, values in rows]
    return markdown([title, *DESCRIBED, *OFF], lines)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("data")
    parser.add_argument("--model", help="weights (default: the released ones)")
    args = parser.parse_args()
    codec = lpcnet_cq.load(args.model)
    clips = {f"{c.source}/{c.speaker}/{c.path.name}": c for c in held_out(args.data)}
    text = []
    for (kbps,), listed in group_by(read_rows(RESULTS / "benchmark" / "worst.csv", TEXT_COLUMNS), "kbps_asked").items():
        found = {}
        for name, clip in clips.items():
            x = read_clip(clip, RATE_HZ)
            found[name] = describe(x.astype(np.float64), own_code(codec, kbps)(x)[0].astype(np.float64))
        rows = [(f"{row['clip']} ({row['difference']:+.2f} to {row['rival']})", found[row["clip"]]) for row in listed]
        median = np.nanmedian(list(found.values()), axis=0)
        text.append(table(f"{kbps:g} kbps", [("median of all", median), *rows]))
    publish("\n".join(text), RESULTS / "benchmark" / "worst.md")


if __name__ == "__main__":
    main()
