"""Pruning the codec: PESQ over sparsity at 9 and 24 kbps, for CSP and every baseline at the same number of steps.

    python experiments/csp_codec.py DATA [--methods csp gradual] [--sparsities 0.8 0.9] [--seeds 0 1] [--steps 200]

Every run starts from the released weights, covers all rates, and is scored from bytes on the same recordings of
held-out speakers. Rows are written to `results/csp_codec` as they are measured, and are not measured again. The methods
"released" and "packed" are the released weights as they are, and stored in half precision.
"""

from dataclasses import replace
from pathlib import Path

import grid
import numpy as np
from report import make_parser, publish, record_run

from lpcnet_cq.checkpoint.half_precision import pack_weights
from lpcnet_cq.checkpoint.weight_groups import PATTERNS
from lpcnet_cq.checkpoint.weights import find_weights, read_tensors, write_tensors
from lpcnet_cq.codec import Codec
from lpcnet_cq.evaluation.evaluate import held_out
from lpcnet_cq.evaluation.metrics import METRIC_RATE_HZ, METRICS
from lpcnet_cq.evaluation.tables import mean_and_interval
from lpcnet_cq.pruning.config import PruneConfig
from lpcnet_cq.pruning.prune import prune
from lpcnet_cq.training.data import read_clip
from lpcnet_cq.training.presets import PRESETS

RATES_BPS = (9000, 24000)
BASE = replace(PRESETS["cq-prune"], init="cq")
LOST = 0.02  # PESQ that a sparse model may lose
RELEASED, PACKED = "released", "packed"


def clip_scores(codec: Codec, clips, rate_bps: int) -> dict[str, np.ndarray]:
    """Code recordings to bytes and back; return a score per recording and metric, and the rates."""
    found = {"kbps": [], "pesq": [], "estoi": []}
    for clip in clips:
        x = read_clip(clip, METRIC_RATE_HZ)
        data = codec.encode(x, METRIC_RATE_HZ, rate_bps)
        y = codec.decode(data)[0].astype(np.float64)
        found["kbps"].append(8 * len(data) / len(x) * METRIC_RATE_HZ / 1000)
        for name in ("pesq", "estoi"):
            found[name].append(METRICS[name].score(x.astype(np.float64), y, METRIC_RATE_HZ))
    return {name: np.array(values) for name, values in found.items()}


def rows_of(path: Path, clips, before: dict[int, np.ndarray]) -> list[dict]:
    """Return a row per rate: score, what is lost per recording against `before` with its interval, size on disk."""
    codec, rows = Codec(path), []
    low, high = codec.bitrates_bps
    for rate_bps in RATES_BPS:
        if low <= rate_bps <= high:
            found = clip_scores(codec, clips, rate_bps)
        else:  # pruned beyond repair: no score, rather than one at another rate
            found = dict.fromkeys(("kbps", "pesq", "estoi"), np.full(len(clips), np.nan))
        lost = before.setdefault(rate_bps, found["pesq"]) - found["pesq"]
        means = {name: float(np.mean(values)) for name, values in found.items()}
        row = {"rate_bps": rate_bps, "score": means["pesq"], "kbps": means["kbps"], "estoi": means["estoi"]}
        mean, half = mean_and_interval(lost)
        rows.append(row | {"lost": mean, "lost_interval": half, "bytes": path.stat().st_size})
    return rows


def small_enough(rows: list[dict]) -> str:
    """Name the smallest sparse model that loses no more than allowed at any rate, all seeds together."""
    runs: dict[tuple[str, float], list[dict]] = {}
    for row in rows:
        if row["sparsity"]:
            runs.setdefault((row["method"], row["sparsity"]), []).append(row)

    def worst(of):
        return np.max([np.mean([row["lost"] for row in of if row["rate_bps"] == rate]) for rate in RATES_BPS])

    kept = {name: of for name, of in runs.items() if worst(of) <= LOST}
    if not kept:
        return f"No sparse model keeps within {LOST} PESQ of the released weights.\n"
    (method, sparsity), of = min(kept.items(), key=lambda item: item[1][0]["bytes"])
    size = f"{of[0]['bytes']:,.0f} bytes, at most {worst(of):.3f} PESQ below the released weights"
    return f"Smallest within {LOST} PESQ: {method} at {100 * sparsity:g} % zeros, {size}.\n"


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("data")
    grid.add_arguments(parser, steps=200)
    parser.add_argument("--pattern", choices=PATTERNS, default="single")
    parser.add_argument("--shrink", type=float, default=PruneConfig.shrink)
    parser.add_argument("--learning-rate", type=float, default=BASE.learning_rate)
    parser.add_argument("--limit-s", type=float, default=120.0, help="speech to score, about (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/csp_codec"))
    args = parser.parse_args()
    clips = held_out(args.data, limit_s=args.limit_s)
    released = find_weights(BASE.init)
    before: dict[int, np.ndarray] = {}  # PESQ of the released weights by rate

    def measure(cell: grid.Cell) -> list[dict]:
        method, sparsity, seed = cell
        released_rows = rows_of(released, clips, before) if method == RELEASED or not before else []
        if method == RELEASED:
            return released_rows
        folder = args.out / f"{args.pattern}-{method}-{sparsity:g}-{seed}-{args.steps}"
        if method == PACKED:
            tensors, metadata = read_tensors(released)
            write_tensors(folder / "weights.safetensors", pack_weights(tensors), metadata)
            return rows_of(folder / "weights.safetensors", clips, before)
        t = replace(BASE, data=args.data, steps=args.steps, seed=seed, learning_rate=args.learning_rate)
        path = prune(PruneConfig(t, grid.recipe_of(method), sparsity, args.pattern, args.shrink), folder)
        (folder / "checkpoint.safetensors").unlink()  # large, and of no more use
        return rows_of(path, clips, before)

    folder = args.results / ("csp_codec" if args.pattern == "single" else f"csp_codec_{args.pattern}")
    todo = [(RELEASED, 0.0, 0), (PACKED, 0.0, 0), *grid.cells(args.methods, args.sparsities, args.seeds)]
    rows = grid.run(todo, measure, folder / "rows.csv")
    panels = {f"PESQ-WB at {rate / 1000:g} kbps": [r for r in rows if r["rate_bps"] == rate] for rate in RATES_BPS}
    text = "\n".join([*(grid.table(of, title) for title, of in panels.items()), small_enough(rows)])
    grid.draw(panels, folder / "curves.png")
    publish(text, folder / "table.md")
    record_run(folder)


if __name__ == "__main__":
    main()
