"""Ablations: the gain from parts of the codec, by trainings at one rate that differ in one setting each.

All trainings start from the same values and have the same rate, data and number of steps; they are scored from bytes on
held-out speakers. The reference for joint training is a frozen LSF quantiser: steps of 0.06 rad on the principal axes
of the LSF vectors. Noise shaping (`allocation`) and long-term postfilter start without effect: frozen, they are absent.
"In phases" trains in the order of CMRL's modules: half of the steps train everything else, a quarter these two alone, a
quarter everything at a lower learning rate.
Run: python experiments/ablations.py DATA --steps 600 [--variants ...] [--engine ...], see `sweep.py`;
writes results/ablations/rows.csv
"""

import argparse
from dataclasses import replace
from pathlib import Path

from report import RESULTS, make_parser, record_run
from sweep import Job, add_engine, run_jobs

from lpcnet_cq.evaluation.tables import write_rows
from lpcnet_cq.training.config import SpeechLoss, Stages
from lpcnet_cq.training.presets import PRESETS

RATE_BPS = 9000.0
VARIANTS: dict[str, dict] = {
    "whole": {},
    "LSF codebook frozen": {"frozen": ("lsf",)},
    "no PESQ-style loss": {"loss": SpeechLoss(pesq=0.0)},
    "no long-term postfilter": {"frozen": ("postfilter",)},
    "no noise shaping": {"frozen": ("allocation",)},
    "in phases": {"stages": Stages((("allocation", "postfilter"),))},
}


def job_of(name: str, args: argparse.Namespace) -> Job:
    """Return the training of one variant and its scores."""
    t = replace(PRESETS["cq"], data=args.data, bitrates_bps=(RATE_BPS, RATE_BPS), steps=args.steps, **VARIANTS[name])
    folder, labels = args.out.absolute() / name.replace(" ", "-"), (("variant", name), ("steps", args.steps))
    return Job(labels, folder, (int(RATE_BPS),), args.data, t, parts=("lsf", "gain", "latents"))


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("data", help="folder of speech, as for `make train`")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    add_engine(parser)
    args = parser.parse_args()
    args.data = str(Path(args.data).absolute())
    if table := run_jobs([job_of(name, args) for name in args.variants], args):  # finished jobs are not repeated
        write_rows(table, RESULTS / "ablations" / "rows.csv")
        record_run(RESULTS / "ablations")
        print((RESULTS / "ablations" / "rows.csv").read_text())
