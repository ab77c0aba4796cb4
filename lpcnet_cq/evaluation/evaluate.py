"""Measure a codec on speakers, or music, it has not heard: bytes written, bytes decoded, then the usual scores.

Every rate is 8 * len(bytes) / seconds with the file's header counted, and every score is that of the sound
decoded from those bytes and nothing else.
"""

import csv
import functools
import hashlib
import importlib.util
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from scipy import stats
from tqdm import tqdm

from lpcnet_cq.evaluation import music_metrics as quality
from lpcnet_cq.evaluation import plots as pictures
from lpcnet_cq.registry import record_named
from lpcnet_cq.training.corpus import default_corpus
from lpcnet_cq.training.data import Clip, open_corpus, read_clip

METRIC_RATE_HZ = 16000  # PESQ-WB and the speech mode of ViSQOL are defined at this rate only: speech is scored at it
N_SAMPLES = 3  # clips kept as sound and picture

Metric = Callable[[np.ndarray, np.ndarray], float]

# ------------------------------------------------------------------------------------------------ metrics


def snr_db(x: np.ndarray, y: np.ndarray) -> float:
    """Signal-to-noise ratio of `y` against `x`, (n,) or (n, 2), in dB.

    >>> round(snr_db(np.array([1.0, -1.0]), np.array([1.1, -1.1])), 6)
    20.0
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2)))


def si_sdr_db(x: np.ndarray, y: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019, eq. 3), means removed."""
    x, y = x - x.mean(), y - y.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        return snr_db((y @ x) / (x @ x) * x, y)


def pesq_wb(x: np.ndarray, y: np.ndarray) -> float:
    """Wideband PESQ (ITU-T P.862.2, 2007; without its second corrigendum, as in most papers), 1.04..4.64."""
    from pesq import PesqError, pesq

    try:
        return float(pesq(METRIC_RATE_HZ, x, y, "wb"))
    except PesqError:  # no speech found in it
        return float("nan")


def estoi(x: np.ndarray, y: np.ndarray) -> float:
    """ESTOI, extended short-time objective intelligibility (Jensen and Taal, 2016), at most 1."""
    import warnings

    from pystoi import stoi

    with warnings.catch_warnings():  # it warns, and returns 1e-5, when less than 0.4 s is speech
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(stoi(x, y, METRIC_RATE_HZ, extended=True))
        except RuntimeWarning:
            return float("nan")


@functools.cache
def _visqol():
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="speech", use_lattice_model=True)
    return api


def visqol(x: np.ndarray, y: np.ndarray) -> float:
    """ViSQOL in speech mode with the lattice mapping of its version 3 (Chinen et al., 2020), 1..5."""
    return float(_visqol().measure_from_arrays(x, y, METRIC_RATE_HZ).moslqo)


# Title in tables, function, needed modules. Without LiteRT ViSQOL would silently use another mapping.
METRICS: dict[str, tuple[str, Metric, tuple[str, ...]]] = {
    "pesq": ("PESQ-WB", pesq_wb, ("pesq",)),
    "estoi": ("ESTOI", estoi, ("pystoi",)),
    "visqol": ("ViSQOL", visqol, ("visqol", "ai_edge_litert")),
    "si_sdr_db": ("SI-SDR, dB", si_sdr_db, ()),
    "snr_db": ("SNR, dB", snr_db, ()),
}


def metrics_for(codec) -> dict[str, tuple[str, Metric, tuple[str, ...]]]:
    """Return what is measured of a codec of its `kind`."""
    return record_named(codec.kind).metrics(codec.sample_rate_hz)


def speech_metrics(sample_rate_hz: int) -> dict[str, tuple[str, Metric, tuple[str, ...]]]:
    """Return what is measured of speech, which is at `METRIC_RATE_HZ`."""
    return METRICS


def music_metrics(sample_rate_hz: int) -> dict[str, tuple[str, Metric, tuple[str, ...]]]:
    """Return what is measured of music."""
    fs = sample_rate_hz
    return {
        "visqol_audio": ("ViSQOL audio", lambda x, y: quality.visqol_audio(x, y, fs), ("visqol",)),
        "nmr_db": ("NMR, dB", lambda x, y: quality.nmr_db(x, y, fs), ()),
        "snr_db": ("SNR, dB", snr_db, ()),
    }


