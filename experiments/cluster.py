"""Coding of folders on several processes: speed beside a plain loop, and runs whose workers are killed.

    python experiments/cluster.py speed [--files 60] [--seconds 10] [--rounds 3] [--ray]
    python experiments/cluster.py faults [--files 10000] [--seconds 0.2] [--kills 5]

`speed` times whole commands, with the start of all processes, on a machine that must be idle, and writes
`results/cluster/rows.csv`: a plain loop over the files in one process, and `lpcnet-cq encode` with a manifest and one
or two workers; with `--ray` also with two on a local Ray cluster. Medians of the rounds count.

`faults` codes a folder once undisturbed, and once with killed workers and, in between, a killed run that a second
command resumes; it compares all bytes and all rows of the manifests.
"""

import argparse
import hashlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from report import RESULTS, make_parser, record_run

from lpcnet_cq.audio import write_wav
from lpcnet_cq.evaluation.bench import processor, speech_like
from lpcnet_cq.evaluation.tables import markdown, write_rows
from lpcnet_cq.work.manifest import read_table

RATE_HZ = 16000
LOOP = """
import sys
from pathlib import Path
from lpcnet_cq.cli.encode import encode_file
from lpcnet_cq.cli.notes import EncodeOptions
options = EncodeOptions(None, None, 9000, 1, "mean", True)
Path(sys.argv[2]).mkdir()
for path in sorted(Path(sys.argv[1]).glob("*.wav")):
    encode_file(str(path), f"{sys.argv[2]}/{path.stem}.cq", options)
"""
COMMAND = [sys.executable, "-m", "lpcnet_cq", "encode"]


def make_corpus(folder: Path, n_files: int, seconds: float) -> Path:
    """Write recordings of equal length that all differ."""
    folder.mkdir()
    x = speech_like(int(60 + seconds), RATE_HZ)
    n = round(seconds * RATE_HZ)
    starts = np.random.default_rng(0).integers(len(x) - n, size=n_files)
    for i, start in enumerate(starts):
        write_wav(folder / f"{i:06d}.wav", x[start : start + n], RATE_HZ)
    return folder


def digest(folder: Path) -> tuple[int, str]:
    """Return the number of files of a folder and a hash of their names and bytes."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return len(paths), total.hexdigest()


# ------------------------------------------------------------------------------------------------ speed


def commands(corpus: Path, out: Path, ray: bool) -> dict[str, list[str]]:
    """Return what is timed; each writes to a folder of its own."""
    folder = ["--manifest", str(out) + ".parquet", "-o", str(out), str(corpus)]
    found = {
        "plain loop": [sys.executable, "-c", LOOP, str(corpus), str(out)],
        "one worker": [*COMMAND, *folder],
        "two workers": [*COMMAND, *folder, "--jobs", "2"],
    }
    return found | ({"two workers, Ray": [*found["two workers"], "--cluster", "local"]} if ray else {})


def speed(args: argparse.Namespace, work: Path) -> None:
    corpus = make_corpus(work / "in", args.files, args.seconds)
    times_s: dict[str, list[float]] = {}
    for i in range(args.rounds):
        for j, name in enumerate(commands(corpus, work, args.ray)):
            out = work / f"out-{i}-{j}"
            began = time.perf_counter()
            subprocess.run(commands(corpus, out, args.ray)[name], check=True, stderr=subprocess.DEVNULL)
            times_s.setdefault(name, []).append(time.perf_counter() - began)
            if (found := digest(out)) != (first := digest(work / "out-0-0")):
                raise SystemExit(f"{name} wrote {found}, the plain loop {first}")
            print(f"{name}: {times_s[name][-1]:.2f} s", flush=True)
    audio_s, base_s = args.files * args.seconds, statistics.median(times_s["plain loop"])
    rows = []
    for name, values in times_s.items():
        median_s = statistics.median(values)
        rows.append({"run": name, "files": args.files, "file_s": args.seconds, "wall_s": median_s})
        rows[-1] |= {"audio_s_per_s": audio_s / median_s, "ratio_to_loop": base_s / median_s}
    args.results.mkdir(parents=True, exist_ok=True)
    write_rows(rows, args.results / "rows.csv")
    record_run(args.results)
    cells = [[str(v) if isinstance(v, str | int) else f"{v:.3f}" for v in row.values()] for row in rows]
    print(markdown(list(rows[0]), cells))
    ratio = statistics.median(times_s["one worker"]) / statistics.median(times_s["two workers"])
    overhead = statistics.median(times_s["one worker"]) / base_s - 1
    print(f"two workers over one: {ratio:.2f}; overhead over the plain loop: {100 * overhead:.1f} %")
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")


# ------------------------------------------------------------------------------------------------ faults


def workers_of(pid: int) -> list[int]:
    """Return the processes of a run that code."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", "spawn_main"], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def done_of(manifest: Path) -> int:
    """Return how many files the journal of a run lists."""
    journal = manifest.with_name(manifest.name + ".journal")
    return journal.read_bytes().count(b"\n") - 1 if journal.exists() else 0


