"""Write the numbers of the README from the rows of the benchmark: the last step of `make benchmark`.

    python experiments/front_page.py

Replaces what stands between the marks `<!-- NAME: ... -->` and `<!-- end -->` in the README: the numbers of its first
lines, and the table by judge at 9 kbps. A test runs it and expects no change.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import plots
from benchmark import JUDGES, METRICS, OWN, read_rows
from report import RESULTS

from lpcnet_cq.evaluation.tables import markdown, mean_and_interval, mean_cell

README = Path(__file__).parents[1] / "README.md"
KBPS = 9.0
CODECS = (OWN, "opus", "opus-lace", "opus-nolace", "amr-wb", "lyra-v2", plots.UNCODED)
TOLD = ("pesq", "visqol", "estoi", "warpq", "hasqi", "speaker", "distillmos", "dnsmos")
NOTES = {"warpq": ", lower is better", "distillmos": ", without the original", "dnsmos": ", without the original"}
CURVES = {"pesq": "PESQ", "visqol": "ViSQOL", "estoi": "ESTOI"}


def rows_at(points: plots.Points, codec: str, kbps: float) -> list[Mapping]:
    """Return the rows of a codec at the point of comparison; those of the original have one rate."""
    for (name, asked), rows in points.items():
        if name == codec and (codec == plots.UNCODED or plots.nearest_point(asked) == kbps):
            return list(rows.values())
    raise ValueError(f"the rows have no codec `{codec}` at about {kbps:g} kbps")


def by_judge(points: plots.Points) -> str:
    """Return the table by judge: means with 95 % intervals."""
    metrics = METRICS | JUDGES
    columns = [rows_at(points, codec, KBPS) for codec in CODECS]
    lines = []
    for k in TOLD:
        scores = [[row[k] for row in rows if k in row] for rows in columns]
        title = f"{metrics[k].title}{NOTES.get(k, '')} ({max(map(len, scores))})"
        lines.append([title, *(mean_cell(values, metrics[k].decimals) for values in scores)])
    head = [f"judge (recordings), {KBPS:g} kbps", *(f"{plots.title_of(codec)}" for codec in CODECS)]
    return markdown(head, lines)


def first_numbers(points: plots.Points) -> str:
    """Return the numbers of the first lines."""
    pesq = {c: mean_and_interval([row["pesq"] for row in rows_at(points, c, KBPS)])[0] for c in CODECS[:-1]}
    rivals = ", ".join(f"{plots.title_of(codec)} {pesq[codec]:.2f}" for codec in CODECS[1:-1])
    saved = {k: plots.compare(points, OWN, "opus", k) for k in CURVES}
    shares = {k: f"{round(100 * found[1])} %" for k, found in saved.items() if found}
    more = ", ".join(f"{shares[k]} at equal {CURVES[k]}" for k in ("visqol", "estoi"))
    return (
        f"- **PESQ-WB {pesq[OWN]:.2f} at {KBPS:g} kbps** ({rivals});\n"
        f"- **{shares['pesq']} fewer bits than Opus** at equal PESQ, {more};\n"
    )


def rewritten(text: str, parts: Mapping[str, str]) -> str:
    """Return a page with the parts between its marks replaced.

    >>> print(rewritten(chr(10).join(["<!-- a: x -->", "old", "<!-- end -->"]), {"a": "new "}))
    <!-- a: x -->
    new <!-- end -->
    """
    for name, part in parts.items():
        marked = re.compile(rf"(<!-- {name}: [^\n]* -->\n).*?(<!-- end -->)", re.DOTALL)
        if not marked.search(text):
            raise ValueError(f"the page has no mark `{name}`")
        text = marked.sub(lambda found, part=part: found[1] + part + found[2], text)
    return text


def front_page(rows: Sequence[Mapping]) -> str:
    """Return the README with the numbers of these rows."""
    points = plots.group(rows)
    parts = {"numbers": first_numbers(points), "judges": "\n" + by_judge(points) + "\n"}
    return rewritten(README.read_text(encoding="utf-8"), parts)


if __name__ == "__main__":
    page = front_page(list(read_rows(RESULTS / "benchmark" / "rows.csv").values()))
    README.write_text(page, encoding="utf-8")
