"""Write the measurements of `dsp.report` as a table in text, CSV or JSON format.

Every writer yields single lines, so that the table of a long recording needs little memory.
"""

import json
from collections.abc import Iterator

import numpy as np

from dsp._report_tracks import N_FORMANTS
from dsp.report import Report


def as_text(report: Report) -> Iterator[str]:
    """Yield the lines of the table as text with fixed columns; a dash stands for a missing value."""
    names = ["time", "level", "pitch", "voicing", "gain"]
    units = ["s", "dBFS", "Hz", "", "dB"]
    for index in range(1, N_FORMANTS + 1):
        names += [f"F{index}", f"B{index}"]
        units += ["Hz", "Hz"]
    decimals = [3, 1, 1, 2, 1] + [0] * (2 * N_FORMANTS)
    for row in ([*names, "edge"], [*units, ""]):
        yield " ".join(f"{cell:>7}" for cell in row) + "\n"
    for *values, pitch_at_edge, formant_at_edge in zip(*columns(report).values(), strict=True):
        cells = [f"{v:.{d}f}" if np.isfinite(v) else "-" for v, d in zip(values, decimals, strict=True)]
        edge = ("p" if pitch_at_edge else "") + ("f" if formant_at_edge else "") or "-"
        yield " ".join(f"{cell:>7}" for cell in [*cells, edge]) + "\n"


def as_csv(report: Report) -> Iterator[str]:
    """Yield the lines of the table as comma-separated values with a header; a missing value is empty."""
    table = columns(report)
    yield ",".join(table) + "\n"
    for values in zip(*table.values(), strict=True):
        yield ",".join(f"{v:.6g}" if np.isfinite(v) else "" for v in values) + "\n"


def as_json(report: Report) -> Iterator[str]:
    """Yield the lines of a JSON object with settings and a list of frames; a missing value is null."""
    names = ("sample_rate_hz", "analysis_hz", "order", "pitch_range_hz", "formant_range_hz", "neutral_hz", "n_samples")
    head = {name: getattr(report, name) for name in names}
    yield json.dumps(head)[:-1] + ', "frames": [\n'
    table = columns(report)
    for t, values in enumerate(zip(*table.values(), strict=True)):
        row = {n: float(f"{v:.6g}") if np.isfinite(v) else None for n, v in zip(table, values, strict=True)}
        yield (",\n" if t else "") + json.dumps(row)
    yield "\n]}\n"


TABLES = {"text": as_text, "csv": as_csv, "json": as_json}
"""Writers by name of the format."""


def columns(report: Report) -> dict[str, np.ndarray]:
    """Return the columns of the table by name, in order."""
    table = {
        "time_s": report.time_s,
        "level_dbfs": report.level_dbfs,
        "pitch_hz": report.pitch_hz,
        "voicing": report.voicing,
        "prediction_gain_db": report.prediction_gain_db,
    }
    for index in range(N_FORMANTS):
        table[f"f{index + 1}_hz"] = report.formant_hz[:, index]
        table[f"b{index + 1}_hz"] = report.bandwidth_hz[:, index]
    table["pitch_at_edge"], table["formant_at_edge"] = report.pitch_at_edge, report.formant_at_edge
    return table