def faults(args: argparse.Namespace, work: Path) -> None:
    corpus = make_corpus(work / "in", args.files, args.seconds)
    runs = {name: [*COMMAND, str(corpus), "-o", str(work / name), "--jobs", "2"] for name in ("whole", "killed")}
    tables = {name: work / f"{name}.parquet" for name in runs}
    runs = {name: [*line, "--manifest", str(tables[name])] for name, line in runs.items()}
    began = time.perf_counter()
    subprocess.run(runs["whole"], check=True)
    print(f"undisturbed: {time.perf_counter() - began:.0f} s", flush=True)
    rng, lost = np.random.default_rng(1), 0
    for part in ("killed", "resumed"):
        process = subprocess.Popen(runs["killed"])
        first = done_of(tables["killed"])
        for share in sorted(rng.uniform(0.05, 0.8, args.kills)):
            wanted = first + share * (args.files / 2 if part == "killed" else args.files - first)
            while process.poll() is None and done_of(tables["killed"]) < wanted:
                time.sleep(0.05)
            for pid in workers_of(process.pid)[:1]:
                os.kill(pid, signal.SIGKILL)
                lost += 1
        if part == "killed":
            while done_of(tables["killed"]) < args.files / 2:
                time.sleep(0.05)
            process.kill()
        print(f"{part}: exit status {process.wait()}, {done_of(tables['killed'])} files in the journal", flush=True)
    (n, whole), (m, killed) = digest(work / "whole"), digest(work / "killed")
    rows = [read_table(tables[name])[1] for name in runs]
    print(f"{lost} workers and one run killed; files: {n} and {m}; bytes identical: {whole == killed}")
    print(f"rows: {len(rows[0])} and {len(rows[1])}; rows identical: {rows[0] == rows[1]}")


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("what", choices=("speed", "faults"))
    parser.add_argument("--files", type=int, help="number of recordings (default: speed 60, faults 10000)")
    parser.add_argument("--seconds", type=float, help="of each recording (default: speed 10, faults 0.2)")
    parser.add_argument("--rounds", type=int, default=3, help="of speed (default: %(default)s)")
    parser.add_argument(
        "--kills", type=int, default=5, help="of workers, in each half of faults (default: %(default)s)"
    )
    parser.add_argument("--ray", action="store_true", help="also time a local Ray cluster")
    parser.add_argument("--results", type=Path, default=RESULTS / "cluster", help="folder to write to")
    args = parser.parse_args()
    args.files = args.files or {"speed": 60, "faults": 10000}[args.what]
    args.seconds = args.seconds or {"speed": 10.0, "faults": 0.2}[args.what]
    with tempfile.TemporaryDirectory() as folder:
        {"speed": speed, "faults": faults}[args.what](args, Path(folder))
