"""Rate scaling from 9 to 24 kbps: one model at all rates, against one model per rate.

Run: make scale, or python experiments/scale.py [--model W] [--data FOLDER] [--minutes N [--init W]] [--out runs/scale]
With --minutes (or --steps), one model per rate and one for the whole range are trained for that long, from random
values or from the weights --init. Writes scale.csv and scale.png.
"""

from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure
from report import make_parser, record_run

from lpcnet_cq.cli.arguments import bitrate_bps
from lpcnet_cq.cli.training import EVALUATION_S
from lpcnet_cq.codec import Codec, load
from lpcnet_cq.evaluation.evaluate import evaluate, held_out, summary
from lpcnet_cq.evaluation.metrics import METRICS
from lpcnet_cq.evaluation.plots import save, style_axes
from lpcnet_cq.evaluation.tables import group_by, write_rows
from lpcnet_cq.training.corpus import default_corpus
from lpcnet_cq.training.presets import PRESETS, preset_for_weights
from lpcnet_cq.training.train import train


def score(name: str, codec: Codec, rate_bps: int, clips, out: Path) -> dict:
    """Return means and intervals of one model at one rate."""
    rows = evaluate(codec, clips, rate_bps, out / f"{name}-{rate_bps}", EVALUATION_S)
    return {"model": name, "kbps_asked": rate_bps / 1000} | summary(rows)


def trained(low_bps: int, high_bps: int, args) -> Codec:
    """Train for a range of rates."""
    t = PRESETS["cq"]
    if args.init:
        t = replace(preset_for_weights(args.init), learning_rate=args.learning_rate)
    t = replace(t, data=args.data, minutes=args.minutes, steps=args.steps)
    t = replace(t, bitrates_bps=(float(low_bps), float(high_bps)))
    return Codec(train(t, args.out / f"trained-{low_bps}-{high_bps}"))


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


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--rates", type=bitrate_bps, nargs="+", default=[9000, 12000, 16000, 20000, 24000])
    parser.add_argument("--model", help="weights (default: the released ones)")
    parser.add_argument("--data", help="folder of speech (default: the default corpus)")
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--steps", type=int, default=0, help="of training, instead of minutes")
    parser.add_argument("--init", default="", help="weights that every training starts from")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="with --init (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/scale"))
    args = parser.parse_args()
    args.data = args.data or str(default_corpus())
    args.out.mkdir(parents=True, exist_ok=True)
    clips = held_out(args.data)
    low, high = min(args.rates), max(args.rates)
    training = args.minutes or args.steps
    models = {} if training else {"released": {rate: load(args.model) for rate in args.rates}}
    if training:
        models["one for all"] = dict.fromkeys(args.rates, trained(low, high, args))
        models["one per rate"] = {rate: trained(rate, rate, args) for rate in args.rates}
    runs = [(name, codec, rate) for name, by_rate in models.items() for rate, codec in by_rate.items()]
    table = [score(*run, clips, args.out) for run in runs]
    write_rows(table, args.out / "rows.csv")
    draw(table, args.out / "curves.png")
    record_run(args.out)
    print((args.out / "rows.csv").read_text())
