"""Interval of context resets: which one is best at an expected loss, at equal total rate, by PESQ.

    python experiments/loss_intervals.py run DATA [--model cq3] [--kbps 9,16,24]
    python experiments/loss_intervals.py table

`run` codes four of the recordings of `loss.py` live with each interval, and with copies, loses random packets, and adds
rows to `results/loss/intervals.csv`; what is there is not measured again. `table` writes `results/loss/intervals.md`.
The packets that are lost at a low loss are also lost at every higher one, so that intervals and losses are compared by
the same events.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
from loss import HOP, RATE_HZ, decode, encode_all, numbers, recordings, setting_of
from report import RESULTS, record_run

import lpcnet_cq
from lpcnet_cq.bitstream.protection import Protection
from lpcnet_cq.channel import random_losses
from lpcnet_cq.evaluation.evaluate import METRICS
from lpcnet_cq.evaluation.tables import append_rows, markdown, read_rows

LOSSES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05)
PROTECTIONS = (
    *(Protection(1, share) for share in (0.0, 0.3, 0.6, 1.0)),
    *(Protection(interval) for interval in (2, 5, 3, 10, 25)),
)
COLUMNS = ["codec", "kbps_asked", "setting", "kbps", *(f"loss {100 * loss:g} %" for loss in LOSSES)]
SEED = 16
COPIES_KBPS = 12.0  # below, there are no bits for copies


def run(data: str, path: Path, model: str, rates_kbps: list[float]) -> None:
    """Measure the settings that have no row yet."""
    codec, sounds = lpcnet_cq.load(model), recordings(data)[::2]
    counts = [-(-len(x) // HOP) for _, x in sounds]
    done = {(row["codec"], row["kbps_asked"], row["setting"]) for row in read_rows(path, ["codec", "setting"])}
    for protection, kbps in product(PROTECTIONS, rates_kbps):
        row = {"codec": codec.name, "kbps_asked": kbps, "setting": setting_of(protection)}
        if tuple(row.values()) in done or (protection.copies and kbps < COPIES_KBPS):
            continue
        coded, row["kbps"] = encode_all(codec, sounds, kbps, protection)
        for loss, column in zip(LOSSES, COLUMNS[4:], strict=True):
            lost = np.split(random_losses(sum(counts), loss, SEED), np.cumsum(counts)[:-1])
            heard = (decode(codec, c, gone, len(x)) for c, gone, (_, x) in zip(coded, lost, sounds, strict=True))
            scores = [METRICS["pesq"].score(x, y, RATE_HZ) for y, (_, x) in zip(heard, sounds, strict=True)]
            row[column] = float(np.mean(scores))
        append_rows([row], COLUMNS, path)
        print(row, flush=True)


def write_table(rows: list[dict], path: Path) -> None:
    """Write the scores, the best of each loss at each rate in bold."""
    cells = []
    for row in sorted(rows, key=lambda row: row["kbps_asked"]):
        same = [other for other in rows if (other["codec"], other["kbps_asked"]) == (row["codec"], row["kbps_asked"])]
        best = {c: max(other[c] for other in same) for c in COLUMNS[4:]}
        scores = [f"**{row[c]:.2f}**" if row[c] == best[c] else f"{row[c]:.2f}" for c in COLUMNS[4:]]
        cells.append([f"`{row['codec']}`", row["setting"], f"{row['kbps']:.2f}", *scores])
    path.write_text(
        "PESQ-WB, means over 4 recordings.\n\n" + markdown(["codec", "setting", "kbps", *COLUMNS[4:]], cells, 2)
    )


def main() -> None:
    """Run the command line."""
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    p.add_argument("what", choices=["run", "table"])
    p.add_argument("data", nargs="?", help="corpus of `run`")
    p.add_argument("--out", type=Path, default=RESULTS / "loss", metavar="FOLDER")
    p.add_argument("--model", default="cq3")
    p.add_argument("--kbps", type=numbers(float), default=[9.0, 16.0, 24.0])
    args = p.parse_args()
    if (args.data is None) != (args.what == "table"):
        p.error(f"{args.what} takes {'no' if args.what == 'table' else 'one'} corpus")
    path = args.out / "intervals.csv"
    if args.what == "run":
        run(args.data, path, args.model, args.kbps)
        record_run(args.out)
    else:
        write_table(read_rows(path, ["codec", "setting"]), path.with_suffix(".md"))


if __name__ == "__main__":
    main()
