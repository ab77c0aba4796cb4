"""The published systems, rebuilt: train one, score it from bytes on held-out speakers, add a row to results/papers.csv.

Every system has the same budget of minutes on one machine. The variants below say only what differs from a preset.
Run: python experiments/papers.py cq-2020 DATA --minutes 60; docs/published.md describes the systems.
"""

import argparse
import csv
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from lpcnet_cq.data import open_corpus
from lpcnet_cq.evaluate import METRICS, evaluate, mean_and_interval
from lpcnet_cq.published.codec import PublishedCodec
from lpcnet_cq.published.complexity import mmac_per_s
from lpcnet_cq.published.config import PRESETS, AutoencoderConfig, Recipe, at_rates
from lpcnet_cq.published.train import train

RESULTS = Path(__file__).parent / "results" / "papers.csv"
COLUMNS = "system parameters mmac_per_s kbps pesq visqol snr_db train_minutes command".split()


def changed(name: str, **changes) -> Recipe:
    return replace(PRESETS[name], **changes)


def with_blocks(name: str, kind: str, channels: int, hidden: int) -> Recipe:
    recipe = PRESETS[name]
    return replace(recipe, system=replace(recipe.system, autoencoder=AutoencoderConfig(kind, channels, hidden)))


VARIANTS = {
    # one large module of the size of CMRL's two
    "cmrl-one-large": at_rates(with_blocks("cmrl", "bottleneck", 140, 29), 9000.0),
    "cmrl-greedy": changed("cmrl", epochs=(200, 50, 0)),
    "cmrl-gated": with_blocks("cmrl", "gated", 100, 20),
    # the released code's loss on the residual, which never meets the LSF codebook
    "cq-2020-residual-loss": changed("cq-2020", loss_on="residual"),
}


class Softened:
    """Decode what soft assignments would sound like, as the released code tests; the bytes are those of hard ones."""

    def __init__(self, codec: PublishedCodec):
        self.codec, self.info, self.y = codec, codec.info, None

    def encode(self, x, sample_rate_hz, bitrate_bps):
        self.y = self.codec.recode_soft(x, sample_rate_hz)
        return self.codec.encode(x, sample_rate_hz, bitrate_bps)

    def decode(self, data):
        return self.y, self.codec.sample_rate_hz


def row(name: str, recipe: Recipe, args) -> dict:
    path = train(recipe, Path(args.out) / name)
    codec = PublishedCodec(path)
    clips = [clip for clip in open_corpus(args.data) if clip.split == "dev"]
    folder = Path(args.out) / name / ("soft" if args.soft else "evaluation")
    rows = evaluate(Softened(codec) if args.soft else codec, clips, codec.bitrates_bps[0], folder, args.limit_s)
    seconds = sum(r["seconds"] for r in rows)
    result = {
        "system": f"{name} (soft decoding)" if args.soft else name,
        "parameters": codec.n_parameters,
        "mmac_per_s": sum(mmac_per_s(recipe.system).values()),
        "kbps": 8 * sum(r["bytes"] for r in rows) / seconds / 1000,
        "train_minutes": recipe.minutes,
        "command": "python " + shlex.join(sys.argv),
    }
    return result | {m: mean_and_interval([r[m] for r in rows])[0] for m in COLUMNS if m in METRICS and m in rows[0]}


def append(result: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in result.items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    systems = PRESETS | VARIANTS
    parser.add_argument("name", choices=list(systems))
    parser.add_argument("data", help="folder of speech, as for `make train`")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rates", type=float, nargs="+", metavar="BPS", help="with one module, with two, ...")
    parser.add_argument("--batch", type=int, help="crops of a second in a training step")
    parser.add_argument("--soft", action="store_true", help="score soft decoding, of a run that is there already")
    parser.add_argument("--limit-s", type=float, help="held-out speech to score at most")
    parser.add_argument("--out", default="runs/papers")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    recipe = replace(systems[args.name], data=args.data, minutes=args.minutes)
    recipe = at_rates(recipe, *args.rates) if args.rates else recipe
    recipe = replace(recipe, batch=args.batch) if args.batch else recipe
    rates = "".join(f"-{rate:g}" for rate in args.rates or ())
    append(row(args.name + rates, recipe, args), args.results)
    print(args.results.read_text())
