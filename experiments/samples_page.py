"""Write `docs/samples`: a few recordings, as they are and coded by ours and other codecs, to hear without a build.

    python experiments/samples_page.py [DATA] [--recordings en/0034,it/0032] [--out FOLDER]

Without DATA, takes the same sentence in four languages from the default corpus, whose speakers are not in the training
data of the released weights. All versions of a recording have the same length and active level and begin at the same
sample. Writes FLAC files, the .cq files of ours, `samples.json`, and two pages of the same table: `README.md` with
links, and `index.html` that plays the files from a folder. Peers that are not installed are named on the pages. A run
that fails leaves the folder as it was.
"""

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import soundfile
from benchmark import OWN
from coders import as_pcm16, steer
from loss import pattern, payload_kbps
from loss_peers import LOSSY
from peers import PEERS, RATE_HZ
from report import make_parser
from samples import FRAME, LEVEL_DBOV, Item, at_level, item_of, licences
from samples_table import html, licence_url, markdown

import lpcnet_cq
from lpcnet_cq.channel import receive
from lpcnet_cq.training.corpus import default_corpus
from lpcnet_cq.training.data import open_corpus

OUT = Path(__file__).parents[1] / "docs" / "samples"
RECORDINGS = "en/0034,fr/0036,it/0032,ru/0033"
SECONDS = 4.5
LOSS_PERCENT = 10
NEAR = (0.99, 1.01)  # share of the rate asked for that may come out of a codec with variable rate
OWN_KBPS = (9.0, 12.0, 16.0)
PEERS_KBPS = (("opus", 9.0), ("opus-nolace", 9.0), ("amr-wb", 8.85), ("lyra-v2", 9.2), ("opus", 16.0), ("lc3", 16.0))
LOSSY_KBPS = 9.0  # of ours and of Opus with its best concealment
UNHEARD = "Asterisk prompts"  # how credits of speakers begin that the released weights were not trained on
LOSSY_PEER = LOSSY["opus-neural"]


class Coded(NamedTuple):
    """Hold a decoded copy (n,), the bits that were sent for it, and the .cq file if there is one."""

    y: np.ndarray
    bits: int
    file: bytes = b""


class Version(NamedTuple):
    """Hold one codec at one rate: its title, what codes all recordings, and the share of lost packets in percent."""

    title: str
    code: Callable[[Sequence[np.ndarray]], list[Coded]]
    loss_percent: int = 0


def bits_of(kbps: float, x: np.ndarray) -> int:
    """Return how many bits are sent for x (n,), whole frames, at a measured rate."""
    return round(1000 * kbps * len(x) / RATE_HZ)


def code_own(codec, kbps: float, sounds: Sequence[np.ndarray]) -> list[Coded]:
    """Code whole files: all their bytes count."""
    files = [codec.encode(x, RATE_HZ, bitrate_bps=1000 * kbps) for x in sounds]
    return [Coded(codec.decode(data)[0], 8 * len(data), data) for data in files]


def code_peer(name: str, kbps: float, sounds: Sequence[np.ndarray]) -> list[Coded]:
    peer = PEERS[name]
    asked = steer(peer, ((x, RATE_HZ) for x in sounds), kbps, NEAR)
    coded = [peer.code(x, RATE_HZ, asked) for x in sounds]
    return [Coded(y, bits_of(rate, x)) for (y, rate), x in zip(coded, sounds, strict=True)]


