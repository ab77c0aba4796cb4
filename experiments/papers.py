"""Reimplemented published systems: train one, score it from bytes on held-out speakers, add a row to a table.

Every system gets the same minutes of processor time, or `times` as many. An experiment is a file in `papers/` with the
differences from a preset. Existing rows are not computed again; an interrupted training continues, in any number of
sittings. A training is scored every `--score-minutes`; these scores are its learning curve.
Run: python experiments/papers.py NAME [--data FOLDER] [--minutes N]; NAME all runs every experiment. On an accelerator:
--platform gpu --at-once 5 --data speech.zip, a corpus in one file, which `pack_speech.py` makes.
Writes rows.csv (a row per system), clips.csv (a row per recording), curves/NAME.csv (learning curves), table.md and
curves.png to results/papers.
"""

import threading
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from pack_speech import unpack
from papers_tables import CLIP_METRICS, draw_curves, tables
from report import RESULTS, make_parser, publish, record_run

import lpcnet_cq
from lpcnet_cq.evaluation.complexity import macs_per_second
from lpcnet_cq.evaluation.evaluate import evaluate, held_out, select_clips, summary
from lpcnet_cq.evaluation.metrics import METRICS
from lpcnet_cq.evaluation.tables import append_rows, read_rows
from lpcnet_cq.published.codec import PublishedCodec
from lpcnet_cq.published.complexity import mmac_per_s
from lpcnet_cq.published.config import PRESETS, Recipe, at_rates
from lpcnet_cq.published.train import train
from lpcnet_cq.training.corpus import default_corpus
from lpcnet_cq.training.data import read_clip

HERE = Path(__file__).parent
EXPERIMENTS = {path.stem: path for path in sorted((HERE / "papers").glob("*.toml"), key=lambda path: path.stem)}
COLUMNS = "system parameters mmac_per_s kbps lsf_kbps residual_kbps released_kbps".split()
COLUMNS += "pesq visqol estoi snr_db train_minutes steps frames command".split()
TEXT_COLUMNS = ("system", "command", "clip")
PARTS = {"lsf": "lsf", "residual": "latents"}  # columns, and what the codecs call them
RELEASED_UNIT = 1024  # bits of a "kilobit" in the released code
CURVE_METRICS = ("pesq", "estoi", "snr_db")
CURVE_COLUMNS = ["frames", "steps", "minutes", "kbps", *CURVE_METRICS]
CURVE_S = 40.0  # held-out speech for a point of a learning curve, about
ACCELERATED_BATCH = 8  # times as many crops in a batch on an accelerator
WRITING = threading.Lock()  # of tables, by systems that are trained at the same time


def recipe_of(values: dict, **budget) -> Recipe:
    """Return a preset with the changes of an experiment."""
    preset = PRESETS[values["preset"]]
    recipe = at_rates(preset, *values.get("bitrates_bps", preset.bitrates_bps))
    blocks = replace(recipe.system.autoencoder, **values.get("autoencoder", {}))
    system = replace(recipe.system, autoencoder=blocks, **values.get("system", {}))
    others = ("preset", "bitrates_bps", "autoencoder", "system", "times")
    changes = {k: v for k, v in values.items() if k not in others}
    changes = {k: tuple(v) if isinstance(v, list) else v for k, v in changes.items()}
    return replace(recipe, system=system, **changes, **budget)


class Published(PublishedCodec):
    """Evaluate a published system, and also count bits as its released code does.

    The released code counts every frame by the entropy of its own symbols, module by module, without the tables that a
    decoder would need. With `soft`, the decoded signal is that of soft assignments; the bytes are those of hard ones.
    """

    def __init__(self, path: Path, soft: bool):
        super().__init__(path)
        self.soft, self.y, self.released_bits = soft, np.zeros(0), 0.0

    def encode(self, x, sample_rate_hz, bitrate_bps=None):
        if self.soft:
            self.y = self.recode_soft(x, sample_rate_hz)
        return super().encode(x, sample_rate_hz, bitrate_bps)

    def decode(self, data):
        c, s = self.config, self.read(data)[2]
        parts = [s[:, : c.n_lsf], *np.split(s[:, c.n_lsf :], c.n_modules, axis=1)]
        self.released_bits += sum(entropy_bits(frame) for part in parts if part.size for frame in part)
        return (self.y, self.sample_rate_hz) if self.soft else super().decode(data)


