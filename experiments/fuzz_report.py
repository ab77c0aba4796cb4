"""The report of a fuzzing run, in Markdown."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuzz import Results

MOST_MESSAGES = 120


def write_report(path: Path, results: Results, seed: int, rate: float, memory_mb: list[list[float]]) -> None:
    """Write what a run found so far.

    Parameters
    ----------
    path : Path
    results : Results
    seed : int
    rate : float
        Cases per second.
    memory_mb : list of lists of float
        Memory of each process after every 500 cases.
    """
    first, half, last = (" and ".join(f"{row[int(at * len(row))]:.0f}" for row in memory_mb) for at in (0, 0.5, 0.999))
    n, targets = results.cases.total(), sorted({target for target, _ in results.cases})
    mutations = sorted({mutation for _, mutation in results.cases})
    by_target = Counter({t: sum(results.cases[t, m] for m in mutations) for t in targets})
    lines = [
        "# Fuzzing",
        "",
        f"{n} cases (seed {seed}), {rate:.0f} per second on a loaded machine, {len(results.failures)} failures.",
        f"Memory of the processes: {first} MB after the first 500 cases, {half} MB after half, {last} MB at the end.",
        "",
        "## Cases by mutation and target",
        "",
        f"| first mutation | {' | '.join(targets)} |",
        f"| --- |{' ---: |' * len(targets)}",
        *(f"| {m} | {' | '.join(str(results.cases[t, m]) for t in targets)} |" for m in mutations),
        f"| all | {' | '.join(str(by_target[t]) for t in targets)} |",
        f"| of these accepted | {' | '.join(str(results.accepted[t]) for t in targets)} |",
        "",
        "A receiver of RTP accepts no case: it counts what it drops.",
        "",
        "## Failures",
        "",
        *(f"- case {i}, {target}, {mutation}: {wrong}" for i, target, mutation, wrong in results.failures[:200]),
        *(["None."] if not results.failures else []),
        "",
        "## Slowest cases",
        "",
        "| CPU time, ms | case | target | mutation |",
        "| ---: | ---: | --- | --- |",
        *(f"| {value:.0f} | {i} | {target} | {mutation} |" for value, i, target, mutation in results.slowest),
        "",
        "## Largest memory of the cases that were traced",
        "",
        "| MB | case | target | mutation |",
        "| ---: | ---: | --- | --- |",
        *(f"| {value:.1f} | {i} | {target} | {mutation} |" for value, i, target, mutation in results.largest),
        "",
        "## Messages",
        "",
        f"{len(results.messages)} distinct ones, words with numbers as `#`; the most frequent:",
        "",
        "| cases | target | message |",
        "| ---: | --- | --- |",
        *(
            f"| {count} | {target} | {message.replace('|', '/')[:160] or 'accepted'} |"
            for (target, message), count in results.messages.most_common(MOST_MESSAGES)
        ),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