def losses(sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return which packets of 20 ms are lost, for each recording."""
    counts = [len(x) // FRAME for x in sounds]
    return np.split(pattern("rand", LOSS_PERCENT, sum(counts)), np.cumsum(counts)[:-1])


def lose_own(codec, kbps: float, sounds: Sequence[np.ndarray]) -> list[Coded]:
    """Send live packets by an encoder that knows the loss, to a decoder that conceals."""
    coded = []
    for x, lost in zip(sounds, losses(sounds), strict=True):
        encoder = codec.encoder(1000 * kbps, expected_loss=LOSS_PERCENT / 100)
        packets = encoder.push(x.astype(np.float32)) + encoder.flush()
        lost = np.pad(lost, (0, len(packets) - len(lost)))
        y = receive(codec.decoder(), packets, lost, encoder.copy_offset)[encoder.delay_samples :][: len(x)]
        coded.append(Coded(y, bits_of(payload_kbps(packets, len(x)), x)))
    return coded


def lose_peer(kbps: float, sounds: Sequence[np.ndarray]) -> list[Coded]:
    """Send packets of the other codec with the same losses."""
    peer = LOSSY_PEER
    asked = steer(peer.coder, ((x, RATE_HZ) for x in sounds), kbps, NEAR)
    coded = []
    for x, lost in zip(sounds, losses(sounds), strict=True):
        packets = peer.coder.packets(x, asked)
        y = peer.aligned(packets, lost, peer.lag(x, packets), len(x))
        coded.append(Coded(y, bits_of(peer.coder.payload_kbps(packets, len(x)), x)))
    return coded


def versions(codec) -> tuple[list[Version], list[str]]:
    """Return what is coded, and sentences about peers that are not installed."""
    wanted = {PEERS[name].title: PEERS[name].missing() for name, _ in PEERS_KBPS}
    wanted[LOSSY_PEER.coder.title] = LOSSY_PEER.coder.missing()
    found = [Version(OWN, partial(code_own, codec, kbps)) for kbps in OWN_KBPS]
    found += [Version(PEERS[name].title, partial(code_peer, name, kbps)) for name, kbps in PEERS_KBPS]
    found.append(Version(OWN, partial(lose_own, codec, LOSSY_KBPS), LOSS_PERCENT))
    found.append(Version(LOSSY_PEER.coder.title, partial(lose_peer, LOSSY_KBPS), LOSS_PERCENT))
    missing = [f"{title} is missing: {reason}." for title, reason in wanted.items() if reason]
    return [version for version in found if not wanted.get(version.title)], missing


def chosen(data: str | None, names: Sequence[str]) -> list[Item]:
    """Return excerpts of the recordings with these names: speaker and file."""
    folder = Path(data) if data else default_corpus()
    clips = {f"{clip.speaker}/{clip.path.stem}": clip for clip in open_corpus(folder)}
    known, items = licences(folder), []
    for name in names:
        if name not in clips:
            raise ValueError(f"recordings: {name!r} is not in {str(folder)!r}")
        item = item_of(clips[name], known.get(clips[name].path, ""), SECONDS)
        if item is None:
            raise ValueError(f"recordings: {name!r} may not be shared or is mostly pause")
        licence_url(item.licence)  # refuses an unknown one before all is coded
        items.append(replace(item, name=name.replace("/", "-"), x=as_pcm16(item.x)))
    return items


def write_version(version: Version, items: Sequence[Item], out: Path) -> dict:
    """Code all recordings, write them at the common level, and return the entry of the version."""
    coded = version.code([item.x for item in items])
    kbps = sum(c.bits for c in coded) / sum(len(item.x) for item in items) * RATE_HZ / 1000
    lossy = f"-{version.loss_percent}-percent-lost" if version.loss_percent else ""
    slug = re.sub("[^a-z0-9.]+", "-", f"{version.title.lower()}-{kbps:.0f}k{lossy}")
    levelled = [at_level(c.y, LEVEL_DBOV) for c in coded]
    files = [write(f"{item.name}-{slug}.flac", y, out) for item, y in zip(items, levelled, strict=True)]
    entry = {"title": version.title, "kbps": round(kbps, 2), "lossPercent": version.loss_percent}
    entry |= {"bits": [c.bits for c in coded], "files": files}
    if all(c.file for c in coded):
        entry["streams"] = [str(Path(file).with_suffix(".cq")) for file in files]
        for name, c in zip(entry["streams"], coded, strict=True):
            (out / name).write_bytes(c.file)
    print(f"{version.title}, {kbps:.2f} kbps", flush=True)
    return entry


def write(file: str, y: np.ndarray, out: Path) -> str:
    """Write samples (n,) with 16 bits; return the file name."""
    soundfile.write(out / file, as_pcm16(y), RATE_HZ, subtype="PCM_16")
    return file


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("data", nargs="?", help="folder of speech with licences in its index (default: a download)")
    parser.add_argument("--recordings", default=RECORDINGS, help="speaker/file, separated by commas (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to; its FLAC and .cq files are replaced")
    parser.add_argument("--model", help="weights of ours (default: the released ones)")
    args = parser.parse_args(argv)
    codec = lpcnet_cq.load(args.model)
    items = chosen(args.data, args.recordings.split(","))
    unheard = not args.data and not args.model and all(item.credit.startswith(UNHEARD) for item in items)
    args.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        missing = write_all(codec, items, unheard, Path(folder))
        put(Path(folder), args.out)
    print(*missing, f"{args.out}: {len(items)} recordings", sep="\n")


def write_all(codec, items: Sequence[Item], unheard: bool, out: Path) -> list[str]:
    """Write sounds, list and pages; return sentences about peers that are not installed."""
    coders, missing = versions(codec)
    found = {
        "weights": codec.name,
        "unheard": unheard,
        "sampleRateHz": RATE_HZ,
        "levelDbov": LEVEL_DBOV,
        "recordings": [{"name": i.name, "credit": i.credit, "licence": i.licence, "samples": len(i.x)} for i in items],
        "originals": [write(f"{item.name}-original.flac", item.x, out) for item in items],
        "versions": [write_version(version, items, out) for version in coders],
        "missing": missing,
    }
    (out / "samples.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(markdown(found), encoding="utf-8")
    (out / "index.html").write_text(html(found), encoding="utf-8")
    return missing


def put(new: Path, out: Path) -> None:
    """Move the files of a folder to another one, whose FLAC and .cq files are deleted first."""
    for old in (p for kind in ("*.flac", "*.cq") for p in out.glob(kind)):
        old.unlink()
    for path in new.iterdir():
        shutil.move(path, out / path.name)


if __name__ == "__main__":
    main()