def entropy_bits(symbols: np.ndarray) -> float:
    """Return the bits of symbols (n,) as the entropy of their own histogram.

    >>> entropy_bits(np.array([3, 3, 7, 7]))
    4.0
    """
    share = np.unique_counts(symbols).counts / len(symbols)
    return float(-len(symbols) * np.sum(share * np.log2(share)))


def scored(codec, bitrate_bps: float, folder: Path, args) -> tuple[dict, list[dict]]:
    """Return means, and the rows of the recordings, of any codec."""
    rows = evaluate(codec, held_out(args.data), bitrate_bps, folder, args.limit_s)
    seconds = 1000 * sum(row["seconds"] for row in rows)
    parts = {f"{name}_kbps": sum(row[f"{bits}_bits"] for row in rows) / seconds for name, bits in PARTS.items()}
    return {k: v for k, v in summary(rows).items() if k in COLUMNS} | parts, rows


def minutes_of(values: dict, args) -> float:
    """Return the training time of an experiment in minutes."""
    return values.get("times", 1) * args.minutes if "preset" in values else 0.0


def curve_point(codec: Published, args) -> dict:
    """Return the point of a learning curve: frames seen so far, rate of the bytes, means of scores."""
    found = []
    for clip in select_clips(held_out(args.data), min(CURVE_S, args.limit_s)):
        x, fs = read_clip(clip, codec.sample_rate_hz), codec.sample_rate_hz
        data = codec.encode(x, fs)
        y = codec.decode(data)[0].astype(np.float64)
        scores = {name: METRICS[name].score(x.astype(np.float64), y, fs) for name in CURVE_METRICS}
        found.append({"bits": 8 * len(data), "samples": len(x)} | scores)
    means = {name: float(np.nanmean([row[name] for row in found])) for name in CURVE_METRICS}
    bits, samples = (sum(row[name] for row in found) for name in ("bits", "samples"))
    progress = {"frames": codec.notes["frames"], "steps": codec.notes["step"], "minutes": codec.notes["minutes"]}
    return progress | means | {"kbps": bits * codec.sample_rate_hz / samples / 1000}


def trained(name: str, recipe: Recipe, args) -> Path:
    """Train a system, or continue its training, and add points to its learning curve; return the weights."""
    folder, curve = args.out / f"{name}-{args.minutes:g}min", args.results / "curves" / f"{name}.csv"
    while True:
        path = train(recipe, folder, quiet=args.at_once > 1, sitting_minutes=args.score_minutes)
        codec = Published(path, soft=False)
        if codec.notes["frames"] not in {row["frames"] for row in read_rows(curve)}:
            append_rows([curve_point(codec, args)], CURVE_COLUMNS, curve)
        if codec.notes["minutes"] >= recipe.minutes:
            return path


def measure_published(name: str, values: dict, args) -> tuple[dict, list[dict]]:
    """Train a system, unless its run exists, and score it."""
    run = values.get("run", name)
    of_run = tomllib.loads(EXPERIMENTS[run].read_text())
    recipe = recipe_of(of_run, data=args.data, minutes=minutes_of(of_run, args), wall_clock=args.wall_clock)
    recipe = replace(recipe, batch=recipe.batch * (ACCELERATED_BATCH if args.platform == "gpu" else 1))
    codec = Published(trained(run, recipe, args), soft="run" in values)
    result, rows = scored(codec, codec.bitrates_bps[0], args.out / f"{name}-{args.minutes:g}min" / "evaluation", args)
    seconds = sum(row["seconds"] for row in rows)
    result |= {"parameters": codec.n_parameters, "mmac_per_s": sum(mmac_per_s(recipe.system).values())}
    result |= {"released_kbps": codec.released_bits / RELEASED_UNIT / seconds}
    progress = {"train_minutes": codec.notes["minutes"], "steps": codec.notes["step"], "frames": codec.notes["frames"]}
    return result | progress, rows


