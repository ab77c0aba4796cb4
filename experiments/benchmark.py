"""Compare our codec with its peers on the same recordings, at rates counted in payload bytes.

    python experiments/benchmark.py DATA [--peers opus,amr-wb] [--rates 9k,24k] [--model NAME] [--judges warpq]

Codes the held-out speech of the corpus folder DATA and scores the decoded signals. Writes to `results/benchmark`.
Every row of `rows.csv` is written as it is measured and is not measured again: a run that was interrupted or killed
continues where it stopped, `--redo CODEC` deletes the rows of a codec, and scores that rows lack are added without the
others: those whose package was missing, and those of a new judge. Judges (`lpcnet_cq.evaluation.judges`) are slow:
they score 7.68 s from the middle of `--judged` recordings only. Lines in decoded white noise are written to
`noise_lines.csv`. At the end the program writes the tables (`table.md`), the curves (`curves.png`) and the recordings
on which Opus is furthest ahead of ours (`worst.csv`); `--peers none --model none --judges none` writes these alone.
`--recogniser WEIGHTS` adds the letter error rate of a recogniser (`recognise.py`) on recordings with a transcript to
the rows. `--speed` measures delay and speed instead, on one core.

Ours: bytes of the whole `.cq` file, decoded from those bytes. Peers: see `peers.py`. All are scored as 16-bit samples.
"""

import argparse
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import plots
from coders import Code, as_pcm16, own_code, steer
from peers import PEERS, RATE_HZ
from report import RESULTS, make_parser, record_run

import lpcnet_cq
from dsp.frames import FrameSpec
from lpcnet_cq.cli.arguments import bitrate_bps
from lpcnet_cq.evaluation import metrics, tables
from lpcnet_cq.evaluation.evaluate import held_out
from lpcnet_cq.evaluation.judges import JUDGED_S, JUDGES
from lpcnet_cq.evaluation.noise_lines import LEVELS_DB, noise_line_excess_db
from lpcnet_cq.training.data import Clip, read_clip
from lpcnet_cq.work.engine import LOST, LOST_TEXT, completed
from lpcnet_cq.work.where import HERE, Where

OWN = "lpcnet_cq"
PCM_KBPS = 16 * RATE_HZ / 1000
STEP_HZ = RATE_HZ / FrameSpec().subframe
ACCEPTED = 0.97, np.inf  # share of the requested rate that needs no correction: a peer may use more than requested

Key = tuple[str, float, str]  # codec, requested kbps, clip
Read = Callable[[np.ndarray], float]  # samples (n,) to the letter error rate

METRICS = {name: metrics.METRICS[name] for name in ("pesq", "visqol", "estoi", "si_sdr_db", "dnsmos")}
LEVELS = ("level_100_hz_db", "level_1000_hz_db", "level_2000_hz_db", "level_4000_hz_db")
SIGNALS = {name: metrics.METRICS[name] for name in ("pause_lines_db", *LEVELS, "modulation_db")}
COLUMNS = ["codec", "kbps_asked", "kbps", "clip", "seconds", *METRICS, "cer", *SIGNALS, *JUDGES]
TEXT_COLUMNS = ("codec", "clip")
NOISE_COLUMNS = ["codec", "kbps_asked", "level_db", "line_excess_db"]


def score(x: np.ndarray, y: np.ndarray, wanted: Iterable[str], step_hz: float) -> dict[str, float]:
    """Score `y` (n,) against `x` (n,) by the metrics and judges `wanted`; digital silence has no score.

    Lines in pauses are those at multiples of `step_hz`.
    """
    lines = SIGNALS["pause_lines_db"]._replace(score=partial(metrics.pause_lines_db, step_hz=step_hz))
    known, middle = METRICS | SIGNALS | {"pause_lines_db": lines}, excerpt(len(x))
    found = {}
    for k in wanted if x.any() else ():
        found[k] = JUDGES[k].score(x[middle], y[middle], RATE_HZ) if k in JUDGES else known[k].score(x, y, RATE_HZ)
    return dict.fromkeys(wanted, float("nan")) | found


