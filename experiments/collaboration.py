"""What collaboration buys: one model trained with its LSF codebook, one with the codebook frozen where it starts.

Both start from the same lattice (principal axes of the LSF vectors, step 0.06 rad), have the same total rate and the
same number of steps, and are scored from bytes on held-out speakers.
Run: python experiments/collaboration.py DATA --steps 2000; writes experiments/results/collaboration.csv
"""

import argparse
from dataclasses import replace
from pathlib import Path

from lpcnet_cq.codec import Codec
from lpcnet_cq.config import PRESETS
from lpcnet_cq.data import open_corpus
from lpcnet_cq.evaluate import METRICS, evaluate, mean_and_interval, write_rows
from lpcnet_cq.train import train

RATE_BPS = 9000.0
RESULTS = Path(__file__).parent / "results" / "collaboration.csv"


def score(name: str, collaborative: bool, args) -> dict:
    t = replace(PRESETS["cq"], data=args.data, bitrates_bps=(RATE_BPS, RATE_BPS), steps=args.steps)
    t = replace(t, collaborative=collaborative)
    path = train(t, Path(args.out) / name)
    clips = [clip for clip in open_corpus(args.data) if clip.split == "dev"]
    rows = evaluate(Codec(path), clips, RATE_BPS, Path(args.out) / name / "evaluation")
    seconds = sum(row["seconds"] for row in rows)
    kbps = {f"{k}_kbps": sum(row[f"{k}_bits"] for row in rows) / seconds / 1000 for k in ("lsf", "gain", "latents")}
    result = {"codebook": name, "steps": args.steps, "clips": len(rows)}
    result |= {"kbps": 8 * sum(row["bytes"] for row in rows) / seconds / 1000} | kbps
    for metric in (m for m in METRICS if m in rows[0]):
        result[metric], result[f"{metric}_interval"] = mean_and_interval([row[metric] for row in rows])
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="folder of speech, as for `make train`")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", default="runs/collaboration")
    args = parser.parse_args()
    table = [score("trained", True, args), score("frozen", False, args)]
    write_rows(table, RESULTS)
    print(RESULTS.read_text())
