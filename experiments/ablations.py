"""What parts of the codec buy: trainings at one rate that differ in one thing each.

All start from the same values and have the same total rate, data and number of steps; scored from bytes on held-out
speakers. A frozen LSF codebook is what collaboration is measured against: a lattice of 0.06 rad on the principal axes
of the LSF vectors. Allocation and comb filter start from doing nothing: frozen, they are absent. In phases they learn
as CMRL's modules do: half of the steps train all else, a quarter these two alone, a quarter everything more slowly.
Run: python experiments/ablations.py DATA --steps 600 [--variants ...]; writes experiments/results/ablations.csv
"""

import argparse
from dataclasses import replace
from pathlib import Path

from lpcnet_cq.codec import Codec
from lpcnet_cq.evaluation.evaluate import METRICS, evaluate, mean_and_interval, write_rows
from lpcnet_cq.training.config import SpeechLoss, Stages
from lpcnet_cq.training.data import open_corpus
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.train import train

RATE_BPS = 9000.0
RESULTS = Path(__file__).parent / "results" / "ablations.csv"
VARIANTS: dict[str, dict] = {
    "whole": {},
    "LSF codebook frozen": {"frozen": ("lsf",)},
    "loss without the model of hearing": {"loss": SpeechLoss(pesq=0.0)},
    "no comb filter": {"frozen": ("comb",)},
    "no allocation": {"frozen": ("allocation",)},
    "in phases": {"stages": Stages((("allocation", "comb"),))},
}


def score(name: str, args) -> dict:
    """Train one variant and return its means and intervals."""
    t = replace(PRESETS["cq"], data=args.data, bitrates_bps=(RATE_BPS, RATE_BPS), steps=args.steps, **VARIANTS[name])
    folder = Path(args.out) / name.replace(" ", "-")
    path = train(t, folder)
    clips = [clip for clip in open_corpus(args.data) if clip.split == "dev"]
    rows = evaluate(Codec(path), clips, RATE_BPS, folder / "evaluation")
    seconds = sum(row["seconds"] for row in rows)
    kbps = {f"{k}_kbps": sum(row[f"{k}_bits"] for row in rows) / seconds / 1000 for k in ("lsf", "gain", "latents")}
    result = {"variant": name, "steps": args.steps, "clips": len(rows)}
    result |= {"kbps": 8 * sum(row["bytes"] for row in rows) / seconds / 1000} | kbps
    for metric in (m for m in METRICS if m in rows[0]):
        result[metric], result[f"{metric}_interval"] = mean_and_interval([row[metric] for row in rows])
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="folder of speech, as for `make train`")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--out", default="runs/ablations")
    args = parser.parse_args()
    table = []
    for name in args.variants:  # trainings that are there already are not repeated
        table.append(score(name, args))
        write_rows(table, RESULTS)
    print(RESULTS.read_text())
