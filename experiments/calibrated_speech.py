"""Psychoacoustic calibration in the codec for speech, at 9, 16 and 24 kbps: with the terms and without them.

Trains the released weights further, with and without the terms of `lpcnet_cq.training.psychoacoustic_loss`, alike in
data, steps and rates, and scores all from bytes on held-out speakers. Differences are taken recording by recording.
Run: python experiments/calibrated_speech.py DATA [--steps 200]; a training that is there already is not repeated.
Writes results/calibrated_speech.csv (a row per recording) and calibrated_speech.md.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lpcnet_cq.codec import Codec
from lpcnet_cq.evaluation import evaluate as evaluation
from lpcnet_cq.evaluation.evaluate import mean_and_interval, spread, write_rows
from lpcnet_cq.evaluation.music_metrics import nmr_db
from lpcnet_cq.training.data import Clip, open_corpus, read_clip
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.train import train

RESULTS = Path(__file__).parent / "results"
RATES_BPS = (9000, 16000, 24000)
BASE = replace(PRESETS["cq-continue"], init="cq", batch=8, learning_rate=1e-3, warmup_steps=10, lambda_start=0.26)
VARIANTS: dict[str, dict[str, float]] = {
    "no term": {},
    "priority": {"priority": 0.1},
    "noise": {"modulation": 0.3},
    "all": {"priority": 0.1, "modulation": 0.3, "audible": 0.5},
}
METRICS = {name: evaluation.METRICS[name] for name in ("pesq", "visqol", "estoi")}
METRICS["nmr_db"] = ("NMR, dB", lambda x, y: nmr_db(x, y, evaluation.METRIC_RATE_HZ), ())
PLACES = {"pesq": 3, "visqol": 3, "estoi": 4, "nmr_db": 2}


def score(name: str, codec: Codec, clips: Iterable[Clip]) -> list[dict]:
    """Return a row per recording and rate."""
    rows = []
    for clip in clips:
        x = read_clip(clip, codec.sample_rate_hz, 1)
        for rate_bps in RATES_BPS:
            data = codec.encode(x, codec.sample_rate_hz, rate_bps)
            y = codec.decode(data)[0]
            scores = evaluation.score(clip, x, y, data, METRICS, codec.sample_rate_hz)
            row = {"variant": name, "kbps_asked": rate_bps / 1000, "clip": f"{clip.speaker}/{clip.path.stem}"}
            rows.append(row | {key: scores[key] for key in ("kbps", *METRICS)})
    return rows


def table(rows: Sequence[dict]) -> str:
    """Lay out the scores without terms, and what each variant adds to them, with 95 % intervals."""
    points: dict[tuple, list[dict]] = {}
    for row in rows:
        points.setdefault((row["kbps_asked"], row["variant"]), []).append(row)
    titles = " | ".join(title for title, *_ in METRICS.values())
    lines = [f"| kbps | variant | {titles} |", "| ---: | --- | ---: | ---: | ---: | ---: |"]
    for (asked, name), group in sorted(points.items(), key=lambda item: item[0][0]):
        base = points[asked, "no term"]
        cells = []
        for metric, places in PLACES.items():
            values = [a[metric] - (0 if a is b else b[metric]) for a, b in zip(group, base, strict=True)]
            mean, half = mean_and_interval(values)
            sign = "" if group is base else "+"
            cells.append(f"{mean:{sign}.{places}f} ± {half:.{places}f}")
        kbps = np.mean([row["kbps"] for row in group])
        lines.append(f"| {kbps:.2f} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="folder of speech, as for `make train`")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--limit-s", type=float, default=120.0, help="held-out speech to score, about")
    parser.add_argument("--out", type=Path, default=Path("runs/calibrated_speech"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    clips = spread([clip for clip in open_corpus(args.data, "speech/") if clip.split == "dev"], args.limit_s)
    rows = []
    for name, changes in VARIANTS.items():
        t = replace(BASE, data=args.data, steps=args.steps, loss=replace(BASE.loss, **changes))
        path = train(t, args.out / name.replace(" ", "-"))
        rows += score(name, Codec(path), clips)
        write_rows(rows, args.results / "calibrated_speech.csv")
        (args.results / "calibrated_speech.md").write_text(table(rows), encoding="utf-8")
        print(table(rows), flush=True)


if __name__ == "__main__":
    main()
