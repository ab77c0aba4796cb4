"""The commands around training: `lpcnet-cq train | prune | evaluate | bench`.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import argparse
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lpcnet_cq.cli.arguments import UsageError, add_jobs, bitrate_bps, bitrates_bps, positive, put, say, whole_number
from lpcnet_cq.cli.folders import resumes_manifest
from lpcnet_cq.cli.paths import AUDIO_SUFFIXES, quoted
from lpcnet_cq.cli.tables import check_table, write_table

if TYPE_CHECKING:
    from lpcnet_cq.work.where import Where

MOST_SEED = (1 << 31) - 1
EVALUATION_S = 240.0  # approximate duration of held-out speech for the evaluation
POINTS_BPS = (9000, 12000, 16000, 20000, 24000, 64000, 80000, 96000, 128000)  # bitrates to evaluate within a range


def add_bench(commands) -> argparse.ArgumentParser:
    """Add `bench`."""
    bench = commands.add_parser("bench", help="measure the speed of the codec and its parts on this machine")
    bench.set_defaults(run=run_bench)
    return bench


def add_evaluate(commands) -> argparse.ArgumentParser:
    """Add `evaluate`."""
    text = "measure bitrate and quality on held-out speakers, or compare any two files or folders"
    evaluate = commands.add_parser("evaluate", help=text)
    evaluate.add_argument("reference", metavar="REF", nargs="?", help="original audio file, or a folder of them")
    evaluate.add_argument("degraded", metavar="DEG", nargs="?", help="what a codec made of it: scores these instead")
    evaluate.add_argument(
        "--metrics", default="pesq,estoi,visqol,si_sdr_db,snr_db", help="of REF and DEG (%(default)s)"
    )
    evaluate.add_argument("--csv", metavar="FILE.csv", help="also write the scores of REF and DEG to a table")
    evaluate.add_argument("-f", "--force", action="store_true", help="overwrite existing tables")
    evaluate.add_argument("--data", metavar="FOLDER", help="audio files (default: the default corpus)")
    evaluate.add_argument("--bitrate", type=bitrate_bps, help="bits per second (default: that of the model)")
    text = "folder for tables, plots and samples; a resumed run writes samples of those files only that it scores"
    evaluate.add_argument("--out", metavar="FOLDER", help=text)
    add_jobs(evaluate)
    text = "write a table of the scores of a folder; files that it lists are not scored again"
    evaluate.add_argument("--manifest", metavar="FILE.parquet", help=text)
    evaluate.set_defaults(run=run_evaluate)
    return evaluate


def add_train(commands) -> None:
    """Add `train` and `prune`, which have common options."""
    train = commands.add_parser("train", help="train a model and evaluate it")
    preset = "cq: speech; audio: music at 44.1 kHz (default: the preset of --init, else cq)"
    train.add_argument("--preset", choices=("cq", "audio"), help=preset)
    prune = commands.add_parser("prune", help="make a trained model sparse, and evaluate it")
    prune.add_argument("--sparsity", type=float, default=0.8, help="share of zeros (default: %(default)s)")
    prune.add_argument("--method", default="csp", help="csp, gradual, one-shot, l1, iht (default: %(default)s)")
    prune.add_argument("--pattern", default="single", help="single, 1x8, 4x4, inputs (default: %(default)s)")
    prune.add_argument("--init", metavar="FILE", default="cq", help="weights or run to prune (default: %(default)s)")
    start = train.add_mutually_exclusive_group()
    start.add_argument("--init", metavar="FILE", help="initial weights, or the run that has them")
    start.add_argument("--resume", action="store_true", help="resume the run in --out with its settings")
    for command, minutes in ((train, "60"), (prune, "5")):
        command.add_argument("--bitrate", type=bitrates_bps, help="rate or range (default: 9k-24k, music 64k-128k)")
        command.add_argument("--batch", type=positive(int), help="crops per step (default: speech 16, music 2)")
        command.add_argument("--minutes", type=positive(float), help=f"training time (default: {minutes})")
        command.add_argument("--data", metavar="FOLDER", help="audio files (default: the default corpus, downloaded)")
        command.add_argument("--out", metavar="FOLDER", help="folder of the run")
        command.add_argument(
            "--seed", type=whole_number(0, MOST_SEED), help="random seed of weights and batches (default: 0)"
        )
    text = "processes that share each batch; if one is lost, all start again from the checkpoint (default: 1)"
    train.add_argument("--processes", type=positive(int), metavar="N", help=text)
    train.add_argument(
        "--cluster", metavar="ADDRESS", help="start the processes on a Ray cluster, `local` for one here"
    )
    train.set_defaults(run=run_train)
    prune.set_defaults(run=run_prune)


def with_options(t, args: argparse.Namespace):
    """Return the settings of a training, changed by the options of the command line, and with a corpus."""
    from lpcnet_cq.training.corpus import default_corpus
    from lpcnet_cq.training.tasks import task_of

    given = {name: getattr(args, name) for name in ("data", "minutes", "seed", "batch")}
    changes = {name: value for name, value in given.items() if value is not None}
    if args.bitrate:
        changes["bitrates_bps"] = tuple(map(float, args.bitrate))
    if not (t.data or args.data):
        changes["data"] = str(default_corpus(task_of(t.codec).part))
    return replace(t, **changes)


def first_settings(args: argparse.Namespace):
    """Return the settings of a new run: those of the preset, or of the preset that fits the initial weights."""
    from lpcnet_cq.training.presets import PRESETS, preset_for_weights
    from lpcnet_cq.training.tasks import task_of

    if not args.init:
        return PRESETS[args.preset or "cq"]
    t = preset_for_weights(args.init)
    if args.preset not in (None, found := task_of(t.codec).preset):
        raise ValueError(f"--preset is {args.preset}, it must be {found} with the weights `{args.init}`")
    return t


def run_train(args: argparse.Namespace) -> int:
    """Train, evaluate on held-out speakers, and print the path of the model and a command that uses it."""
    from lpcnet_cq.evaluation.plots import training_curves
    from lpcnet_cq.training.parallel import in_group, is_first, join_group
    from lpcnet_cq.training.tasks import read_config
    from lpcnet_cq.training.train import train

    if (args.processes or args.cluster) and not in_group():
        return run_group_of(args)
    join_group()
    t = first_settings(args)
    low, high = args.bitrate or t.bitrates_bps
    workdir = Path(args.out or f"runs/{low:.0f}-{high:.0f}")
    t = with_options(read_config(workdir) if args.resume else t, args)
    if (workdir / "checkpoint.safetensors").exists() and not args.resume:
        if not (in_group() and read_config(workdir) == t):  # a group that starts again repeats its command
            raise ValueError(f"`{workdir}` contains a run; use --resume to continue it, or another folder with --out")
    path = train(t, workdir)
    if not is_first():
        return 0
    training_curves(workdir / "metrics.jsonl", workdir / "training.png", t.bitrate_bps)
    report_run(path, t.data, *t.bitrates_bps)
    return 0


def run_group_of(args: argparse.Namespace) -> int:
    """Run the same command in several processes, which share each batch."""
    from lpcnet_cq.cli.launch import run_group, run_here, run_on_ray

    run_once = run_on_ray(args.cluster) if args.cluster else run_here
    return run_group(args.argv, args.processes or 1, run_once)


def run_prune(args: argparse.Namespace) -> int:
    """Prune, print the sizes of all layers, and evaluate on held-out speakers."""
    from lpcnet_cq.checkpoint.weights import find_weights
    from lpcnet_cq.pruning.config import PruneConfig
    from lpcnet_cq.pruning.prune import prune
    from lpcnet_cq.pruning.size_report import report
    from lpcnet_cq.training.presets import preset_for_weights

    t = with_options(preset_for_weights(args.init, "prune"), args)
    low, high = t.bitrates_bps
    workdir = Path(args.out or f"runs/{low:.0f}-{high:.0f}-sparse")
    if (workdir / "checkpoint.safetensors").exists():
        raise ValueError(f"`{workdir}` contains a run; use another folder with --out")
    path = prune(PruneConfig(t, args.method, args.sparsity, args.pattern), workdir)
    text = report(path, find_weights(t.init))
    (workdir / "sizes.md").write_text(text, encoding="utf-8")
    print(text)
    report_run(path, t.data, low, high)
    return 0


def report_run(path: Path, data: str, low: float, high: float) -> None:
    """Evaluate the weights of a run at rates from `low` to `high` on held-out speakers, and print how to use them."""
    from lpcnet_cq.codec import Codec
    from lpcnet_cq.evaluation.evaluate import report

    codec = Codec(path)
    least, most = codec.bitrates_bps
    if not least <= low <= high <= most:
        print(f"the model supports {least} to {most} bit/s; other bitrates need more training")
    points = {low, *(r for r in POINTS_BPS if low < r < high), high}
    points = sorted({min(max(rate_bps, least), most) for rate_bps in points})
    for rate_bps in points:
        print(f"at {rate_bps / 1000:g} kbps:")
        report(codec, data, rate_bps, path.parent / f"evaluation-{rate_bps:.0f}", EVALUATION_S)
    print(f"the model is {path}")
    print(f"use it: lpcnet-cq encode --model {path} --bitrate {points[0]:.0f} IN.wav OUT.cq")


def run_evaluate(args: argparse.Namespace) -> int:
    """Evaluate the model on the held-out speakers of a folder, or compare two files or folders."""
    if args.reference is not None:
        return run_compare(args)
    resumes_manifest(args.manifest, args.force)
    import lpcnet_cq
    from lpcnet_cq.evaluation.evaluate import report
    from lpcnet_cq.evaluation.metrics import measurable, metrics_for

    codec = lpcnet_cq.load(args.model, args.backend)
    where, bitrate_bps = where_of(args), args.bitrate or codec.default_bitrate_bps
    out, data = Path(where.path(args.out or "runs/evaluation")), args.data and where.path(args.data)
    settings = {"model": codec.sha256[:16], "backend": args.backend, "rate_bps": bitrate_bps}
    settings["metrics"] = list(measurable(metrics_for(codec)))
    with scores_manifest(args, settings) as manifest:
        report(codec, data, bitrate_bps, out, where=where, manifest=manifest)
    return 0


def scores_manifest(args: argparse.Namespace, settings: dict) -> AbstractContextManager:
    """Return the manifest of a run that scores, if one is asked for."""
    if args.manifest is None:
        return nullcontext()
    from lpcnet_cq.work.manifest import Manifest

    return Manifest(args.manifest, {"command": "evaluate"} | settings, fresh=args.force, unit_of=str)


def where_of(args: argparse.Namespace) -> "Where":
    """Return where the options of `add_jobs` say that work runs."""
    from lpcnet_cq.work.where import Where

    return Where(args.jobs, args.cluster)


def run_compare(args: argparse.Namespace) -> int:
    """Print the scores of files or folders, and write them to a table; return 1 if a pair cannot be scored."""
    check_compare(args)
    from lpcnet_cq.evaluation.compare import EVAL_EXTRA, chosen_metrics, score_table
    from lpcnet_cq.evaluation.metrics import measurable, missing_modules

    try:
        asked = chosen_metrics(args.metrics)
    except ValueError as error:
        raise UsageError(f"--metrics: {error}") from error
    metrics, missing = measurable(asked), missing_modules(asked)
    if not metrics:
        packages = ", ".join(sorted(set(missing.values())))
        raise ValueError(f"no metric of {args.metrics} can be measured without {packages}; {EVAL_EXTRA}")
    from lpcnet_cq.work.manifest import valid_name

    found = compared(args, tuple(metrics))
    good = {valid_name(name): row for name, row in found.items() if not row["error"]}
    rows = [{"file": name} | {k: row[k] for k in metrics} for name, row in good.items()]
    if (n_failed := len(found) - len(rows)) and os.path.isdir(args.reference):
        say(f"{len(rows)} of {len(found)} files were scored, {n_failed} failed")
    if rows:
        if args.csv:
            write_table(args.csv, rows)
        put(score_table(rows, metrics, missing).rstrip())
    return 1 if n_failed else 0


def check_compare(args: argparse.Namespace) -> None:
    """Raise an error if options do not fit two files or folders, or each other."""
    if args.degraded is None:
        raise UsageError(f"evaluate needs two files or folders, only {quoted(args.reference)} is given")
    if args.data or args.bitrate or args.out or args.model:
        raise UsageError("--data, --bitrate, --out and --model are for the evaluation of a model, not for REF and DEG")
    both = args.reference, args.degraded
    if all(map(os.path.exists, both)) and len(set(map(os.path.isdir, both))) > 1:
        raise UsageError(f"{quoted(both[0])} and {quoted(both[1])} must be two files or two folders")
    if args.manifest and not os.path.isdir(args.reference):
        raise UsageError(f"--manifest is for folders, {quoted(args.reference)} is none")
    resumes = resumes_manifest(args.manifest, args.force)
    if args.csv:
        check_table(args.csv, args.degraded, args.force or resumes)


def compared(args: argparse.Namespace, metrics: tuple[str, ...]) -> dict[str, dict]:
    """Return the rows of all pairs by name; report notes and errors."""
    from lpcnet_cq.evaluation.compare import ComparePair, pairs_of
    from lpcnet_cq.work.scores import Scoring, named, scored

    where = where_of(args)
    pairs = pairs_of(where.path(args.reference), where.path(args.degraded), AUDIO_SUFFIXES)
    with scores_manifest(args, {"metrics": list(metrics)}) as manifest:
        scoring = Scoring(ComparePair(metrics), tuple, described=manifest is not None)
        found = scored(pairs, scoring, where, manifest, report=say_all)
    for name, row in found.items():
        if row["error"]:
            say(f"error: {named(row['error'], *pairs[name])}")
    return found


def say_all(notes: list[str]) -> None:
    """Print notes to standard error."""
    for note in notes:
        say(note)


def run_bench(args: argparse.Namespace) -> int:
    """Print a table of speeds for this machine."""
    if hasattr(os, "sched_setaffinity"):  # use one core; must be set before JAX counts the cores
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from lpcnet_cq.evaluation.bench import codec_rows, filter_rows, processor

    rows = [("processor", processor()), *codec_rows(args.model, args.backend), *filter_rows()]
    width = max(len(name) for name, _ in rows)
    put("\n".join(f"{name:{width}}  {value}" for name, value in rows))
    return 0
