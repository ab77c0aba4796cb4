"""Coding of folders on several processes: speed beside a plain loop, and runs whose workers or nodes are killed.

    python experiments/cluster.py speed [--files 60] [--seconds 10] [--rounds 3] [--ray]
    python experiments/cluster.py faults [--files 10000] [--seconds 0.2] [--kills 5]
    python experiments/cluster.py nodes [--files 40] [--seconds 2]

`speed` times whole commands, with the start of all processes, on a machine that must be idle, and writes
`results/cluster/rows.csv`: a plain loop over the files in one process, and `lpcnet-cq encode` with a manifest and one
or two workers; with `--ray` also with two on a local Ray cluster. Medians of the rounds count.

`faults` codes a folder once undisturbed, and once with killed workers and, in between, a killed run that a second
command resumes; it compares all bytes and all rows of the manifests.

`nodes` starts a Ray cluster of two nodes on the loopback address, each with one core, codes a folder there, and kills
the second node, with all of its processes, while it codes; it compares bytes and rows with those of one process.
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

from lpcnet_cq.audio.writer import write_wav
from lpcnet_cq.cli.launch import free_port
from lpcnet_cq.evaluation.bench import processor, speech_like
from lpcnet_cq.evaluation.tables import markdown, write_rows
from lpcnet_cq.work.manifest import read_table
from lpcnet_cq.work.ray_tasks import check_answer

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
    print(f"{lost} workers and one run killed")
    compare(work, tables)


def compare(work: Path, tables: dict[str, Path]) -> None:
    """Print whether two runs have the same bytes and rows."""
    (n, one), (m, other) = (digest(work / name) for name in tables)
    rows = [read_table(path)[1] for path in tables.values()]
    print(f"files: {n} and {m}; bytes identical: {one == other}")
    print(f"rows: {len(rows[0])} and {len(rows[1])}; rows identical: {rows[0] == rows[1]}")


# ------------------------------------------------------------------------------------------------ nodes

RAY = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
RAY += ["--node-ip-address=127.0.0.1"]
RAY_ENVIRON = {"RAY_memory_monitor_refresh_ms": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
RAY_ENVIRON |= {"RAY_AUTH_MODE": "disabled"}  # else a token that is in the home folder is asked for


def start_node(*options: str) -> subprocess.Popen:
    """Start a node, which is a process of this one with all its own processes below it."""
    return subprocess.Popen([*RAY, *options], env=os.environ | RAY_ENVIRON, stdout=subprocess.DEVNULL)


def processes_below(pid: int) -> list[int]:
    """Return a process and all processes that it, or those, have started."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid, *(below for child in found for below in processes_below(int(child)))]


def codes_on(node: subprocess.Popen) -> bool:
    """Return whether a unit of work runs on a node."""
    pids = ",".join(map(str, processes_below(node.pid)))
    found = subprocess.run(["ps", "-o", "args=", "-p", pids], capture_output=True, text=True).stdout
    return "ray::run_unit" in found


def end_node(node: subprocess.Popen) -> None:
    """Kill a node as a loss of power does."""
    for pid in processes_below(node.pid):
        os.kill(pid, signal.SIGKILL)
    node.wait()


def nodes(args: argparse.Namespace, work: Path) -> None:
    corpus = make_corpus(work / "in", args.files, args.seconds)
    tables = {name: work / f"{name}.parquet" for name in ("whole", "killed")}
    runs = {n: [*COMMAND, str(corpus), "-o", str(work / n), "--manifest", str(t)] for n, t in tables.items()}
    subprocess.run(runs["whole"], check=True)
    port = free_port()
    started = [start_node("--head", f"--port={port}", "--include-dashboard=false")]
    try:
        while not answers(port):
            time.sleep(0.1)
        started.append(start_node(f"--address=127.0.0.1:{port}"))
        process = subprocess.Popen([*runs["killed"], "--cluster", f"127.0.0.1:{port}"], env=os.environ | RAY_ENVIRON)
        while process.poll() is None and not (done_of(tables["killed"]) > args.files / 5 and codes_on(started[1])):
            time.sleep(0.1)
        end_node(started.pop())
        print(f"the second node was killed after {done_of(tables['killed'])} files")
        print(f"exit status {process.wait()}")
    finally:
        for node in started:
            end_node(node)
    compare(work, tables)


def answers(port: int) -> bool:
    """Return whether a Ray cluster answers at a port of this machine."""
    try:
        check_answer(f"127.0.0.1:{port}")
    except (OSError, ValueError):  # ValueError: another program has taken the port
        return False
    return True


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("what", choices=("speed", "faults", "nodes"))
    parser.add_argument("--files", type=int, help="number of recordings (default: 60, 10000 or 40)")
    parser.add_argument("--seconds", type=float, help="of each recording (default: 10, 0.2 or 2)")
    parser.add_argument("--rounds", type=int, default=3, help="of speed (default: %(default)s)")
    parser.add_argument(
        "--kills", type=int, default=5, help="of workers, in each half of faults (default: %(default)s)"
    )
    parser.add_argument("--ray", action="store_true", help="also time a local Ray cluster")
    parser.add_argument("--results", type=Path, default=RESULTS / "cluster", help="folder to write to")
    args = parser.parse_args()
    args.files = args.files or {"speed": 60, "faults": 10000, "nodes": 40}[args.what]
    args.seconds = args.seconds or {"speed": 10.0, "faults": 0.2, "nodes": 2.0}[args.what]
    with tempfile.TemporaryDirectory() as folder:
        {"speed": speed, "faults": faults, "nodes": nodes}[args.what](args, Path(folder))
