"""Ablations: the gain from parts of the codec, by trainings at one rate that differ in one setting each.

All trainings start from the same values and have the same rate, data and number of steps; they are scored from bytes on
held-out speakers. The reference for joint training is a frozen LSF quantiser: steps of 0.06 rad on the principal axes
of the LSF vectors. Noise shaping (`allocation`) and long-term postfilter start without effect: frozen, they are absent.
"In phases" trains in the order of CMRL's modules: half of the steps train everything else, a quarter these two alone, a
quarter everything at a lower learning rate.
Run: python experiments/ablations.py DATA --steps 600 [--variants ...]; writes results/ablations/rows.csv
"""

from dataclasses import replace
from pathlib import Path

from report import RESULTS, make_parser, record_run

from lpcnet_cq.codec import Codec
from lpcnet_cq.evaluation.evaluate import evaluate, held_out, summary
from lpcnet_cq.evaluation.tables import write_rows
from lpcnet_cq.training.config import SpeechLoss, Stages
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.train import train

RATE_BPS = 9000.0
VARIANTS: dict[str, dict] = {
    "whole": {},
    "LSF codebook frozen": {"frozen": ("lsf",)},
    "no PESQ-style loss": {"loss": SpeechLoss(pesq=0.0)},
    "no long-term postfilter": {"frozen": ("postfilter",)},
    "no noise shaping": {"frozen": ("allocation",)},
    "in phases": {"stages": Stages((("allocation", "postfilter"),))},
}


def score(name: str, args) -> dict:
    """Train one variant and return its means and intervals."""
    t = replace(PRESETS["cq"], data=args.data, bitrates_bps=(RATE_BPS, RATE_BPS), steps=args.steps, **VARIANTS[name])
    folder = Path(args.out) / name.replace(" ", "-")
    path = train(t, folder)
    rows = evaluate(Codec(path), held_out(args.data), RATE_BPS, folder / "evaluation")
    seconds = sum(row["seconds"] for row in rows)
    kbps = {f"{k}_kbps": sum(row[f"{k}_bits"] for row in rows) / seconds / 1000 for k in ("lsf", "gain", "latents")}
    return {"variant": name, "steps": args.steps} | summary(rows) | kbps


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("data", help="folder of speech, as for `make train`")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--out", default="runs/ablations")
    args = parser.parse_args()
    table = []
    for name in args.variants:  # existing trainings are not repeated
        table.append(score(name, args))
        write_rows(table, RESULTS / "ablations" / "rows.csv")
    record_run(RESULTS / "ablations")
    print((RESULTS / "ablations" / "rows.csv").read_text())