def missing_metrics(metrics: dict | None = None) -> dict[str, str]:
    """Names of the metrics that cannot be measured here, with the module each lacks."""
    lacks = {
        k: [m for m in modules if importlib.util.find_spec(m) is None]
        for k, (_, _, modules) in (metrics or METRICS).items()
    }
    return {k: modules[0] for k, modules in lacks.items() if modules}


# ------------------------------------------------------------------------------------------------ evaluation


def spread(clips: Sequence[Clip], limit_s: float | None) -> list[Clip]:
    """Choose clips of about `limit_s` seconds in all, as many speakers as possible; None: all of them.

    Every speaker's first clip comes before anyone's second; the order hangs on the names alone.
    """
    if limit_s is None:
        return list(clips)
    turn: Counter[str] = Counter()
    order = []
    for clip in sorted(
        clips, key=lambda c: hashlib.sha256(f"{c.speaker}/{c.path.name}".encode()).hexdigest()
    ):
        order.append((turn[clip.speaker], len(order), clip))
        turn[clip.speaker] += 1
    chosen, seconds = [], 0.0
    for _, _, clip in sorted(order, key=lambda o: o[:2]):
        if seconds >= limit_s:
            break
        chosen.append(clip)
        seconds += soundfile.info(clip.path).duration
    return sorted(chosen, key=lambda c: (c.source, c.speaker, c.path))


def evaluate(
    codec, clips: Sequence[Clip], bitrate_bps: float, workdir: str | Path, limit_s: float | None = None
):
    """Code the clips to bytes and back, score what comes back, and write table, pictures and samples.

    Parameters
    ----------
    codec : anything with `encode`, `decode`, `info`, `sample_rate_hz`, `channels` and `kind` of `lpcnet_cq.load()`.
    clips : held-out recordings.
    bitrate_bps : rate asked for.
    workdir : gets `evaluation.csv` (a row per clip), `evaluation.md` (means), `samples/` and pictures.
    limit_s : seconds of audio to score at most, roughly; None: all.

    Returns
    -------
    One dict per clip: clip, speaker, source, seconds, bytes, kbps, a value per metric (NaN where a clip has
    no score), and the bits of each block.

    Raises
    ------
    ValueError
        If there are no clips.
    """
    clips = spread(clips, limit_s)
    if not clips:
        raise ValueError("clips: none given; evaluation needs at least one held-out recording")
    workdir = Path(workdir)
    (workdir / "samples").mkdir(parents=True, exist_ok=True)
    metrics, fs = metrics_for(codec), codec.sample_rate_hz
    missing = missing_metrics(metrics)
    metrics = {k: v for k, v in metrics.items() if k not in missing}
    keep = set(np.linspace(0, len(clips) - 1, N_SAMPLES).round().astype(int))
    rows = []
    for i, clip in enumerate(tqdm(clips, "evaluating", unit="clip", leave=False)):
        x = read_clip(clip, fs, codec.channels)
        data = codec.encode(x, fs, bitrate_bps=bitrate_bps)
        y, _ = codec.decode(data)
        bits = {f"{k}_bits": v for k, v in codec.info(data)["bits"].items()}
        rows.append(score(clip, x, y, data, metrics, fs) | bits)
        if i in keep:
            write_sample(workdir / "samples", clip, x, y, fs)
    write_rows(rows, workdir / "evaluation.csv")
    (workdir / "evaluation.md").write_text(table(rows, missing, metrics_for(codec)), encoding="utf-8")
    pictures.bit_shares(rows, workdir / "bits.png")
    return rows


def score(clip: Clip, x: np.ndarray, y: np.ndarray, data: bytes, metrics: dict, sample_rate_hz: int) -> dict:
    """Row of one clip: `x`, (n,) or (n, 2), the original, `y` what was decoded from `data`."""
    seconds = len(x) / sample_rate_hz
    row = {"clip": clip.path.name, "speaker": clip.speaker, "source": clip.source, "seconds": seconds}
    row |= {"bytes": len(data), "kbps": 8 * len(data) / seconds / 1000}
    x, y = x.astype(np.float64), y.astype(np.float64)
    if not (x.any() and y.any()):  # digital silence has no score
        return row | dict.fromkeys(metrics, float("nan"))
    return row | {k: metric(x, y) for k, (_, metric, _) in metrics.items()}