def measure_ours(name: str, values: dict, args) -> tuple[dict, list[dict]]:
    """Score the released codec. Encoder and decoder both run the entropy model, so that it counts twice."""
    codec = lpcnet_cq.load()
    result, rows = scored(codec, values["bitrate_bps"], args.out / name, args)
    macs = macs_per_second(codec.config)
    return result | {"parameters": codec.n_parameters, "mmac_per_s": (sum(macs.values()) + macs["entropy"]) / 1e6}, rows


def command_of(name: str, values: dict, args) -> str:
    budget = "" if "bitrate_bps" in values else f" MINUTES={args.minutes:g}"
    budget += " PLATFORM=gpu" if budget and args.platform == "gpu" else ""
    return f"make experiment NAME={name}{budget} DATA=folder"


def run(name: str, values: dict, args) -> None:
    """Run one experiment and add its rows."""
    measure = measure_ours if "bitrate_bps" in values else measure_published
    result, rows = measure(name, values, args)
    clips = [{"system": name} | row for row in rows]
    result |= {"system": name, "command": command_of(name, values, args)}
    with WRITING:
        append_rows(clips, ["system", "clip", "seconds", "bytes", *CLIP_METRICS], args.results / "clips.csv")
        append_rows([result], COLUMNS, args.results / "rows.csv")


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("name", choices=["all", *EXPERIMENTS])
    parser.add_argument("--data", help="folder of speech, as for `make train` (default: the default corpus)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, for each system")
    parser.add_argument("--score-minutes", type=float, default=15.0, help="of training between points of a curve")
    parser.add_argument("--limit-s", type=float, default=120.0, help="held-out speech to score, about")
    parser.add_argument(
        "--platform", choices=["cpu", "gpu"], default="cpu", help="gpu: larger batches, minutes of a clock"
    )
    parser.add_argument("--at-once", type=int, default=1, help="systems that are trained at the same time")
    parser.add_argument("--out", type=Path, default=Path("runs/papers"))
    parser.add_argument("--results", type=Path, default=RESULTS / "papers")
    args = parser.parse_args(argv)
    jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda"}[args.platform])
    args.wall_clock = args.platform == "gpu" or args.at_once > 1
    args.data = unpack(args.data or str(default_corpus()), args.out)
    done = {row["command"] for row in read_rows(args.results / "rows.csv", TEXT_COLUMNS)}
    wanted = {name: tomllib.loads(EXPERIMENTS[name].read_text()) for name in EXPERIMENTS if args.name in ("all", name)}
    left = {name: values for name, values in wanted.items() if command_of(name, values, args) not in done}
    began, minutes = time.monotonic(), {name: minutes_of(values, args) + 1.5 for name, values in left.items()}

    def one(name: str) -> None:
        spent, ahead = (time.monotonic() - began) / 60, sum(minutes.values()) / args.at_once
        print(f"{name}; {len(minutes)} left; {spent:.0f} minutes spent, about {ahead:.0f} left", flush=True)
        run(name, left[name], args)
        del minutes[name]

    with ThreadPoolExecutor(args.at_once) as pool:
        list(pool.map(one, left) if args.at_once > 1 else map(one, left))
    rows, clips = (read_rows(args.results / file, TEXT_COLUMNS) for file in ("rows.csv", "clips.csv"))
    publish(tables(rows, clips), args.results / "table.md")
    if curves := {path.stem: read_rows(path) for path in sorted((args.results / "curves").glob("*.csv"))}:
        draw_curves(curves, args.results / "curves.png")
    record_run(args.results)


if __name__ == "__main__":
    main()
