"""Evaluation of a codec on held-out speakers or music: bitrate of the files, quality of the decoded audio.

Every bitrate is 8 * len(bytes) / seconds, including the header of the file. Every score is that of the audio decoded
from these bytes.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
from tqdm import tqdm

from lpcnet_cq.evaluation import plots
from lpcnet_cq.evaluation.metrics import METRICS, Metric, measurable, metrics_for, mid, missing_modules
from lpcnet_cq.evaluation.noise_lines import codec_noise_lines, noise_table, subframe_rate_hz
from lpcnet_cq.evaluation.tables import by_source, markdown, mean_and_interval, mean_cell, mean_kbps, write_rows
from lpcnet_cq.registry import record_named
from lpcnet_cq.training.corpus import cache_folder, default_corpus
from lpcnet_cq.training.data import Clip, open_corpus, read_clip
from lpcnet_cq.training.tar_corpus import dev_clips, shards_of
from lpcnet_cq.work.scores import Scoring, named, numbers, scored
from lpcnet_cq.work.where import HERE, Where

if TYPE_CHECKING:
    from lpcnet_cq.work.manifest import Manifest

N_SAMPLES = 3  # clips that are written as WAV files and spectrograms


def held_out(data: str | Path, part: str = "speech/", limit_s: float | None = None) -> list[Clip]:
    """Return held-out clips of a corpus folder, about `limit_s` seconds in total; `part` as for `open_corpus`."""
    if shards_of(data, "dev"):
        return select_clips(dev_clips(data, cache_folder() / "dev"), limit_s)
    return select_clips([clip for clip in open_corpus(data, part) if clip.split == "dev"], limit_s)


def in_turn(clips: Sequence[Clip]) -> list[Clip]:
    """Return clips in an order that depends on their names only: first ones of all speakers, then second ones, ..."""
    n_chosen: Counter[str] = Counter()
    order = []
    for clip in sorted(clips, key=lambda c: hashlib.sha256(f"{c.speaker}/{c.path.name}".encode()).hexdigest()):
        order.append((n_chosen[clip.speaker], len(order), clip))
        n_chosen[clip.speaker] += 1
    return [clip for _, _, clip in sorted(order, key=lambda o: o[:2])]


def select_clips(clips: Sequence[Clip], limit_s: float | None) -> list[Clip]:
    """Choose clips of about `limit_s` seconds in total from as many speakers as possible; None chooses all."""
    if limit_s is None:
        return list(clips)
    chosen, seconds = [], 0.0
    for clip in in_turn(clips):
        if seconds >= limit_s:
            break
        chosen.append(clip)
        seconds += soundfile.info(clip.path).duration
    return sorted(chosen, key=lambda c: (c.source, c.speaker, c.path))


@dataclass(frozen=True)
class ScoreClip:
    """Code a clip and return its row; write a sample if the clip is one of `kept`. See `evaluate`."""

    codec: Any
    bitrate_bps: float
    samples: Path
    kept: frozenset[Clip]

    def __call__(self, clip: Clip) -> tuple[dict, list[str]]:
        """Return numbers of the row of a clip, and no notes."""
        codec, fs = self.codec, self.codec.sample_rate_hz
        x = read_clip(clip, fs, codec.channels)
        data = codec.encode(x, fs, bitrate_bps=self.bitrate_bps)
        y, _ = codec.decode(data)
        bits = {f"{k}_bits": float(v) for k, v in codec.info(data)["bits"].items()}
        if clip in self.kept:
            write_sample(self.samples, clip, x, y, fs)
        return score(x, y, data, measurable(metrics_for(codec)), fs) | bits, []


def file_of(clip: Clip) -> tuple[Path]:
    """Return the files of a clip."""
    return (clip.path,)


def label(clip: Clip) -> dict[str, str]:
    """Return the texts of the row of a clip."""
    return {"clip": clip.path.name, "speaker": clip.speaker, "source": clip.source}


def evaluate(
    codec,
    clips: Sequence[Clip],
    bitrate_bps: float,
    workdir: str | Path,
    limit_s: float | None = None,
    where: Where = HERE,
    manifest: "Manifest | None" = None,
) -> list[dict]:
    """Encode clips to bytes, decode them, score the decoded audio, and write a table, plots and samples.

    Parameters
    ----------
    codec
        Anything with `encode`, `decode`, `info`, `sample_rate_hz`, `channels` and `kind` of `lpcnet_cq.load()`.
    clips : sequence of Clip
        Held-out recordings.
    bitrate_bps : float
        Requested rate.
    workdir : path
        Folder for `evaluation.csv` (one row per clip), `evaluation.md` (means), `samples/` and plots.
    limit_s : float, optional
        Approximate duration of the audio to score, in seconds; None scores all.
    where : Where
        Where clips are scored; the rows are the same everywhere.
    manifest : Manifest, optional
        Holds what an earlier run has measured, which is neither measured again nor written to `samples/`. The earlier
        run must have had the same metrics.

    Returns
    -------
    list of dict
        Per clip: clip, speaker, source, seconds, bytes, kbps, a value per metric (NaN if a clip has no score), and
        the bits of each part as `<part>_bits`.

    Raises
    ------
    ValueError
        If there are no clips, or some cannot be scored.
    """
    clips = select_clips(clips, limit_s)
    if not clips:
        raise ValueError("`clips` is empty, it must have at least one held-out recording")
    workdir = Path(workdir)
    (workdir / "samples").mkdir(parents=True, exist_ok=True)
    metrics = metrics_for(codec)
    kept = frozenset(clips[i] for i in np.linspace(0, len(clips) - 1, N_SAMPLES).round().astype(int))
    work = ScoreClip(codec, bitrate_bps, workdir / "samples", kept)
    shown = partial(tqdm, desc="evaluating", total=len(clips), unit="clip", leave=False)
    units = {f"{clip.source}/{clip.speaker}/{clip.path}": clip for clip in clips}
    found = scored(units, Scoring(work, file_of, manifest is not None), where, manifest, shown)
    if errors := [named(row["error"], units[name].path) for name, row in found.items() if row["error"]]:
        raise ValueError(f"{errors[0]}; {len(errors)} of {len(clips)} recordings could not be scored")
    rows = [label(units[name]) | numbers(row) for name, row in found.items()]
    write_rows(rows, workdir / "evaluation.csv")
    (workdir / "evaluation.md").write_text(table(rows, metrics, missing_modules(metrics)), encoding="utf-8")
    plots.bit_shares(rows, workdir / "bits.png")
    return rows


def score(x: np.ndarray, y: np.ndarray, data: bytes, metrics: dict, sample_rate_hz: int) -> dict:
    """Return rate and scores of y, decoded from `data`, with the reference x, (n,) or (n, 2)."""
    seconds = len(x) / sample_rate_hz
    row = {"seconds": seconds, "bytes": len(data), "kbps": 8 * len(data) / seconds / 1000}
    x, y = x.astype(np.float64), y.astype(np.float64)
    if not (x.any() and y.any()):  # the metrics are not defined for digital silence
        return row | dict.fromkeys(metrics, float("nan"))
    return row | {k: metric.score(x, y, sample_rate_hz) for k, metric in metrics.items()}


def write_sample(folder: Path, clip: Clip, x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> None:
    """Write the original and the decoded clip as WAV files, and their spectrograms."""
    stem = f"{clip.speaker}-{clip.path.stem}"
    soundfile.write(folder / f"{stem}-original.wav", x, sample_rate_hz)
    soundfile.write(folder / f"{stem}-decoded.wav", np.clip(y, -1, 1), sample_rate_hz)
    plots.spectrograms(mid(x), mid(y), sample_rate_hz, folder / f"{stem}.png", stem)


def table(rows: Sequence[dict], metrics: Mapping[str, Metric], missing: Mapping[str, str]) -> str:
    """Return a table of means in Markdown: of all clips, and of each source if there are several.

    Rates are total bits over total seconds; scores have 95 % intervals. A line below the table lists the metrics that
    are `missing` a package.
    """
    names = [k for k in metrics if k in rows[0]]
    head = ["", "clips", "speakers", "minutes", "kbps", *(metrics[k].title for k in names)]
    lines = []
    for title, group in by_source(rows).items():
        seconds = sum(r["seconds"] for r in group)
        kbps = 8 * sum(r["bytes"] for r in group) / seconds / 1000
        speakers = len({r["speaker"] for r in group})
        cells = [title, str(len(group)), str(speakers), f"{seconds / 60:.1f}", f"{kbps:.2f}"]
        lines.append(cells + [mean_cell((r[k] for r in group), metrics[k].decimals) for k in names])
    text = markdown(head, lines)
    if missing:
        names_missing = ", ".join(f"{metrics[k].title} (module {m!r} is missing)" for k, m in missing.items())
        text += f"\nNot measured: {names_missing}; `pip install 'lpcnet-cq[eval]'` installs them.\n"
    return text


def summary(rows: Sequence[dict]) -> dict[str, float]:
    """Return number of clips, bitrate, and means of all scores with the half widths of their 95 % intervals."""
    result = {"clips": len(rows), "kbps": mean_kbps(rows)}
    for name in (name for name in METRICS if name in rows[0]):
        result[name], result[f"{name}_interval"] = mean_and_interval(row[name] for row in rows)
    return result


def report(
    codec,
    data: str | Path | None,
    bitrate_bps: float,
    workdir: Path,
    limit_s: float | None = None,
    where: Where = HERE,
    manifest: "Manifest | None" = None,
) -> None:
    """Evaluate on the held-out clips of the folder `data` (None: the default corpus) and print the table.

    Below the table are the lines in decoded white noise, which are also written to `noise_lines.csv`. If `workdir`
    contains a training log, `metrics.jsonl`, its curves are plotted.
    """
    part = record_named(codec.kind).task.part
    rows = evaluate(codec, held_out(data or default_corpus(part), part), bitrate_bps, workdir, limit_s, where, manifest)
    if (workdir / "metrics.jsonl").is_file():
        plots.training_curves(workdir / "metrics.jsonl", workdir / "training.png", bitrate_bps)
    lines_db = codec_noise_lines(codec, bitrate_bps)
    write_rows([{"level_db": k, "line_excess_db": v} for k, v in lines_db.items()], workdir / "noise_lines.csv")
    metrics = metrics_for(codec)
    text = table(rows, metrics, missing_modules(metrics)) + "\n" + noise_table(lines_db, subframe_rate_hz(codec))
    (workdir / "evaluation.md").write_text(text, encoding="utf-8")
    print(text)
    print(f"table, rows, plots and sound samples are in {workdir}")
