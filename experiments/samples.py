"""Prepare samples for the listening test in the browser: ours and the other codecs, at the same level.

    python experiments/samples.py [DATA] [--out FOLDER] [--rates 9k,12k,16k] [--items 6] [--peers opus,speex-wb]

Takes excerpts of held-out recordings whose licence allows everyone to share and change them: the column `licence` of
the index of DATA names it (CC0, CC BY, CC BY-SA); without DATA, the default corpus. Each excerpt is coded by the
released codec and by the installed peers of `peers.py`; missing ones are named. All versions of an excerpt have the
same active level. The anchor is the low anchor of ITU-R BS.1534-3: a low-pass filter of 3.5 kHz. Writes FLAC files and
`samples.json`, which the page reads.
"""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile
from benchmark import ACCEPTED, OWN, names_of, peer_code, rates_of
from coders import as_pcm16, own_code, steer
from peers import PEERS, RATE_HZ
from plots import nearest_point
from report import make_parser
from scipy import signal

import lpcnet_cq
from lpcnet_cq.evaluation.evaluate import held_out, in_turn
from lpcnet_cq.training.active_level import active_level_dbov
from lpcnet_cq.training.corpus import default_corpus
from lpcnet_cq.training.data import Clip, read_clip

OUT = Path(__file__).parents[1] / "web" / "dist" / "site" / "samples"
LEVEL_DBOV = -26.0
SECONDS = 6.0
LEAST_SPEECH = 0.6  # share of the frames of an excerpt that are no pause
FRAME = RATE_HZ // 50
FADE = RATE_HZ // 100
FREE = re.compile(r"CC0|public domain|CC[- ]BY([- ]SA)?([- ]\d[\d.]*)?$", re.IGNORECASE)
# How known collections must be credited: beginning of the name of collection and speaker, credit, licence.
CREDITS = (
    ("librispeech", "LibriSpeech by V. Panayotov et al. (2015), read for LibriVox", "CC BY 4.0"),
    ("asterisk/en", "Asterisk prompts in English by Allison Smith, from G.722", "CC BY-SA 3.0"),
    ("asterisk/es", "Asterisk prompts in Spanish by Allison Smith, from G.722", "CC BY-SA 3.0"),
    ("asterisk/fr", "Asterisk prompts in French by June Wallack, from G.722", "CC BY-SA 3.0"),
    ("asterisk/it", "Asterisk prompts in Italian by Carlo Flora, from G.722", "CC BY-SA 3.0"),
    ("asterisk/ru", "Asterisk prompts in Russian by Maxim Topal, from G.722", "CC BY 3.0"),
)
ANCHOR = "anchor, 3.5 kHz"


@dataclass(frozen=True)
class Item:
    """Hold one excerpt: its name, what it must be credited with, its licence, and its samples (n,)."""

    name: str
    credit: str
    licence: str
    x: np.ndarray


def licences(data: Path) -> dict[Path, str]:
    """Return the licences that the index of a corpus folder names, by recording."""
    index = data / "index.csv"
    if not index.is_file():
        return {}
    with open(index, newline="", encoding="utf-8") as file:
        return {data / row["path"]: row.get("licence") or "" for row in csv.DictReader(file)}


def credit_of(clip: Clip, licence: str) -> tuple[str, str] | None:
    """Return credit and licence of a recording; None if nothing allows to share and change it.

    >>> clip = Clip(Path("a.flac"), "7", "dev", "librispeech-x")
    >>> credit_of(clip, "CC-BY-4.0")
    ('LibriSpeech by V. Panayotov et al. (2015), read for LibriVox', 'CC-BY-4.0')
    >>> credit_of(clip, "CC-BY-NC-4.0"), credit_of(Clip(Path("a.flac"), "7", "dev", "mine"), "")
    (None, None)
    """
    of = f"{clip.source}/{clip.speaker}"
    credit, known = next((c[1:] for c in CREDITS if of.startswith(c[0])), (clip.source, ""))
    licence = licence or known
    return (credit, licence) if FREE.match(licence) else None


