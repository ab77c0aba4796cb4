"""Sweeps: trainings and their scores as jobs, in local processes, on a Ray cluster, or as a Slurm array.

A job trains in its folder and writes `rows.csv` there; a job that has written its rows is not run again, and one that
was killed goes on from its checkpoint. Therefore the engines can be mixed: what one has done, the next one finds.
"""

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lpcnet_cq.codec import Codec, load
from lpcnet_cq.evaluation.evaluate import evaluate, held_out, summary
from lpcnet_cq.evaluation.tables import read_rows, write_rows
from lpcnet_cq.training.config import TrainConfig
from lpcnet_cq.training.train import train
from lpcnet_cq.work.engine import all_results
from lpcnet_cq.work.where import Where

ENGINES = ("processes", "ray", "submitit")


@dataclass(frozen=True)
class Job:
    """Hold one training, or weights that exist, and the rates at which to score it.

    Attributes
    ----------
    labels : tuple of pairs
        First columns of the rows: names and values.
    folder : Path
    rates_bps : tuple of int
    data : str
        Corpus with the held-out recordings.
    config : TrainConfig, optional
    weights : str, optional
        Weights to score if there is no training; None for the released ones.
    limit_s : float, optional
        Approximate duration of the audio to score.
    parts : tuple of str
        Parts of packets whose rates have columns.
    """

    labels: tuple[tuple[str, str | float], ...]
    folder: Path
    rates_bps: tuple[int, ...]
    data: str
    config: TrainConfig | None = None
    weights: str | None = None
    limit_s: float | None = None
    parts: tuple[str, ...] = ()


def run_job(job: Job) -> list[dict]:
    """Train and score, and return the rows of a job, one for each rate."""
    path, texts = job.folder / "rows.csv", [name for name, value in job.labels if isinstance(value, str)]
    if not path.is_file():
        codec = Codec(train(job.config, job.folder, quiet=True)) if job.config else load(job.weights)
        write_rows([score(job, codec, rate_bps) for rate_bps in job.rates_bps], path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)
    return read_rows(path, texts)


def score(job: Job, codec: Codec, rate_bps: int) -> dict:
    """Return means and intervals of one codec at one rate."""
    rows = evaluate(codec, held_out(job.data), rate_bps, job.folder / f"evaluation-{rate_bps}", job.limit_s)
    seconds = sum(row["seconds"] for row in rows)
    kbps = {f"{k}_kbps": sum(row[f"{k}_bits"] for row in rows) / seconds / 1000 for k in job.parts}
    return dict(job.labels) | {"kbps_asked": rate_bps / 1000} | summary(rows) | kbps


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where jobs run."""
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help="where jobs run (default: %(default)s)")
    parser.add_argument("--jobs", type=int, help="jobs at the same time (default: 1; ray: the cores; submitit: all)")
    parser.add_argument("--cluster", default="local", metavar="ADDRESS", help="of ray (default: %(default)s)")
    parser.add_argument("--hours", type=float, default=24.0, help="time limit of a job of submitit (%(default)s)")
    parser.add_argument("--cpus", type=int, default=2, help="cores of a job of submitit (default: %(default)s)")
    parser.add_argument("--gpus", type=int, default=0, help="accelerators of a job of submitit (default: %(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="print the Slurm array of submitit, submit nothing")


def run_jobs(jobs: Sequence[Job], args: argparse.Namespace) -> list[dict]:
    """Return the rows of all jobs, in their order; with `--dry-run`, print the Slurm array and return no rows."""
    if args.dry_run and args.engine != "submitit":
        raise SystemExit(f"--dry-run prints the Slurm array of --engine submitit, --engine is {args.engine}")
    if args.engine == "submitit":
        found = submitted(jobs, args)
    else:
        cluster = args.cluster if args.engine == "ray" else None
        found = all_results(jobs, Where(args.jobs, cluster).engine(run_job))
    return [row for rows in found for row in rows]


def submitted(jobs: Sequence[Job], args: argparse.Namespace) -> list[list[dict]]:
    """Submit jobs as a Slurm array and return their rows; with `--dry-run`, print the array instead."""
    try:
        import submitit  # pyright: ignore[reportMissingImports]
        from submitit.slurm.slurm import _make_sbatch_string  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        install = "`pip install 'lpcnet-cq[cluster]'` installs it"
        raise SystemExit(f"--engine submitit needs the package `{error.name}`; {install}") from error
    folder, limits = jobs[0].folder.parent / "slurm", {"job_name": "lpcnet-cq", "cpus_per_task": args.cpus}
    limits |= {"gpus_per_node": args.gpus} if args.gpus else {}
    modules = os.pathsep.join(filter(None, [str(Path(__file__).parent.absolute()), os.environ.get("PYTHONPATH")]))
    limits |= {"setup": [f"export PYTHONPATH={shlex.quote(modules)}"]}  # where a job finds this module
    at_once, minutes = args.jobs or len(jobs), round(60 * args.hours)
    if args.dry_run:
        arguments = {"map_count": len(jobs), "array_parallelism": at_once, "time": minutes, **limits}
        print(_make_sbatch_string("python -u -m submitit.core._submit " + str(folder), folder, **arguments))
        for i, job in enumerate(jobs):
            print(f"task {i}: {', '.join(str(value) for _, value in job.labels)}, in {job.folder}")
        return []
    executor = submitit.SlurmExecutor(folder)
    executor.update_parameters(array_parallelism=at_once, time=minutes, **limits)
    return [job.result() for job in executor.map_array(run_job, jobs)]
