"""Score degraded recordings against their references: any two files or folders, of any codec.

Place in the chain: none; the command `lpcnet-cq evaluate REF DEG`. Pairs must be aligned in time; the longer file of a
pair is cut, and a note says so. Metrics of speech score the mean of the channels at 16 kHz, other metrics the mean of
the channels at the sample rate of the reference.
"""

import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lpcnet_cq.audio.reader import read_audio, resample
from lpcnet_cq.evaluation.metrics import METRIC_RATE_HZ, METRICS, Metric
from lpcnet_cq.evaluation.tables import markdown, mean_cell

MEAN = "mean"
EVAL_EXTRA = "`pip install 'lpcnet-cq[eval]'` installs them"
MOST_DIFFERENCE_S = 0.001  # between the lengths of a pair, without a note: resampling may round


def pairs_of(reference: str | Path, degraded: str | Path, suffixes: Container[str]) -> dict[str, tuple[Path, Path]]:
    """Return pairs of a reference and a degraded file, by name.

    Files of two folders belong together if their paths below the folders are equal without suffix. Of folders, visible
    files with one of the suffixes, in lower case, are taken. The partner of a file that has none does not exist.

    Raises
    ------
    ValueError
        If one is a file and the other a folder, or a folder has no audio files or two of the same name.
    """
    a, b = Path(reference), Path(degraded)
    if a.is_dir() != b.is_dir():
        raise ValueError(f"`{a}` and `{b}` must be two files or two folders")
    if not a.is_dir():
        return {b.name: (a, b)}
    of_a, of_b = (_audio_files(folder, suffixes) for folder in (a, b))
    pairs = {}
    for name in sorted(of_a.keys() | of_b.keys()):
        suffix = (of_a.get(name) or of_b[name]).suffix
        pairs[name] = of_a.get(name, a / f"{name}{suffix}"), of_b.get(name, b / f"{name}{suffix}")
    return pairs


def _audio_files(folder: Path, suffixes: Container[str]) -> dict[str, Path]:
    """Return the audio files of a folder and of its sub-folders, by relative path without suffix."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file():
            name = os.fspath(path.relative_to(folder).with_suffix(""))
            if name in found:
                raise ValueError(f"`{found[name]}` and `{path}` have the same name")
            found[name] = path
    if not found:
        raise ValueError(f"the folder `{folder}` contains no audio files")
    return found


def compare(reference: Path, degraded: Path, metrics: Mapping[str, Metric]) -> tuple[dict[str, float], list[str]]:
    """Return the scores of a degraded file by name, and notes on the files.

    A score is NaN where its metric is not defined, as for digital silence.
    """
    x, y = (read_audio(path) for path in (reference, degraded))
    notes = [*x.notes, *y.notes]
    lengths_s = [len(audio.x) / audio.sample_rate_hz for audio in (x, y)]
    if abs(lengths_s[0] - lengths_s[1]) > MOST_DIFFERENCE_S:
        seconds = f"{lengths_s[1]:.3f} s, its reference `{reference}` {lengths_s[0]:.3f} s"
        notes.append(f"`{degraded}` has {seconds}; compared {min(lengths_s):.3f} s")
    rates_hz = {METRIC_RATE_HZ if metric.of_speech else x.sample_rate_hz for metric in metrics.values()}
    at_rate = {hz: _cut(*(resample(r.x, r.sample_rate_hz, hz).astype(np.float64) for r in (x, y))) for hz in rates_hz}
    scores = {}
    for name, metric in metrics.items():
        hz = METRIC_RATE_HZ if metric.of_speech else x.sample_rate_hz
        a, b = at_rate[hz]
        scores[name] = round(metric.score(a, b, hz), 4) if a.any() and b.any() else float("nan")
    return scores, notes


def _cut(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = min(len(x), len(y))
    return x[:n], y[:n]


@dataclass(frozen=True)
class ComparePair:
    """Score the files of a pair by the metrics of some names; see `compare`."""

    names: tuple[str, ...]

    def __call__(self, pair: tuple[Path, Path]) -> tuple[dict[str, float], list[str]]:
        """Return the scores of a pair, and notes on it."""
        return compare(*pair, {name: METRICS[name] for name in self.names})


def chosen_metrics(names: str) -> dict[str, Metric]:
    """Return metrics by their names, which commas separate.

    Raises
    ------
    ValueError
        If there is no such metric.

    Examples
    --------
    >>> list(chosen_metrics("snr_db,pesq"))
    ['snr_db', 'pesq']
    """
    for name in names.split(","):
        if name not in METRICS:
            raise ValueError(f"there is no metric `{name}`, known are: {', '.join(METRICS)}")
    return {name: METRICS[name] for name in names.split(",")}


def score_table(rows: Sequence[Mapping], metrics: Mapping[str, Metric], missing: Mapping[str, str]) -> str:
    """Return a table of files and means in Markdown, and a line on metrics whose package is missing.

    Parameters
    ----------
    rows : sequence of dict
        `file` and a score per metric.
    metrics : dict
    missing : dict
        Missing packages of further metrics by name.
    """
    head = ["file", *(metric.title for metric in metrics.values())]
    lines = [[row["file"], *(mean_cell([row[k]], m.decimals) for k, m in metrics.items())] for row in rows]
    if len(rows) > 1:
        lines.append([MEAN, *(mean_cell((row[k] for row in rows), m.decimals) for k, m in metrics.items())])
    text = markdown(head, lines)
    if missing:
        left_out = ", ".join(f"{METRICS[k].title} (package {module})" for k, module in missing.items())
        text += f"\nNot measured: {left_out}; {EVAL_EXTRA}.\n"
    return text
