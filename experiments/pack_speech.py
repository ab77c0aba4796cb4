"""Pack a corpus of speech into one file, for machines that get a single file: a zip of recordings and an index.

    python experiments/pack_speech.py FOLDER OUT.zip [--megabytes 60]

It contains the held-out recordings that `papers.py` scores, and then training recordings of as many speakers as fit.
"""

import argparse
import csv
import io
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from lpcnet_cq.evaluation.evaluate import held_out, select_clips
from lpcnet_cq.training.data import Clip, open_corpus

INDEX = "index.csv"
HELD_OUT_S = 120.0  # as `papers.py --limit-s`


def chosen(folder: str, limit_bytes: int) -> list[Clip]:
    """Return held-out clips, and training clips in turn of speakers, whose files take at most `limit_bytes`."""
    training = [clip for clip in open_corpus(folder) if clip.split == "train"]
    clips, left = [], limit_bytes
    for clip in [*select_clips(held_out(folder), HELD_OUT_S), *in_turn(training)]:
        if clip.path.stat().st_size <= left:
            clips.append(clip)
            left -= clip.path.stat().st_size
    return clips


def in_turn(clips: Sequence[Clip]) -> list[Clip]:
    """Return the first clips of all speakers, then the second ones, and so on."""
    n: dict[str, int] = {}
    turns = []
    for clip in clips:
        turns.append((n.setdefault(clip.speaker, 0), len(turns)))
        n[clip.speaker] += 1
    return [clips[i] for _, i in sorted(turns)]


def pack(folder: str, out: Path, limit_bytes: int) -> int:
    """Write the file and return its number of recordings."""
    index = io.StringIO()
    rows = csv.writer(index)
    rows.writerow(["path", "split", "speaker", "source"])
    clips = chosen(folder, limit_bytes)
    part = out.with_suffix(".part")
    with zipfile.ZipFile(part, "w") as file:  # recordings are compressed already
        for i, clip in enumerate(clips):
            name = f"speech/{i:05d}{clip.path.suffix}"
            file.write(clip.path, name)
            rows.writerow([name, clip.split, clip.speaker, clip.source])
        file.writestr(INDEX, index.getvalue())
    part.replace(out)
    return len(clips)


def unpack(data: str, workdir: Path) -> str:
    """Return a folder of the recordings of a packed file; other paths are returned as they are."""
    if not data.endswith(".zip"):
        return data
    folder = workdir / Path(data).stem
    if not (folder / INDEX).is_file():
        with zipfile.ZipFile(data) as file:
            file.extractall(folder)  # the index is last
    return str(folder)


def main(argv: Sequence[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    p.add_argument("folder")
    p.add_argument("out", type=Path)
    p.add_argument("--megabytes", type=float, default=60.0)
    args = p.parse_args(argv)
    n = pack(args.folder, args.out, round(0.98e6 * args.megabytes))  # the rest is for names
    print(f"{n} recordings, {args.out.stat().st_size / 1e6:.1f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
