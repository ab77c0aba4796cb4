"""Lay out the pages of `docs/samples`: one table of versions by recordings, in Markdown with links and in HTML."""

import re
from collections.abc import Callable, Mapping
from html import escape

from lpcnet_cq.evaluation.tables import markdown as markdown_table

TITLE = "Hear lpcnet_cq and other codecs"
LICENCE = re.compile(r"CC0|CC[- ](BY(?:-SA)?)[- ](\d\.\d)", re.IGNORECASE)
STYLE = (
    "body { margin: 0 auto; max-width: 75rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #1b1b1b }"
    " table { border-collapse: collapse } th, td { padding: 0.2rem 0.8rem 0.2rem 0; text-align: left }"
    " audio { display: block; width: 13rem } div { overflow-x: auto }"
)
LOSSES = (
    "With losses, the encoder of lpcnet_cq is told the expected loss, and resets the context of the entropy coder more "
    "often; at 9 kbps, it adds no copies. Opus is not told, and only conceals."
)
# One sound at a time.
SCRIPT = (
    'document.addEventListener("play", ({ target }) => {'
    ' for (const sound of document.querySelectorAll("audio")) if (sound !== target) sound.pause(); }, true);'
)


def licence_url(licence: str) -> str:
    """Return the address of a licence.

    Raises
    ------
    ValueError
        If it is not CC0, CC BY or CC BY-SA, the last two with their version.

    Examples
    --------
    >>> licence_url("CC BY-SA 3.0"), licence_url("CC0")
    ('https://creativecommons.org/licenses/by-sa/3.0/', 'https://creativecommons.org/publicdomain/zero/1.0/')
    """
    found = LICENCE.fullmatch(licence)
    if not found:
        raise ValueError(
            f"the licence {licence!r} must be CC0, CC BY or CC BY-SA, the last two with a version as in CC BY 4.0"
        )
    if not found[1]:
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    return f"https://creativecommons.org/licenses/{found[1].lower()}/{found[2]}/"


def introduction(found: Mapping) -> list[str]:
    """Return what both pages say about the versions."""
    unheard = " No speaker is in the training data of these weights." if found["unheard"] else ""
    lossy = [version for version in found["versions"] if version["lossPercent"]]
    return [
        f"Recordings of {duration(found)} and their coded versions, at 16 kHz, with the weights {found['weights']}."
        f"{unheard} A few recordings prove little; the front page has means over 50.",
        "All versions of a recording have the same level and begin at the same time. Bitrates are measured. Those of "
        "lpcnet_cq without losses count all bytes of the files. Those with losses, and those of other codecs, count "
        "the packets only. FLAC is lossless and changes nothing.",
        *([LOSSES] if lossy else []),
        *found["missing"],
    ]


def duration(found: Mapping) -> str:
    """Return how long the recordings are, in whole seconds.

    >>> duration({"sampleRateHz": 16000, "recordings": [{"samples": 69440}, {"samples": 78400}]})
    '4 to 5 seconds'
    """
    seconds = [recording["samples"] / found["sampleRateHz"] for recording in found["recordings"]]
    shortest, longest = round(min(seconds)), round(max(seconds))
    return f"{shortest} to {longest} seconds" if shortest < longest else f"about {shortest} seconds"


def changes(found: Mapping) -> str:
    """Return how the files differ from the recordings, which their licences ask for."""
    return (
        "Each file has the licence of its recording. Changes: cut, faded for 10 ms at both ends, set to an active "
        f"level of {found['levelDbov']:g} dB relative to full scale; coded and decoded, except for the originals."
    )


def heading(version: Mapping) -> str:
    """Return the name of a version.

    >>> heading({"title": "Opus 1.6", "kbps": 9.01, "lossPercent": 10})
    'Opus 1.6, 9.01 kbps, 10 % of the packets lost'
    """
    lost = f", {version['lossPercent']} % of the packets lost" if version["lossPercent"] else ""
    return f"{version['title']}, {version['kbps']:.2f} kbps{lost}"


def lines(found: Mapping, cell: Callable[[str, str, str], str]) -> list[list[str]]:
    """Return the rows of the table; `cell` lays out a file from the names of its version and recording."""
    names = [recording["name"] for recording in found["recordings"]]
    rows = [("original", found["originals"])] + [(heading(v), v["files"]) for v in found["versions"]]
    return [[head, *(cell(head, name, file) for name, file in zip(names, files, strict=True))] for head, files in rows]


def markdown(found: Mapping) -> str:
    """Return the page for a site that shows Markdown; its links lead to the sound, not to a page about the file."""
    head = ["version", *(recording["name"] for recording in found["recordings"])]
    table = markdown_table(head, lines(found, lambda head, name, file: f"[play]({file}?raw=true)"))
    credits = "".join(
        f"- {r['name']}: {r['credit']}, [{r['licence']}]({licence_url(r['licence'])})\n" for r in found["recordings"]
    )
    again = (
        "In a copy of this folder, `index.html` plays all files on one page. `make samples SET=docs` makes both pages "
        "and all files again. The `.cq` files of lpcnet_cq are here, too: `lpcnet-cq decode FILE.cq OUT.wav`.\n"
    )
    text = "\n\n".join(introduction(found))
    return f"# {TITLE}\n\n{text}\n\n{table}\n{again}\n## Recordings and licences\n\n{credits}\n{changes(found)}\n"


def html(found: Mapping) -> str:
    """Return the page that plays the files beside it."""

    def player(head: str, name: str, file: str) -> str:
        label = escape(f"{name}, {head}", quote=True)
        return f'<audio controls preload="none" src="{escape(file, quote=True)}" aria-label="{label}"></audio>'

    columns = "".join(f'<th scope="col">{escape(r["name"])}</th>' for r in found["recordings"])
    rows = "".join(
        f'<tr><th scope="row">{escape(head)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'
        for head, *cells in lines(found, player)
    )
    credits = "".join(
        f"<li>{escape(r['name'])}: {escape(r['credit'])}, "
        f'<a href="{licence_url(r["licence"])}">{escape(r["licence"])}</a></li>\n'
        for r in found["recordings"]
    )
    text = "\n".join(f"<p>{escape(sentence)}</p>" for sentence in introduction(found))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{TITLE}</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{TITLE}</h1>
{text}
<div role="region" aria-label="Sounds" tabindex="0">
<table>
<thead><tr><th scope="col">version</th>{columns}</tr></thead>
<tbody>
{rows}</tbody>
</table>
</div>
<h2>Recordings and licences</h2>
<ul>
{credits}</ul>
<p>{escape(changes(found))}</p>
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""
