"""The psychoacoustic loss in the speech codec, at 9, 16 and 24 kbps: with its terms and without them.

Trains the released weights further, with and without the terms of `lpcnet_cq.training.psychoacoustic_loss`, on the
same data, steps and rates, and scores all from bytes on held-out speakers. Differences are computed per recording.
Run: python experiments/calibrated_speech.py DATA [--steps 200]; a training that exists already is not repeated.
Writes rows.csv (a row per recording) and table.md to results/calibrated_speech.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from report import RESULTS, make_parser, publish, record_run

from lpcnet_cq.codec import Codec
from lpcnet_cq.evaluation import evaluate, metrics
from lpcnet_cq.evaluation.tables import group_by, markdown, mean_cell, write_rows
from lpcnet_cq.training.data import Clip, read_clip
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.train import train

RATES_BPS = (9000, 16000, 24000)
BASE = replace(PRESETS["cq-continue"], init="cq", batch=8, learning_rate=1e-3, warmup_steps=10, lambda_start=0.26)
VARIANTS: dict[str, dict[str, float]] = {
    "no term": {},
    "priority": {"priority": 0.1},
    "noise": {"modulation": 0.3},
    "all": {"priority": 0.1, "modulation": 0.3, "audible": 0.5},
}
METRICS = {name: metrics.METRICS[name] for name in ("pesq", "visqol", "estoi", "nmr_db")}
DECIMALS = {"pesq": 3, "visqol": 3, "estoi": 4, "nmr_db": 2}  # differences are small


def score(name: str, codec: Codec, clips: Iterable[Clip]) -> list[dict]:
    """Return a row per recording and rate."""
    rows = []
    for clip in clips:
        x = read_clip(clip, codec.sample_rate_hz, 1)
        for rate_bps in RATES_BPS:
            data = codec.encode(x, codec.sample_rate_hz, rate_bps)
            y = codec.decode(data)[0]
            scores = evaluate.score(x, y, data, METRICS, codec.sample_rate_hz)
            row = {"variant": name, "kbps_asked": rate_bps / 1000, "clip": f"{clip.speaker}/{clip.path.stem}"}
            rows.append(row | {key: scores[key] for key in ("kbps", *METRICS)})
    return rows


def table(rows: Sequence[dict]) -> str:
    """Return the scores without terms, and what each variant adds to them, with 95 % intervals, as Markdown."""
    points, lines = group_by(sorted(rows, key=lambda row: row["kbps_asked"]), "kbps_asked", "variant"), []
    for (asked, name), group in points.items():
        base, cells = points[asked, "no term"], []
        for metric, decimals in DECIMALS.items():
            values = [a[metric] - (0 if a is b else b[metric]) for a, b in zip(group, base, strict=True)]
            cells.append(mean_cell(values, decimals, "" if group is base else "+"))
        lines.append([name, f"{np.mean([row['kbps'] for row in group]):.2f}", *cells])
    return markdown(["variant", "kbps", *(METRICS[name].title for name in DECIMALS)], lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("data", help="folder of speech, as for `make train`")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--limit-s", type=float, default=120.0, help="held-out speech to score, about")
    parser.add_argument("--out", type=Path, default=Path("runs/calibrated_speech"))
    parser.add_argument("--results", type=Path, default=RESULTS / "calibrated_speech")
    args = parser.parse_args(argv)
    clips = evaluate.held_out(args.data, limit_s=args.limit_s)
    rows = []
    for name, changes in VARIANTS.items():
        t = replace(BASE, data=args.data, steps=args.steps, loss=replace(BASE.loss, **changes))
        path = train(t, args.out / name.replace(" ", "-"))
        rows += score(name, Codec(path), clips)
        write_rows(rows, args.results / "rows.csv")
        publish(table(rows), args.results / "table.md")
    record_run(args.results)


if __name__ == "__main__":
    main()
