"""Command line and output files of experiments: CSV files of raw numbers, and their tables in Markdown."""

import argparse
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of the command line, described by the first line of a docstring."""
    return argparse.ArgumentParser(description=(doc or "").partition("\n")[0])


def publish(text: str, path: Path) -> None:
    """Write a report and print it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(text, flush=True)