def write_sample(folder: Path, clip: Clip, x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> None:
    """Keep a clip for ear and eye: original and decoded WAV, and their spectrograms."""
    stem = f"{clip.speaker}-{clip.path.stem}"
    soundfile.write(folder / f"{stem}-original.wav", x, sample_rate_hz)
    soundfile.write(folder / f"{stem}-decoded.wav", np.clip(y, -1, 1), sample_rate_hz)
    pictures.spectrograms(quality.middle(x), quality.middle(y), sample_rate_hz, folder / f"{stem}.png", stem)


def write_rows(rows: Sequence[dict], path: Path) -> None:
    """Write rows as CSV, numbers to five significant digits."""
    path.unlink(missing_ok=True)
    append_rows(rows, list(rows[0]), path)


def append_rows(rows: Sequence[dict], columns: Sequence[str], path: Path) -> None:
    """Add rows to a CSV file, made with its header if missing; what is not in `columns` is left out.

    The file is opened anew every time, so that several programs can add to it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.is_file()
    with open(path, "a", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, columns, extrasaction="ignore")
        if new:
            writer.writeheader()
        writer.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in r.items()} for r in rows)


# ------------------------------------------------------------------------------------------------ table


def mean_and_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half width of its 95 % interval (Student's t); NaN values are left out.

    >>> [round(v, 3) for v in mean_and_interval([1.0, 2.0, 3.0, float("nan")])]
    [2.0, 2.484]
    """
    v = np.asarray(values, float)
    v = v[~np.isnan(v)]
    if len(v) < 2:
        return (float(v[0]) if len(v) else float("nan")), float("nan")
    return float(v.mean()), float(stats.t.ppf(0.975, len(v) - 1) * v.std(ddof=1) / np.sqrt(len(v)))


def table(rows: Sequence[dict], missing: dict[str, str], metrics: dict | None = None) -> str:
    """Lay out means as Markdown, all clips first: rates over all seconds, scores with 95 % intervals."""
    metrics = metrics or METRICS
    names = [k for k in metrics if k in rows[0]]
    head = ["", "clips", "speakers", "minutes", "kbps", *(metrics[k][0] for k in names)]
    sources = sorted({r["source"] for r in rows})
    groups = {"all": list(rows)} | (
        {s: [r for r in rows if r["source"] == s] for s in sources} if sources[1:] else {}
    )
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for title, group in groups.items():
        seconds = sum(r["seconds"] for r in group)
        kbps = 8 * sum(r["bytes"] for r in group) / seconds / 1000
        speakers = len({r["speaker"] for r in group})
        cells = [title, str(len(group)), str(speakers), f"{seconds / 60:.1f}", f"{kbps:.2f}"]
        for k in names:
            mean, half = mean_and_interval([r[k] for r in group])
            digits = 3 if k == "estoi" else 2
            cells.append(f"{mean:.{digits}f}" + (f" ± {half:.{digits}f}" if np.isfinite(half) else ""))
        lines.append(cells)
    text = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    if missing:
        gone = ", ".join(f"{metrics[k][0]} (module {m!r} is missing)" for k, m in missing.items())
        text += f"\nNot measured: {gone}; `pip install 'lpcnet-cq[eval]'` brings them.\n"
    return text


def report(
    codec, data: str | Path | None, bitrate_bps: float, workdir: Path, limit_s: float | None = None
) -> None:
    """Evaluate on the held-out speakers of folder `data` (none: the default corpus) and print the table.

    Where a `metrics.jsonl` lies in `workdir`, the curves of the training are drawn beside the rest.
    """
    part = record_named(codec.kind).task.part
    clips = [c for c in open_corpus(data or default_corpus(part), part) if c.split == "dev"]
    rows = evaluate(codec, clips, bitrate_bps, workdir, limit_s)
    if (workdir / "metrics.jsonl").is_file():
        pictures.training_curves(workdir / "metrics.jsonl", workdir / "training.png", bitrate_bps)
    metrics = metrics_for(codec)
    print(table(rows, missing_metrics(metrics), metrics))
    print(f"table, rows, pictures and sound samples lie in {workdir}")


