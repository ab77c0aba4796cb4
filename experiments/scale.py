"""Rate scaling from 9 to 24 kbps: one model at all rates, against one model per rate.

Run: make scale, or python experiments/scale.py [--model W] [--data FOLDER] [--minutes N [--init W]] [--out runs/scale]
With --minutes (or --steps), one model per rate and one for the whole range are trained for that long, from random
values or from the weights --init, with each of the --seeds. --engine says where (`sweep.py`): in local processes, on a
Ray cluster, or as a Slurm array. Writes rows.csv and curves.png.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure
from report import make_parser, record_run
from sweep import Job, add_engine, run_jobs

from lpcnet_cq.cli.arguments import bitrate_bps
from lpcnet_cq.cli.training import EVALUATION_S
from lpcnet_cq.evaluation.metrics import METRICS
from lpcnet_cq.evaluation.plots import save, style_axes
from lpcnet_cq.evaluation.tables import group_by, write_rows
from lpcnet_cq.training.config import TrainConfig
from lpcnet_cq.training.corpus import default_corpus
from lpcnet_cq.training.presets import PRESETS, preset_for_weights


def settings(low_bps: int, high_bps: int, seed: int, args: argparse.Namespace) -> TrainConfig:
    """Return the settings of a training for a range of rates."""
    t = PRESETS[args.preset]
    if args.init:
        t = replace(preset_for_weights(args.init), learning_rate=args.learning_rate)
    t = replace(t, data=args.data, minutes=args.minutes, steps=args.steps, seed=seed)
    return replace(t, bitrates_bps=(float(low_bps), float(high_bps)))


def jobs_of(args: argparse.Namespace) -> list[Job]:
    """Return the jobs: weights that exist, or trainings with each seed."""
    rates, limit = tuple(args.rates), {"data": args.data, "limit_s": EVALUATION_S}
    if not (args.minutes or args.steps):
        name = (("model", "released"),)
        return [Job(name, args.out / f"released-{r}", (r,), weights=args.model, **limit) for r in rates]
    ranges = [("one for all", min(rates), max(rates), rates), *(("one per rate", r, r, (r,)) for r in rates)]
    jobs = []
    for seed in args.seeds:
        for name, low, high, scored in ranges:
            folder = args.out / (f"trained-{low}-{high}" + (f"-seed-{seed}" if seed else ""))
            label = name if args.seeds == [0] else f"{name}, seed {seed}"
            jobs.append(Job((("model", label),), folder, scored, config=settings(low, high, seed, args), **limit))
    return jobs


def draw(rows: list[dict], path: Path) -> None:
    """Draw every metric over the measured rate, a line per model."""
    names = [m for m in METRICS if m in rows[0]]
    figure = Figure(figsize=(4 * len(names), 3.6), layout="constrained")
    for ax, metric in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for (model,), mine in group_by(sorted(rows, key=lambda r: r["kbps"]), "model").items():
            values = [[r[k] for r in mine] for k in ("kbps", metric, f"{metric}_interval")]
            ax.errorbar(*values, marker="o", capsize=3, label=model)
        style_axes(ax)
        ax.set(title=METRICS[metric].title, xlabel="kbps")
    figure.axes[0].legend()
    save(figure, path)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--rates", type=bitrate_bps, nargs="+", default=[9000, 12000, 16000, 20000, 24000])
    parser.add_argument("--model", help="weights (default: the released ones)")
    parser.add_argument("--data", help="folder of speech (default: the default corpus)")
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--steps", type=int, default=0, help="of training, instead of minutes")
    parser.add_argument("--preset", choices=PRESETS, default="cq", help="without --init (default: %(default)s)")
    parser.add_argument("--init", default="", help="weights that every training starts from")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="with --init (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of trainings (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("runs/scale"))
    add_engine(parser)
    args = parser.parse_args(argv)
    args.data, args.out = str(Path(args.data or default_corpus()).absolute()), args.out.absolute()
    table = run_jobs(jobs_of(args), args)
    if table:
        write_rows(table, args.out / "rows.csv")
        draw(table, args.out / "curves.png")
        record_run(args.out)
        print((args.out / "rows.csv").read_text())


if __name__ == "__main__":
    main()
