"""Reimplemented published systems: train one, score it from bytes on held-out speakers, add a row to a table.

Every system gets the same minutes of processor time, or `times` as many. An experiment is a file in `papers/` with the
differences from a preset. Existing rows are not computed again; an interrupted training continues.
Run: python experiments/papers.py NAME [--data FOLDER] [--minutes N]; NAME all runs every experiment.
Writes rows.csv (a row per system), clips.csv (a row per recording) and table.md to results/papers.
"""

import time
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from papers_tables import CLIP_METRICS, tables
from report import RESULTS, make_parser, publish, record_run

import lpcnet_cq
from lpcnet_cq.evaluation.complexity import macs_per_second
from lpcnet_cq.evaluation.evaluate import evaluate, held_out, summary
from lpcnet_cq.evaluation.tables import append_rows, read_rows
from lpcnet_cq.published.codec import PublishedCodec
from lpcnet_cq.published.complexity import mmac_per_s
from lpcnet_cq.published.config import PRESETS, Recipe, at_rates
from lpcnet_cq.published.train import train
from lpcnet_cq.training.corpus import default_corpus

HERE = Path(__file__).parent
EXPERIMENTS = {path.stem: path for path in sorted((HERE / "papers").glob("*.toml"), key=lambda path: path.stem)}
COLUMNS = "system parameters mmac_per_s kbps lsf_kbps residual_kbps released_kbps".split()
COLUMNS += "pesq visqol estoi snr_db train_minutes steps command".split()
TEXT_COLUMNS = ("system", "command", "clip")
PARTS = {"lsf": "lsf", "residual": "latents"}  # columns, and what the codecs call them
RELEASED_UNIT = 1024  # bits of a "kilobit" in the released code


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


def measure_published(name: str, values: dict, args) -> tuple[dict, list[dict]]:
    """Train a system, unless its run exists, and score it."""
    run = values.get("run", name)
    trained = tomllib.loads(EXPERIMENTS[run].read_text())
    recipe = recipe_of(trained, data=args.data, minutes=minutes_of(trained, args))
    codec = Published(train(recipe, args.out / f"{run}-{args.minutes:g}min"), soft="run" in values)
    result, rows = scored(codec, codec.bitrates_bps[0], args.out / f"{name}-{args.minutes:g}min" / "evaluation", args)
    seconds = sum(row["seconds"] for row in rows)
    result |= {"parameters": codec.n_parameters, "mmac_per_s": sum(mmac_per_s(recipe.system).values())}
    result |= {"released_kbps": codec.released_bits / RELEASED_UNIT / seconds}
    return result | {"train_minutes": codec.notes["minutes"], "steps": codec.notes["step"]}, rows


def measure_ours(name: str, values: dict, args) -> tuple[dict, list[dict]]:
    """Score the released codec. Encoder and decoder both run the entropy model, so that it counts twice."""
    codec = lpcnet_cq.load()
    result, rows = scored(codec, values["bitrate_bps"], args.out / name, args)
    macs = macs_per_second(codec.config)
    return result | {"parameters": codec.n_parameters, "mmac_per_s": (sum(macs.values()) + macs["entropy"]) / 1e6}, rows


def command_of(name: str, values: dict, args) -> str:
    budget = "" if "bitrate_bps" in values else f" MINUTES={args.minutes:g}"
    return f"make experiment NAME={name}{budget} DATA=folder"


def run(name: str, values: dict, args) -> None:
    """Run one experiment and add its rows."""
    measure = measure_ours if "bitrate_bps" in values else measure_published
    result, rows = measure(name, values, args)
    clips = [{"system": name} | row for row in rows]
    append_rows(clips, ["system", "clip", "seconds", "bytes", *CLIP_METRICS], args.results / "clips.csv")
    result |= {"system": name, "command": command_of(name, values, args)}
    append_rows([result], COLUMNS, args.results / "rows.csv")


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("name", choices=["all", *EXPERIMENTS])
    parser.add_argument("--data", help="folder of speech, as for `make train` (default: the default corpus)")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, for each system")
    parser.add_argument("--limit-s", type=float, default=120.0, help="held-out speech to score, about")
    parser.add_argument("--out", type=Path, default=Path("runs/papers"))
    parser.add_argument("--results", type=Path, default=RESULTS / "papers")
    args = parser.parse_args(argv)
    args.data = args.data or str(default_corpus())
    done = {row["command"] for row in read_rows(args.results / "rows.csv", TEXT_COLUMNS)}
    wanted = {name: tomllib.loads(EXPERIMENTS[name].read_text()) for name in EXPERIMENTS if args.name in ("all", name)}
    left = {name: values for name, values in wanted.items() if command_of(name, values, args) not in done}
    began, minutes = time.monotonic(), {name: minutes_of(values, args) + 1.5 for name, values in left.items()}
    for i, (name, values) in enumerate(left.items()):
        spent = (time.monotonic() - began) / 60
        ahead = sum(minutes.values())
        print(f"{i + 1} of {len(left)}: {name}; {spent:.0f} minutes spent, about {ahead:.0f} left", flush=True)
        run(name, values, args)
        del minutes[name]
    rows, clips = (read_rows(args.results / file, TEXT_COLUMNS) for file in ("rows.csv", "clips.csv"))
    publish(tables(rows, clips), args.results / "table.md")
    record_run(args.results)


if __name__ == "__main__":
    main()