def excerpt(x: np.ndarray, seconds: float) -> np.ndarray:
    """Return whole frames of x (n,), about `seconds`: with the most speech, cut where it is quiet, faded for 10 ms."""
    n, half = round(seconds * RATE_HZ), RATE_HZ // 4
    if len(x) > n + 2 * half:
        first = half + most_active(x[half:-half], n)
        start, end = (quietest(x, at - half, at + half) for at in (first, first + n))
        x = x[start:end]
    x = x[: len(x) // FRAME * FRAME]
    ramp = np.minimum(np.arange(1, len(x) + 1) / FADE, 1)
    return x * ramp * ramp[::-1]


def most_active(x: np.ndarray, n: int) -> int:
    """Return the first sample of the n samples of x with most frames that are within 30 dB of the loudest one."""
    counts = np.convolve(active_frames(x), np.ones(n // FRAME), "valid")
    return int(np.argmax(counts)) * FRAME


def active_frames(x: np.ndarray) -> np.ndarray:
    """Return which frames of x (n,) are within 30 dB of the loudest one."""
    power = np.square(x[: len(x) // FRAME * FRAME], dtype=np.float64).reshape(-1, FRAME).mean(axis=1)
    return power >= 1e-3 * power.max()


def quietest(x: np.ndarray, start: int, end: int) -> int:
    """Return the middle of the quietest frame of x[start:end]."""
    power = np.convolve(np.square(x[start:end], dtype=np.float64), np.ones(FRAME), "valid")
    return start + int(np.argmin(power)) + FRAME // 2


def item_of(clip: Clip, licence: str, seconds: float) -> Item | None:
    """Return an excerpt of a recording at the common level; None if it may not be shared or holds little speech."""
    credit = credit_of(clip, licence)
    if not credit:
        return None
    x = excerpt(read_clip(clip, RATE_HZ).astype(np.float64), seconds)
    if active_frames(x).mean() < LEAST_SPEECH:
        return None
    return Item(clip.path.stem, *credit, at_level(x, LEVEL_DBOV))


def choose(data: str | None, count: int) -> list[Item]:
    """Choose excerpts of held-out recordings that may be shared, of as many speakers as possible."""
    folder = Path(data) if data else default_corpus()
    known = licences(folder)
    found = (item_of(clip, known.get(clip.path, ""), SECONDS) for clip in in_turn(held_out(folder)))
    items = list(islice((item for item in found if item), count))
    if not items:
        raise ValueError(f"data: no held-out recording in {str(folder)!r} has a licence that allows to share it")
    return items


def at_level(x: np.ndarray, level_dbov: float) -> np.ndarray:
    """Return x (n,) scaled to an active level."""
    return x * 10 ** ((level_dbov - active_level_dbov(x, FRAME)) / 20)


def anchor(x: np.ndarray) -> np.ndarray:
    """Return x (n,) through the low-pass filter of the low anchor, without delay.

    BS.1534-3 asks for at most 0.1 dB of ripple up to 3.5 kHz, and 25 dB of attenuation at 4 kHz, 50 dB at 4.5 kHz.
    """
    taps, beta = signal.kaiserord(60.0, 500 / (RATE_HZ / 2))
    n = np.arange(-(taps // 2), taps // 2 + 1)
    cutoff = 2 * 3750 / RATE_HZ
    h = cutoff * np.sinc(cutoff * n) * np.kaiser(len(n), beta)
    return signal.fftconvolve(x, h, "same")


def systems_at(kbps: float, names: Sequence[str], codec, items: Sequence[Item]):
    """Yield the systems near a rate: their titles, and what codes samples to samples and kbps."""
    yield OWN, own_code(codec, kbps)
    for name in names:
        for rate in PEERS[name].rates:
            if nearest_point(rate) == kbps:
                asked = steer(PEERS[name], ((item.x, RATE_HZ) for item in items), rate, ACCEPTED)
                yield PEERS[name].title, partial(peer_code, name, asked)


def write_system(title: str, code, items: Sequence[Item], slug: str, out: Path) -> dict:
    """Code all excerpts and write them at the level of the originals; return the entry of the system."""
    files, bits = [], 0.0
    for item in items:
        y, kbps = code(item.x)
        bits += kbps * len(item.x)
        files.append(write(item.name, slug, y, out))
    kbps = bits / sum(len(item.x) for item in items)
    print(f"{title}, {kbps:.2f} kbps", flush=True)
    return {"name": title, "kbps": round(kbps, 2), "files": files}


def write(name: str, slug: str, y: np.ndarray, out: Path) -> str:
    """Write a version at `LEVEL_DBOV`, with 16 bits; return its file name."""
    file = f"{name}-{slug}.flac"
    soundfile.write(out / file, as_pcm16(at_level(y, LEVEL_DBOV)), RATE_HZ, subtype="PCM_16")
    return file


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("data", nargs="?", help="folder of speech with licences in its index (default: a download)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    parser.add_argument("--rates", type=rates_of, default="9k,12k,16k")
    parser.add_argument("--items", type=int, default=6, help="number of excerpts (default: %(default)s)")
    parser.add_argument("--peers", type=names_of, default="all", help=f"all, none, or some of {', '.join(PEERS)}")
    parser.add_argument("--model", help="weights of ours (default: the released ones)")
    args = parser.parse_args(argv)
    codec = lpcnet_cq.load(args.model)
    items = choose(args.data, args.items)
    args.out.mkdir(parents=True, exist_ok=True)
    gone = {name: PEERS[name].missing() for name in args.peers}
    names = [name for name in args.peers if not gone[name]]
    tests = []
    for kbps in args.rates:
        coded = systems_at(kbps, names, codec, items)
        systems = [
            write_system(title, code, items, f"{re.sub('[^a-z0-9]+', '-', title.lower())}-{kbps:g}k", args.out)
            for title, code in coded
        ]
        tests.append({"kbps": kbps, "systems": systems})
    found = {
        "sampleRateHz": RATE_HZ,
        "levelDbov": LEVEL_DBOV,
        "weights": codec.name,
        "items": [{"name": i.name, "credit": i.credit, "licence": i.licence} for i in items],
        "references": [write(item.name, "original", item.x, args.out) for item in items],
        "anchor": {"name": ANCHOR, "files": [write(i.name, "anchor", anchor(i.x), args.out) for i in items]},
        "tests": tests,
        "missing": [f"{PEERS[name].title} is missing: {reason}." for name, reason in gone.items() if reason],
    }
    (args.out / "samples.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(*found["missing"], f"{args.out}: {len(items)} excerpts", sep="\n")


if __name__ == "__main__":
    main()
