"""What layers and a hard cap cost: files of two layers, whole and cut, and capped packets, against plain files.

Run: python experiments/layers.py DATA [--model WEIGHTS] [--seconds 200]; writes results/layers.csv and layers.md
"""

import argparse

import numpy as np
from benchmark import RATE_HZ, RESULTS, rates_of
from peers import FULL_SCALE

import lpcnet_cq
from lpcnet_cq.audio import to_pcm16
from lpcnet_cq.evaluation.evaluate import estoi, mean_and_interval, pesq_wb, spread, visqol, write_rows
from lpcnet_cq.training.data import open_corpus, read_clip

METRICS = {"pesq": pesq_wb, "visqol": visqol, "estoi": estoi}


def score(codec, x: np.ndarray, data: bytes) -> dict:
    """Return rate and quality of a file."""
    y, reference = to_pcm16(codec.decode(data)[0]) / FULL_SCALE, x.astype(np.float64)
    return {"kbps": 8 * len(data) / len(x) * RATE_HZ / 1000} | {k: f(reference, y) for k, f in METRICS.items()}


def pairs(codec, x: np.ndarray, kbps: float):
    """Yield what is compared, as name, file, and the plain file of the same rate."""
    plain = codec.encode(x, RATE_HZ, 1000 * kbps)
    layered = codec.encode(x, RATE_HZ, 1000 * kbps, layers=2)
    if codec.info(layered)["layers"] == 2:
        yield "two layers, whole", layered, plain
        thin = codec.thin(layered, 1)
        rate_bps = max(8 * len(thin) / len(x) * RATE_HZ, codec.bitrates_bps[0])
        yield "two layers, cut to one", thin, codec.encode(x, RATE_HZ, rate_bps)
    yield "capped packets", codec.encode(x, RATE_HZ, 1000 * kbps, cbr=True), plain


def table(rows: list[dict]) -> str:
    """Lay out means, and mean differences with their 95 % intervals."""
    lines = ["| what | of kbps | clips | kbps | plain, kbps | PESQ-WB | ViSQOL | ESTOI |"]
    lines.append("|---" + "|---:" * 7 + "|")
    for key in dict.fromkeys((r["what"], r["kbps_asked"]) for r in rows):
        mine = [r for r in rows if (r["what"], r["kbps_asked"]) == key]
        cells = [key[0], f"{key[1]:g}", str(len(mine))]
        cells += [f"{np.mean([r[k] for r in mine]):.2f}" for k in ("kbps", "plain_kbps")]
        for metric in METRICS:
            mean, half = mean_and_interval([r[metric] - r[f"plain_{metric}"] for r in mine])
            digits = 3 if metric == "estoi" else 2
            cells.append(f"{np.mean([r[metric] for r in mine]):.{digits}f} ({mean:+.{digits}f} ± {half:.{digits}f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="folder of speech, as for `make train`; its held-out speakers are coded")
    parser.add_argument("--model", help="weights of ours (default: the released ones)")
    parser.add_argument("--rates", type=rates_of, default="9k,16k,24k")
    parser.add_argument("--seconds", type=float, default=200.0)
    args = parser.parse_args()
    codec = lpcnet_cq.load(args.model)
    rows = []
    for clip in spread([clip for clip in open_corpus(args.data) if clip.split == "dev"], args.seconds):
        x = read_clip(clip, RATE_HZ)
        for kbps in args.rates:
            for what, data, plain in pairs(codec, x, kbps):
                row = {"what": what, "kbps_asked": kbps, "clip": clip.path.name} | score(codec, x, data)
                rows.append(row | {f"plain_{k}": v for k, v in score(codec, x, plain).items()})
        print(clip.path.name, flush=True)
    write_rows(rows, RESULTS / "layers.csv")
    (RESULTS / "layers.md").write_text(table(rows))
    print(table(rows))
