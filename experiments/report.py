"""Command line and output files of experiments: raw numbers as CSV, tables in Markdown, and what is known of a run."""

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

_BEGAN = time.monotonic()  # of the program, which imports this module first

RESULTS = Path(__file__).parent / "results"


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of the command line, described by the first line of a docstring."""
    return argparse.ArgumentParser(description=(doc or "").partition("\n")[0])


def publish(text: str, path: Path) -> None:
    """Write a report and print it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(text, flush=True)


def commit() -> str | None:
    """Return the commit of the code, with "-dirty" if files differ from it; None outside of a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    git = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    return git.stdout.strip() or None


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def record_run(folder: Path) -> None:
    """Add this run to `run.json` beside its results: command, commit, machine, and seconds since the program began.

    Rows are measured once, so that the rows of one file can come from several runs. Of paths in the command, only the
    last part is written.
    """
    path = folder / "run.json"
    runs = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    command = " ".join(Path(argument).name for argument in sys.argv)
    seconds = round(time.monotonic() - _BEGAN)
    runs.append({"command": command, "commit": commit(), "machine": processor(), "seconds": seconds})
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
