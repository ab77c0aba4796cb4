"""Where experiments write: CSV files of raw numbers, and their tables in Markdown."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def publish(text: str, path: Path) -> None:
    """Write a report and print it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(text, flush=True)
