"""Cost of layers and of a packet size limit: files of two layers, whole and stripped, and limited packets.

Run: python experiments/layers.py DATA [--model WEIGHTS] [--seconds 200]; writes rows and table to results/layers
"""

import numpy as np
from benchmark import RATE_HZ, rates_of
from coders import as_pcm16
from report import RESULTS, make_parser, publish, record_run

import lpcnet_cq
from lpcnet_cq.evaluation import metrics
from lpcnet_cq.evaluation.evaluate import held_out
from lpcnet_cq.evaluation.tables import group_by, markdown, mean_cell, write_rows
from lpcnet_cq.training.data import read_clip

METRICS = {name: metrics.METRICS[name] for name in ("pesq", "visqol", "estoi")}


def score(codec, x: np.ndarray, data: bytes) -> dict:
    """Return bitrate and quality of a file."""
    y, reference = as_pcm16(codec.decode(data)[0]), x.astype(np.float64)
    scores = {name: metric.score(reference, y, RATE_HZ) for name, metric in METRICS.items()}
    return {"kbps": 8 * len(data) / len(x) * RATE_HZ / 1000} | scores


def pairs(codec, x: np.ndarray, kbps: float):
    """Yield what is compared, as name, file, and the plain file of the same rate."""
    plain = codec.encode(x, RATE_HZ, 1000 * kbps)
    layered = codec.encode(x, RATE_HZ, 1000 * kbps, layers=2)
    if codec.info(layered)["layers"] == 2:
        yield "two layers, whole", layered, plain
        thin = codec.thin(layered, 1)
        rate_bps = max(8 * len(thin) / len(x) * RATE_HZ, codec.bitrates_bps[0])
        yield "two layers, cut to one", thin, codec.encode(x, RATE_HZ, rate_bps)
    yield "capped packets", codec.encode(x, RATE_HZ, 1000 * kbps, mode="capped"), plain


def table(rows: list[dict]) -> str:
    """Return means, and mean differences with their 95 % intervals, as Markdown."""
    lines = []
    for (what, kbps), group in group_by(rows, "what", "kbps_asked").items():
        cells = [what, f"{kbps:g}", str(len(group))]
        cells += [f"{np.mean([r[k] for r in group]):.2f}" for k in ("kbps", "plain_kbps")]
        for name, metric in METRICS.items():
            difference = mean_cell((r[name] - r[f"plain_{name}"] for r in group), metric.decimals, "+")
            cells.append(f"{np.mean([r[name] for r in group]):.{metric.decimals}f} ({difference})")
        lines.append(cells)
    titles = (metric.title for metric in METRICS.values())
    return markdown(["what", "of kbps", "clips", "kbps", "plain, kbps", *titles], lines)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("data", help="folder of speech, as for `make train`; its held-out speakers are coded")
    parser.add_argument("--model", help="weights of ours (default: the released ones)")
    parser.add_argument("--rates", type=rates_of, default="9k,16k,24k")
    parser.add_argument("--seconds", type=float, default=200.0)
    args = parser.parse_args()
    codec = lpcnet_cq.load(args.model)
    rows = []
    for clip in held_out(args.data, limit_s=args.seconds):
        x = read_clip(clip, RATE_HZ)
        for kbps in args.rates:
            for what, data, plain in pairs(codec, x, kbps):
                row = {"what": what, "kbps_asked": kbps, "clip": clip.path.name} | score(codec, x, data)
                rows.append(row | {f"plain_{k}": v for k, v in score(codec, x, plain).items()})
        print(clip.path.name, flush=True)
    write_rows(rows, RESULTS / "layers" / "rows.csv")
    publish(table(rows), RESULTS / "layers" / "table.md")
    record_run(RESULTS / "layers")
