"""Pruning a speech recogniser: letters wrong over sparsity, for CSP and every baseline at the same number of steps.

    python experiments/csp_asr.py DATA [--methods csp gradual] [--sparsities 0.8 0.9] [--seeds 0 1] [--steps 400]

A dense recogniser is trained for every seed, then pruned by every method to every sparsity. DATA is a corpus whose
`index.csv` has transcripts. The score is 1 minus the letter error rate on speakers that were not trained on. Rows are
written to `results/csp_asr/rows.csv` as they are measured, and are not measured again.
"""

from dataclasses import replace
from pathlib import Path

import grid
from recognise import Recipe, train
from report import make_parser, publish, record_run


def accuracy(notes: dict, parts: tuple[str, ...] = ("held", "dev")) -> float:
    wrong, letters = (sum(notes[part][k] for part in parts) for k in (0, 1))
    return 1 - wrong / letters


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("data")
    grid.add_arguments(parser, steps=400)
    parser.add_argument("--dense-steps", type=int, default=1500, help="of the training before (default: %(default)s)")
    parser.add_argument("--shrink", type=float, default=Recipe.shrink)
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="of pruning (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/csp_asr"))
    args = parser.parse_args()

    def measure(cell: grid.Cell) -> list[dict]:
        method, sparsity, seed = cell
        dense = args.out / f"dense-{args.dense_steps}-{seed}.safetensors"
        if not dense.is_file():
            train(Recipe(args.data, args.dense_steps, seed), dense)
        r = Recipe(args.data, args.steps, seed, str(dense), grid.recipe_of(method), sparsity, args.shrink)
        path = args.out / f"{method}-{sparsity:g}-{seed}.safetensors"
        notes = train(replace(r, learning_rate=args.learning_rate), path)
        dev, held = (accuracy(notes, (part,)) for part in ("dev", "held"))
        return [{"score": accuracy(notes), "score_dev": dev, "score_held": held, "steps": args.steps}]

    folder = args.results / "csp_asr"
    path = folder / "rows.csv"
    rows = grid.run(grid.cells(args.methods, args.sparsities, args.seeds), measure, path)
    grid.draw({"letters read right": rows}, folder / "curves.png")
    publish(grid.table(rows, "correct letters"), folder / "table.md")
    record_run(folder)


if __name__ == "__main__":
    main()
