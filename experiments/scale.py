"""From 9 to 24 kbps: one model at every rate, and for comparison a model trained for each rate alone.

Run: make scale, or python experiments/scale.py [--model W] [--data FOLDER] [--minutes N [--init W]] [--out runs/scale]
With --minutes (or --steps) a model per rate is trained that long, and one for the whole range, from nothing or from
weights that serve them all. Writes scale.csv and scale.png.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from lpcnet_cq.cli_arguments import bitrate_bps
from lpcnet_cq.cli_training import EVALUATION_S
from lpcnet_cq.codec import Codec, load
from lpcnet_cq.evaluation.evaluate import METRICS, evaluate, mean_and_interval, write_rows
from lpcnet_cq.training.corpus import default_corpus
from lpcnet_cq.training.data import open_corpus
from lpcnet_cq.training.presets import PRESETS, preset_for_weights
from lpcnet_cq.training.train import train


def score(name: str, codec: Codec, rate_bps: int, clips, out: Path) -> dict:
    """Return means and intervals of one model at one rate."""
    rows = evaluate(codec, clips, rate_bps, out / f"{name}-{rate_bps}", EVALUATION_S)
    seconds = sum(row["seconds"] for row in rows)
    result = {"model": name, "kbps_asked": rate_bps / 1000, "clips": len(rows)}
    result["kbps"] = 8 * sum(row["bytes"] for row in rows) / seconds / 1000
    for metric in (m for m in METRICS if m in rows[0]):
        result[metric], result[f"{metric}_interval"] = mean_and_interval([row[metric] for row in rows])
    return result


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
        for model in dict.fromkeys(row["model"] for row in rows):
            mine = sorted((r for r in rows if r["model"] == model), key=lambda r: r["kbps"])
            values = [[r[k] for r in mine] for k in ("kbps", metric, f"{metric}_interval")]
            ax.errorbar(*values, marker="o", capsize=3, label=model)
        ax.set(title=METRICS[metric][0], xlabel="kbps")
        ax.grid(alpha=0.3)
    figure.axes[0].legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
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
    clips = [clip for clip in open_corpus(args.data) if clip.split == "dev"]
    low, high = min(args.rates), max(args.rates)
    training = args.minutes or args.steps
    models = {} if training else {"released": {rate: load(args.model) for rate in args.rates}}
    if training:
        models["one for all"] = dict.fromkeys(args.rates, trained(low, high, args))
        models["one per rate"] = {rate: trained(rate, rate, args) for rate in args.rates}
    runs = [(name, codec, rate) for name, by_rate in models.items() for rate, codec in by_rate.items()]
    table = [score(*run, clips, args.out) for run in runs]
    write_rows(table, args.out / "scale.csv")
    draw(table, args.out / "scale.png")
    print((args.out / "scale.csv").read_text())
