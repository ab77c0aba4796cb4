"""Robustness beyond clean English: noise, reverberation, low levels, children, other languages; ours against Opus.

Noise, reverberation and levels are applied to held-out clean speech; the reference of the scores is the input of the
codec. Languages are the prompts of the default corpus, none of which the released weights were trained on.
Run: python experiments/robustness.py DATA [--model WEIGHTS] [--rates 9k,16k,24k]; writes to results/robustness
"""

from collections.abc import Iterator

import numpy as np
from benchmark import OWN, RATE_HZ, rates_of, steered_code
from coders import as_pcm16, own_code
from report import RESULTS, make_parser, publish, record_run
from scipy.signal import fftconvolve

import lpcnet_cq
from lpcnet_cq.evaluation.evaluate import held_out, select_clips
from lpcnet_cq.evaluation.metrics import estoi, pesq_wb
from lpcnet_cq.evaluation.tables import group_by, markdown, write_rows
from lpcnet_cq.training.corpus import default_corpus
from lpcnet_cq.training.data import Clip, open_corpus, read_clip

NOISE_DB, QUIET_DB, REVERBERATION_S, DIRECT_DB = 10.0, -30.0, 0.4, 3.0
CLIPS_S, LANGUAGE_S, PER_LANGUAGE = 150.0, 7.0, 3


def in_noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add noise that falls by 3 dB per octave, `NOISE_DB` below the speech."""
    spectrum = np.fft.rfft(rng.standard_normal(len(x))) / np.arange(1, len(x) // 2 + 2) ** 0.5
    w = np.fft.irfft(spectrum, len(x))
    return x + w * np.sqrt(np.mean(x**2) / np.mean(w**2)) * 10 ** (-NOISE_DB / 20)


def in_room(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add noise under an exponential as a reverberation, `DIRECT_DB` below the direct sound."""
    n = int(REVERBERATION_S * RATE_HZ)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail[:80] = 0
    return x + fftconvolve(x, tail / np.linalg.norm(tail) * 10 ** (-DIRECT_DB / 20))[: len(x)]


CONDITIONS = {
    "clean": lambda x, rng: x,
    f"noise, {NOISE_DB:g} dB": in_noise,
    f"room, {REVERBERATION_S:g} s": in_room,
    f"quiet, {QUIET_DB:g} dB": lambda x, rng: x * 10 ** (QUIET_DB / 20),
}


def languages() -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield condition, name and samples: prompts of one speaker, joined."""
    clips = open_corpus(default_corpus())
    for speaker in sorted({c.speaker for c in clips}):
        mine, x, count = [c for c in clips if c.speaker == speaker], np.zeros(0, np.float32), 0
        for clip in mine[5:]:
            x = np.concatenate([x, read_clip(clip, RATE_HZ)])
            if len(x) >= LANGUAGE_S * RATE_HZ:
                yield "languages", f"{speaker}-{count}", x
                x, count = x[:0], count + 1
            if count == PER_LANGUAGE:
                break


def material(clips: list[Clip]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield condition, name and samples of everything that is coded."""
    phone = [c for c in clips if c.source == "speechocean762"]
    for clip in select_clips([c for c in clips if c not in phone], CLIPS_S):
        for i, (name, change) in enumerate(CONDITIONS.items()):
            x = change(read_clip(clip, RATE_HZ).astype(np.float64), np.random.default_rng(i))
            yield name, clip.path.name, (x * min(1.0, 0.99 / np.abs(x).max())).astype(np.float32)
    for clip in phone:
        yield "children and adults, phone", clip.path.name, read_clip(clip, RATE_HZ)
    yield from languages()


def table(rows: list[dict]) -> str:
    """Return means per condition and rate as Markdown, and the largest deficit of a recording to Opus."""
    head = ["condition", "kbps", "clips", "PESQ ours", "PESQ Opus", "worst difference", "ESTOI ours", "ESTOI Opus"]
    lines = []
    scored = [r for r in rows if np.isfinite(r["pesq"] + r["pesq_opus"])]
    for (condition, kbps), group in group_by(scored, "condition", "kbps_asked").items():
        mean = {k: np.mean([r[k] for r in group]) for k in ("pesq", "pesq_opus", "estoi", "estoi_opus")}
        worst = min(r["pesq"] - r["pesq_opus"] for r in group)
        cells = [condition, f"{kbps:g}", str(len(group)), f"{mean['pesq']:.2f}", f"{mean['pesq_opus']:.2f}"]
        lines.append([*cells, f"{worst:+.2f}", f"{mean['estoi']:.3f}", f"{mean['estoi_opus']:.3f}"])
    return markdown(head, lines)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("data", help="folder of speech, as for `make train`; its held-out speakers are coded")
    parser.add_argument("--model", help="weights of ours (default: the released ones)")
    parser.add_argument("--rates", type=rates_of, default="9k,16k,24k")
    args = parser.parse_args()
    clips = held_out(args.data)
    codec = lpcnet_cq.load(args.model)
    codes = {kbps: (own_code(codec, kbps), steered_code("opus", kbps, clips)) for kbps in args.rates}
    rows = []
    for condition, name, x in material(clips):
        for kbps, (own, peer) in codes.items():
            row = {"condition": condition, "clip": name, "kbps_asked": kbps}
            for suffix, code in (("", own), ("_opus", peer)):
                y, row[f"kbps{suffix}"] = code(x)
                y, reference = as_pcm16(y), x.astype(np.float64)
                row |= {f"pesq{suffix}": pesq_wb(reference, y), f"estoi{suffix}": estoi(reference, y)}
            rows.append(row)
        print(f"{OWN}, {condition}, {name}: {rows[-1]['pesq']:.2f} against {rows[-1]['pesq_opus']:.2f}", flush=True)
    write_rows(rows, RESULTS / "robustness" / "rows.csv")
    publish(table(rows), RESULTS / "robustness" / "table.md")
    record_run(RESULTS / "robustness")
