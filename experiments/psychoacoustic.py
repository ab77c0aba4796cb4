"""Gain from the psychoacoustic training loss, and the music codec against MP3, AAC, Vorbis and Opus.

    python experiments/psychoacoustic.py DATA [--steps N] [--model WEIGHTS] [--rates 64k,80k,96k,112k,128k]

The models are trained without the loss, with each of the two terms of the paper, with both, and with the third term
as well; all else is equal. One more model has no such loss but twice the parameters, and is scored with 23.4 % more
bits. With --steps, each model that does not exist yet is trained for so many steps; all are scored at 96 kbps.
`--model` adds released or other weights, at all rates. The held-out recordings of DATA are coded and scored: whole
files of ours, packets of the peers. Rates are those of two channels; recordings with one channel get half. Every row
of `results/psychoacoustic/rows.csv` is written as it is measured, and not measured again. Differences are computed for
each recording before they are averaged.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import mask_pictures
import numpy as np
from audio_peers import AUDIO_PEERS, CommandPeer
from coders import Code, own_code, steer
from report import RESULTS, make_parser, publish, record_run

from lpcnet_cq.cli.arguments import bitrate_bps
from lpcnet_cq.codec import Codec, load
from lpcnet_cq.evaluation.evaluate import held_out
from lpcnet_cq.evaluation.metrics import METRICS
from lpcnet_cq.evaluation.tables import append_rows, group_by, markdown, mean_cell, mean_kbps, read_rows
from lpcnet_cq.training.config import MusicLoss, TrainConfig
from lpcnet_cq.training.data import read_clip
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.train import train

SCORES = ("visqol_audio", "nmr_db")
COLUMNS = ["system", "parameters", "kbps_asked", "kbps", "clip", "channels", "seconds", *SCORES]
TEXT_COLUMNS = ("system", "clip")
TITLES = [METRICS[metric].title for metric in SCORES]
KBPS = 96.0  # at which the models are compared
MORE_BITS = 1.234  # the larger model's share of bits in the paper
PIECE_S = 8.0  # shorter recordings are single sounds
AUDIO = replace(PRESETS["audio"], warmup_steps=30)  # short trainings
NONE = replace(AUDIO, loss=MusicLoss(priority=0.0, modulation=0.0, audible=0.0), lambda_start=0.01)
MODELS: dict[str, TrainConfig] = {
    "calibrated": AUDIO,
    "no term": NONE,
    "priority": replace(NONE, loss=replace(NONE.loss, priority=AUDIO.loss.priority)),
    "noise": replace(NONE, loss=replace(NONE.loss, modulation=AUDIO.loss.modulation)),
    "both": replace(AUDIO, loss=MusicLoss(audible=0.0), lambda_start=0.01),
    "no term, twice the size": replace(NONE, codec=replace(AUDIO.codec, fine=96, fine_blocks=3, hidden=64)),
}
OURS, TWICE, MORE_KBPS = "calibrated", "no term, twice the size", round(MORE_BITS * KBPS, 1)
DIFFERENCES = [((OURS, KBPS), (name, KBPS)) for name in MODELS if name != OURS]
DIFFERENCES += [((OURS, KBPS), (TWICE, MORE_KBPS))]
DIFFERENCES += [(("lpcnet_cq", kbps), ("mp3-lame", 112.0)) for kbps in (96.0, 80.0)]


def trained(name: str, t: TrainConfig, args) -> Codec | None:
    """Return a model of the experiment, training it if asked to; None if there is none."""
    folder = args.out / name.replace(" ", "-").replace(",", "")
    if not (folder / "weights.safetensors").is_file():
        if not args.steps:
            return None
        train(replace(t, data=args.data, steps=args.steps), folder)
    return Codec(folder / "weights.safetensors")


def measure(system: str, parameters: float, kbps: float, code: Callable[[int], Code], clips: dict, path: Path) -> None:
    """Add to the file what it lacks of one system at one rate; `code(n)` returns what codes n channels."""
    done = group_by(read_rows(path, TEXT_COLUMNS), "system", "kbps_asked", "clip")
    for name, (x, fs) in clips.items():
        if (system, kbps, name) in done:
            continue
        y, got = code(x.ndim)(x)
        scores = {metric: METRICS[metric].score(x, y, fs) for metric in SCORES}
        row = {"system": system, "parameters": parameters, "kbps_asked": kbps, "kbps": got, "clip": name}
        append_rows([row | {"channels": x.ndim, "seconds": len(x) / fs} | scores], COLUMNS, path)
        text = ", ".join(f"{k} {v:.2f}" for k, v in scores.items())
        print(f"{system} {kbps:g} kbps, {name}: {got:.2f} kbps, {text}", flush=True)


def measure_own(name: str, codec: Codec, rates: Iterable[float], clips: dict, path: Path) -> None:
    low, high = (rate_bps / 1000 for rate_bps in codec.bitrates_bps)
    for kbps in rates:

        def code(channels, kbps=kbps):
            return own_code(codec, min(max(kbps * channels / 2, low), high))

        measure(name, codec.n_parameters, kbps, code, clips, path)


def measure_peers(clips: dict, path: Path) -> list[str]:
    """Measure every peer that can run; return those that cannot, with reasons."""
    gone = []
    for name, peer in AUDIO_PEERS.items():
        if reason := peer.missing():
            gone.append(f"{peer.title}: {reason}")
            continue
        for kbps in peer.rates:
            code = cache(partial(steered_code, peer, kbps, list(clips.values())))
            measure(name, float("nan"), kbps, code, clips, path)
    return gone


def steered_code(peer: CommandPeer, kbps: float, recordings: Sequence[tuple[np.ndarray, int]], channels: int) -> Code:
    """Return what codes recordings of so many channels so that all of them together have their share of `kbps`."""
    same, fs = [of for of in recordings if of[0].ndim == channels], recordings[0][1]
    asked = steer(peer, same, kbps * channels / 2, accepted=(1.0, 1.0))
    return lambda x: peer.code(x, fs, asked)


def is_piece(row: dict) -> bool:
    """Tell pieces of music in stereo from single sounds."""
    return row["channels"] == 2 and row["seconds"] >= PIECE_S


def table(rows: Iterable[dict]) -> str:
    """Return means with 95 % intervals over recordings as Markdown, by rate."""
    lines = []
    for (_, system), group in sorted(group_by(rows, "kbps_asked", "system").items()):
        size = group[0]["parameters"]
        cells = [system, "" if np.isnan(size) else f"{size:,.0f}", f"{mean_kbps(group):.1f}"]
        lines.append(cells + [mean_cell(row[k] for row in group) for k in SCORES])
    return markdown(["system", "parameters", "kbps", *TITLES], lines)


def differences(rows: Iterable[dict]) -> str:
    """Return mean differences with 95 % intervals as Markdown, over the recordings that both have."""
    points = {key: {row["clip"]: row for row in group} for key, group in group_by(rows, "system", "kbps_asked").items()}
    lines = []
    for pair in DIFFERENCES:
        one, other = (points.get(point, {}) for point in pair)
        both = [clip for clip in one if clip in other]
        if both:
            cells = [f"{system}, {kbps:g} kbps" for system, kbps in pair]
            lines.append(cells + [mean_cell((one[c][k] - other[c][k] for c in both), sign="+") for k in SCORES])
    return markdown(["first", "second", *TITLES], lines, text_columns=2)


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("data", help="folder of music, as for `make train PRESET=audio`; what it holds out is coded")
    parser.add_argument("--steps", type=int, default=0, help="train what is not there, so many steps")
    parser.add_argument("--model", help="weights to score as `lpcnet_cq`")
    parser.add_argument("--rates", default="64k,80k,96k,112k,128k", help="of two channels")
    parser.add_argument("--out", type=Path, default=Path("runs/psychoacoustic"), help="folder of the models")
    parser.add_argument("--results", type=Path, default=RESULTS / "psychoacoustic", help="folder to write to")
    args = parser.parse_args(argv)
    path = args.results / "rows.csv"
    args.results.mkdir(parents=True, exist_ok=True)
    models = {name: codec for name, t in MODELS.items() if (codec := trained(name, t, args))}
    fs = AUDIO.codec.spec.sample_rate_hz
    found = held_out(args.data, "audio/")
    clips = {f"{clip.source}/{clip.path.name}": (read_clip(clip, fs, 2), fs) for clip in found}
    for name, codec in models.items():
        measure_own(name, codec, [KBPS, MORE_KBPS] if name == TWICE else [KBPS], clips, path)
    if args.model:
        models["lpcnet_cq"] = load(args.model)
        rates = [bitrate_bps(text) / 1000 for text in args.rates.split(",")]
        measure_own("lpcnet_cq", models["lpcnet_cq"], rates, clips, path)
    gone = measure_peers(clips, path)
    rows = read_rows(path, TEXT_COLUMNS)
    groups = {"pieces in stereo": [row for row in rows if is_piece(row)]}
    groups["single sounds"] = [row for row in rows if not is_piece(row)]
    mask_pictures.curves(groups["pieces in stereo"], args.results / "curves.png")
    mask_pictures.noise_under_mask(models, clips, args.results / "mask.png")
    parts = (f"{name}\n\n{table(group)}\n{differences(group)}\n" for name, group in groups.items() if group)
    publish("".join(parts) + "\n".join(gone), args.results / "table.md")
    record_run(args.results)


if __name__ == "__main__":
    main()