def excerpt(n: int) -> slice:
    """Return the samples of a recording of `n` that judges score.

    >>> excerpt(160000), excerpt(1000)
    (slice(18560, 141440, None), slice(0, 1000, None))
    """
    kept = min(n, round(JUDGED_S * RATE_HZ))
    return slice((n - kept) // 2, (n - kept) // 2 + kept)


def judged_clips(clips: Iterable[Clip], count: int) -> set[Path]:
    """Choose the recordings that judges score, by a hash of their names: fewer are a part of more."""
    by_hash = sorted(clips, key=lambda clip: hashlib.sha256(f"{clip.speaker}/{clip.path.name}".encode()).hexdigest())
    return {clip.path for clip in by_hash[:count]}


def readers(recogniser: Path, data: str) -> dict[Path, Read]:
    """Return, for every held-out recording with a transcript, what measures the letter error rate of its copies."""
    from recogniser import Judge
    from transcripts import open_transcripts

    judge = Judge(recogniser)
    return {of.clip.path: partial(judge.error_rate, text=of.text) for of in open_transcripts(data)["dev"]}


# ------------------------------------------------------------------------------------------------ rows on disk


def read_rows(path: Path) -> dict[Key, dict]:
    """Read rows by their keys; of several rows with one key the last one counts."""
    return {key_of(row): row for row in tables.read_rows(path, TEXT_COLUMNS)}


def is_tidy(path: Path) -> bool:
    """Return whether a file has the present columns and one line per key."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else [",".join(COLUMNS)]
    return lines[0] == ",".join(COLUMNS) and len(lines) == 1 + len(read_rows(path))


def key_of(row: dict) -> Key:
    return row["codec"], row["kbps_asked"], row["clip"]


def rewrite(rows: dict[Key, dict], path: Path) -> None:
    """Replace the file by these rows, in order."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    part = path.with_suffix(".part")
    tables.write_rows([{k: rows[key].get(k) for k in COLUMNS} for key in sorted(rows)], part)
    os.replace(part, path)


# ------------------------------------------------------------------------------------------------ codecs


def peer_code(name: str, kbps: float, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Code a recording with the peer of a name, at the rate to request."""
    return PEERS[name].code(x, RATE_HZ, kbps)


def steered_code(name: str, kbps: float, clips: Sequence[Clip]) -> Code:
    """Return what codes a recording with a peer so that all clips together have the bitrate `kbps`."""
    sounds = ((read_clip(clip, RATE_HZ), RATE_HZ) for clip in clips)
    return partial(peer_code, name, steer(PEERS[name], sounds, kbps, ACCEPTED))


def uncoded(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a recording as it is, and the bitrate of its samples in kbps."""
    return x, PCM_KBPS


@dataclass(frozen=True)
class Point:
    """Hold one codec at one rate; `prepare` returns what codes a recording."""

    codec: str
    kbps_asked: float
    prepare: Callable[[], Code]
    step_hz: float


@dataclass(frozen=True)
class Wanted:
    """Hold which scores a run adds: of all clips, of those that are judged, and by a recogniser."""

    scores: Sequence[str]
    judges: Sequence[str]
    judged: set[Path]
    readers: Mapping[Path, Read]

    def lacking(self, row: Mapping, clip: Clip) -> tuple[list[str], Read | None]:
        """Return which of the scores a row lacks, and what reads the clip if its letter error rate is missing."""
        names = [*self.scores, *(self.judges if clip.path in self.judged else ())]
        return [k for k in names if k not in row], self.readers.get(clip.path) if "cer" not in row else None


def points_at(kbps: float, names: Sequence[str], codec, label: str, clips: Sequence[Clip]) -> list[Point]:
    """List what is measured at one point of comparison: ours first, then the peers that have a rate near it."""
    own = [Point(label, kbps, lambda: own_code(codec, kbps), STEP_HZ)] if codec else []
    theirs = [(name, rate) for name in names for rate in PEERS[name].rates if plots.nearest_point(rate) == kbps]
    return own + [
        Point(name, rate, partial(steered_code, name, rate, clips), PEERS[name].subframe_hz) for name, rate in theirs
    ]


def measure_noise(point: Point, path: Path) -> None:
    """Add the lines in decoded white noise to the file, unless it has those of the codec at the rate."""
    known = {(row["codec"], row["kbps_asked"], row["level_db"]) for row in tables.read_rows(path, TEXT_COLUMNS)}
    levels_db = [level for level in LEVELS_DB if (point.codec, point.kbps_asked, level) not in known]
    if not levels_db:
        return
    code = point.prepare()
    for level_db in levels_db:
        excess_db = noise_line_excess_db(lambda x: as_pcm16(code(x)[0]), level_db, RATE_HZ, point.step_hz)
        row = {"codec": point.codec, "kbps_asked": point.kbps_asked, "level_db": level_db, "line_excess_db": excess_db}
        tables.append_rows([row], NOISE_COLUMNS, path)


class Gap(NamedTuple):
    """Hold what the row of a recording lacks: scores, and what reads the recording; and what the row has."""

    clip: Clip
    row: dict
    lacks: list[str]
    reader: Read | None


@dataclass(frozen=True)
class FillGap:
    """Code a recording, and return its row with the scores that it lacked."""

    code: Code
    step_hz: float

    def __call__(self, gap: Gap) -> dict:
        x = read_clip(gap.clip, RATE_HZ)
        y, kbps = self.code(x)
        row = gap.row | {"kbps": kbps, "seconds": len(x) / RATE_HZ}
        row |= score(x.astype(np.float64), as_pcm16(y), gap.lacks, self.step_hz)
        return row | ({"cer": gap.reader(y)} if gap.reader else {})


def measure(point: Point, clips: Sequence[Clip], path: Path, wanted: Wanted, where: Where = HERE) -> None:
    """Add to the file what it lacks of one codec at one rate: recordings, or scores of recordings."""
    rows, gaps = read_rows(path), []
    for clip in clips:
        name = f"{clip.source}/{clip.speaker}/{clip.path.name}"
        row = rows.get((point.codec, point.kbps_asked, name), {})
        lacks, reader = wanted.lacking(row, clip)
        if lacks or reader or not row:
            key = {"codec": point.codec, "kbps_asked": point.kbps_asked, "clip": name}
            gaps.append(Gap(clip, row | key, lacks, reader))
    if not gaps:
        return
    done, engine = len(clips) - len(gaps), where.engine(FillGap(point.prepare(), point.step_hz))
    lost = []
    for i, (gap, row) in enumerate(completed(gaps, engine), start=done + 1):
        if row is LOST:
            lost.append(gap.row["clip"])
            continue
        tables.append_rows([row], COLUMNS, path)
        scores = ", ".join(f"{k} {row[k]:.3f}" for k in COLUMNS[5:] if k in row)
        told = f"{point.codec} {point.kbps_asked:g} kbps, {i}/{len(clips)}: {row['kbps']:.2f} kbps, {scores}"
        print(told, flush=True)
    if lost:
        raise RuntimeError(f"{len(lost)} recordings were not measured, the first is {lost[0]}: {LOST_TEXT}")


def measure_all(args, clips: Sequence[Clip], path: Path, where: Where = HERE) -> dict[str, str]:
    """Measure every codec asked for at every rate; return what could not be measured, with reasons."""
    known = METRICS | SIGNALS | {name: JUDGES[name] for name in args.judges}
    gone, lacks = {name: PEERS[name].missing() for name in args.peers}, metrics.missing_modules(known)
    absent = {PEERS[name].title: reason for name, reason in gone.items() if reason}
    absent |= {known[k].title: f"module {module} is not installed" for k, module in lacks.items()}
    names = [name for name in args.peers if not gone[name]]
    codec = None if args.model == "none" else lpcnet_cq.load(args.model)
    scores = [k for k in (*METRICS, *SIGNALS) if k not in lacks]
    judges = [k for k in args.judges if k not in lacks]
    reads = readers(args.recogniser, args.data) if args.recogniser else {}
    wanted = Wanted(scores, judges, judged_clips(clips, args.judged), reads)
    points = [Point(plots.UNCODED, PCM_KBPS, lambda: uncoded, STEP_HZ)]
    for kbps in args.rates:
        usable = codec
        if codec and not codec.bitrates_bps[0] <= 1000 * kbps <= codec.bitrates_bps[1]:
            absent[f"{args.label} at {kbps:g} kbps"] = "{} reaches {} to {} bps".format(codec.name, *codec.bitrates_bps)
            usable = None
        points += points_at(kbps, names, usable, args.label, clips)
    for point in points:
        try:
            measure(point, clips, path, wanted, where)
            if point.codec != plots.UNCODED:
                measure_noise(point, path.with_name("noise_lines.csv"))
        except (OSError, RuntimeError) as error:  # a library or a network that breaks down is named, others go on
            absent[f"{point.codec} at {point.kbps_asked:g} kbps"] = str(error)
            print(f"{point.codec} at {point.kbps_asked:g} kbps: {error}", flush=True)
    return absent


# ------------------------------------------------------------------------------------------------ speed


def speed_row(title: str, kbps: float, delay_ms: float, encode: Callable, decode: Callable, *size: str) -> list[str]:
    """Time coding as the difference between 20 s and 10 s of speech, which leaves out start-up; medians of runs."""
    from lpcnet_cq.evaluation.bench import SECONDS, median_s, speech_like

    sounds = [speech_like(k * SECONDS, RATE_HZ) for k in (1, 2)]
    factors = []
    for function, inputs in ((encode, sounds), (decode, [encode(x) for x in sounds])):
        short_s, long_s = (median_s(lambda f=function, v=v: f(v)) for v in inputs)
        factors.append(f"{(long_s - short_s) / SECONDS:.4f}")
    return [title, f"{kbps:g}", f"{delay_ms:.1f}", *factors, *(size or ("", ""))]


def speed_table(args) -> str:
    """Lay out delay, speed and size of ours and of the peers, as Markdown."""
    from lpcnet_cq.evaluation.bench import processor

    head = ["codec", "kbps", "delay, ms", "encode, s/s", "decode, s/s", "parameters", "MMAC/s, encoder + decoder"]
    rows = []
    if args.model != "none":
        codec, kbps = lpcnet_cq.load(args.model), min(args.rates)
        macs = {k: f"{v / 1e6:.0f}" for k, v in codec.macs_per_second().items()}
        size = f"{codec.n_parameters:,}", f"{macs['encoder']} + {macs['decoder']}"
        code = lambda x: codec.encode(x, RATE_HZ, bitrate_bps=1000 * kbps)  # noqa: E731
        rows.append(speed_row(args.label, kbps, codec.delay_ms, code, codec.decode, *size))
    for peer in (PEERS[name] for name in args.peers):
        reason, kbps = peer.missing(), peer.rates[0]
        if reason:
            rows.append([peer.title, "", "", f"not measured here: {reason}", "", "", ""])
            continue
        code = lambda x, p=peer, k=kbps: p.packets(x, k)  # noqa: E731
        rows.append(speed_row(peer.title, kbps, peer.delay_ms, code, peer.decode))
    return tables.markdown(head, rows) + f"\n{processor()}\n"


# ------------------------------------------------------------------------------------------------ command


def names_of(text: str) -> list[str]:
    """Parse names of peers.

    >>> names_of("none"), names_of("opus,lc3")
    ([], ['opus', 'lc3'])
    """
    names = {"all": list(PEERS), "none": []}.get(text, text.split(","))
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no peer; there are all, none, {', '.join(PEERS)}")
    return names


def judges_of(text: str) -> list[str]:
    """Parse names of judges.

    >>> judges_of("none"), judges_of("warpq,haspi")
    ([], ['warpq', 'haspi'])
    """
    names = {"all": list(JUDGES), "none": []}.get(text, text.split(","))
    unknown = [name for name in names if name not in JUDGES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no judge; there are all, none, {', '.join(JUDGES)}")
    return names


def rates_of(text: str) -> list[float]:
    """Parse rates, to kbps.

    >>> rates_of("24k,9k")
    [24.0, 9.0]
    """
    return [bitrate_bps(part) / 1000 for part in text.split(",")]


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("data", help="folder of speech, as for `make train`; its held-out speakers are coded")
    parser.add_argument("--peers", type=names_of, default="all", help=f"all, none, or some of {', '.join(PEERS)}")
    parser.add_argument("--rates", type=rates_of, default="9k,12k,16k,20k,24k", help="in the order to measure them")
    parser.add_argument("--model", help="weights of ours; none: measure peers only (default: the released ones)")
    parser.add_argument("--label", default=OWN, help="name of ours in rows and tables (default: %(default)s)")
    parser.add_argument("--judges", type=judges_of, default="all", help=f"all, none, or some of {', '.join(JUDGES)}")
    parser.add_argument("--judged", type=int, default=12, help="number of recordings that judges score (%(default)s)")
    parser.add_argument("--redo", metavar="CODEC", help="delete the rows of this codec first")
    parser.add_argument("--results", type=Path, default=RESULTS / "benchmark", help="folder to write to")
    parser.add_argument(
        "--recogniser", type=Path, help="weights of `recognise.py`: measure its letter error rate as well"
    )
    parser.add_argument("--jobs", type=int, help="recordings at the same time (default: 1; the cores of a cluster)")
    parser.add_argument("--cluster", metavar="ADDRESS", help="of Ray, or `local`: score recordings there")
    parser.add_argument("--speed", action="store_true", help="measure delay and speed instead, on one core")
    args = parser.parse_args(argv)
    if args.speed:
        if hasattr(os, "sched_setaffinity"):  # one core, before JAX counts them
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(speed_table(args))
        return
    path = args.results / "rows.csv"
    args.results.mkdir(parents=True, exist_ok=True)
    where = Where(args.jobs, args.cluster)
    clips = held_out(where.path(args.data))
    noise = args.results / "noise_lines.csv"
    if args.redo:
        rewrite({key: row for key, row in read_rows(path).items() if row["codec"] != args.redo}, path)
        kept = [row for row in tables.read_rows(noise, TEXT_COLUMNS) if row["codec"] != args.redo]
        noise.unlink(missing_ok=True)
        tables.append_rows(kept, NOISE_COLUMNS, noise)
    if not is_tidy(path):
        rewrite(read_rows(path), path)
    absent = measure_all(args, clips, path, where)
    rows = read_rows(path)
    if not is_tidy(path):  # scores were filled in
        rewrite(rows, path)
    noise_rows = tables.read_rows(noise, TEXT_COLUMNS)
    columns = plots.Columns(METRICS, SIGNALS, JUDGES)
    plots.write_summary(rows.values(), noise_rows, args.label, columns, absent, args.results)
    record_run(args.results)


if __name__ == "__main__":
    main()
