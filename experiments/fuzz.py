"""Fuzz everything that reads bytes from outside: files, live packets, live streams, RTP, weights.

    python experiments/fuzz.py --cases 1000000 --seed 0 --jobs 2
    python experiments/fuzz.py --case 17 --seed 0        # one case again, with its traceback

Case i of a seed is always the same. A case fails if anything but `BitstreamError` is raised (of weights: a `ValueError`
of one sentence), a rule of `fuzz_targets` is broken, it takes longer than ten times the sound that its bytes can hold,
or it allocates more than its size allows. Every hundredth case is run with its allocations traced.
"""

import argparse
import gc
import os
import sys
import time
import traceback
import tracemalloc
import warnings
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_report import write_report
from fuzz_seeds import Seed, make_seeds
from fuzz_targets import Case, Targets, decode, decode_blocks, info, thin
from fuzz_weights import draw_weights
from report import RESULTS, record_run

REPORT = RESULTS / "fuzz" / "report.md"
WEIGHTS_SHARE = 0.02  # of the cases
TRACED = 100  # one case of so many
CHUNK = 500  # cases between two lines of progress
TOP = 10  # slowest cases, and those that take most memory
MOST_TIMES_REAL = 10.0
LEAST_S = 1.0  # allowed for every case: files are synthesised in runs of 50 packets, and other processes interrupt
MOST_BYTES, BYTES_PER_S = 16 << 20, 24 << 20  # allowed for every case, and per second of sound that it can hold


@dataclass
class Results:
    """Count what happened; `slowest` and `largest` have (value, case index, target, mutation), the largest first."""

    cases: Counter = field(default_factory=Counter)
    messages: Counter = field(default_factory=Counter)
    accepted: Counter = field(default_factory=Counter)
    failures: list[tuple[int, str, str, str]] = field(default_factory=list)
    slowest: list[tuple[float, int, str, str]] = field(default_factory=list)
    largest: list[tuple[float, int, str, str]] = field(default_factory=list)

    def add(self, other: "Results") -> None:
        """Add the results of other cases."""
        for name in ("cases", "messages", "accepted"):
            getattr(self, name).update(getattr(other, name))
        self.failures += other.failures
        self.slowest = sorted(self.slowest + other.slowest, reverse=True)[:TOP]
        self.largest = sorted(self.largest + other.largest, reverse=True)[:TOP]

    def note(self, top: list, value: float, index: int, case: Case) -> None:
        """Keep the largest values."""
        top.append((value, index, case.target, case.mutation))
        top.sort(reverse=True)
        del top[TOP:]


def draw(targets: Targets, seed: int, index: int) -> Case:
    """Return case `index` of a seed."""
    random = Random(f"{seed}/{index}")
    if random.random() < WEIGHTS_SHARE:
        return draw_weights(random, targets.seeds)
    return targets.draw(random)


def run_case(case: Case, index: int, results: Results, traced: bool) -> None:
    """Run a case and count it."""
    if traced:
        tracemalloc.start()
    start, message, wrong = time.process_time(), "", ""
    try:
        message = case.run()
        results.messages[case.target, without_numbers(message)] += 1
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        wrong = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
    seconds = time.process_time() - start
    results.cases[case.target, case.mutation] += 1
    results.accepted[case.target] += not message and not wrong
    if traced:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        results.note(results.largest, peak / 1e6, index, case)
        if peak > MOST_BYTES + case.seconds * BYTES_PER_S + 20 * case.n_bytes:
            wrong = wrong or f"allocates {peak / 1e6:.0f} MB for {case.n_bytes} bytes"
    else:
        results.note(results.slowest, 1e3 * seconds, index, case)
        if seconds > max(LEAST_S, MOST_TIMES_REAL * case.seconds):
            wrong = wrong or f"takes {seconds:.2f} s for {case.seconds:.2f} s of sound"
    if wrong:
        results.failures.append((index, case.target, case.mutation, wrong))


def without_numbers(message: str) -> str:
    """Return a message in which all numbers and quoted bytes are the same."""
    kind, _, rest = message.partition("it begins with b")
    if rest:
        return f"{kind}it begins with other bytes"
    words = ["#" if any(c.isdigit() for c in word) else word for word in message.split()]
    return " ".join(words)


def resident_mb() -> float:
    """Return the memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def fuzz(seeds: list[Seed], seed: int, indices: range, traced: int = TRACED) -> Results:
    """Run cases, the last of every `traced` ones with its allocations traced; 0: none."""
    targets, results = Targets(seeds), Results()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the stream is cut off")
        for index in indices:
            run_case(draw(targets, seed, index), index, results, traced > 0 and index % traced == traced - 1)
    return results


def start_process(music: bool, seed: int) -> None:
    """Make the seeds of a process, and compile what runs them: cases are timed."""
    _process.update(seeds=make_seeds(music=music), seed=seed)
    for made in _process["seeds"]:
        for run in (decode, info, thin, decode_blocks):
            run(made.codec, made.data)


def run_chunk(indices: range) -> tuple[Results, int, float]:
    """Run cases in a process; return also its number and its memory in MB."""
    results = fuzz(_process["seeds"], _process["seed"], indices)
    gc.collect()
    return results, os.getpid(), resident_mb()


_process: dict[str, Any] = {}


def again(seeds: list[Seed], seed: int, index: int) -> None:
    """Run one case without catching what it raises."""
    case = draw(Targets(seeds), seed, index)
    print(f"{case.target}, {case.mutation}, {case.n_bytes} bytes: {case.run() or 'accepted'}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz everything that reads bytes from outside.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--case", type=int, help="run this case only")
    parser.add_argument("--no-music", action="store_true", help="speech only, which needs no JAX")
    parser.add_argument("--report", type=Path, default=REPORT)
    args = parser.parse_args()
    if args.case is not None:
        again(make_seeds(music=not args.no_music), args.seed, args.case)
        return 0
    chunks = [range(i, min(i + CHUNK, args.cases)) for i in range(0, args.cases, CHUNK)]
    total, memory, begin = Results(), {}, time.monotonic()
    with get_context("spawn").Pool(args.jobs, start_process, (not args.no_music, args.seed)) as pool:
        for results, process, mb in pool.imap(run_chunk, chunks):
            total.add(results)
            memory.setdefault(process, []).append(mb)
            n, seconds = total.cases.total(), time.monotonic() - begin
            write_report(args.report, total, args.seed, n / seconds, list(memory.values()))
            left_min = min((args.cases - n) * seconds / n / 60, args.minutes - seconds / 60)
            failed = len(total.failures)
            print(f"{n} cases, {n / seconds:.0f}/s, {failed} failed, {mb:.0f} MB, {left_min:.1f} min left", flush=True)
            if left_min <= 0:
                break
    record_run(args.report.parent)
    return int(bool(total.failures))


if __name__ == "__main__":
    sys.exit(main())
