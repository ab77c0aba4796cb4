"""What psychoacoustic calibration buys, and the codec for music against MP3, AAC, Vorbis and Opus.

    python experiments/psychoacoustic.py DATA [--steps N] [--model WEIGHTS] [--rates 64k,80k,96k,112k,128k]

Models without calibration, with each of the two terms of the paper, with both, and with the later one as well, alike
in all else, and one without calibration but with twice the parameters, which is scored with 23.4 % more bits. With
--steps each is trained so many steps, where it is not there yet, and scored at 96 kbps; `--model` adds released or
other weights, at all rates. What is held out of DATA is coded and scored: whole files of ours, packets of the peers.
Rates are those of two channels; recordings with one get half. Every row of `results/psychoacoustic.csv` is written as
it is measured and never measured twice. Differences are taken recording by recording before they are averaged.
"""

import argparse
import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import audio_peers
import mask_pictures
import numpy as np
from audio_peers import AUDIO_PEERS

from lpcnet_cq.cli_arguments import bitrate_bps
from lpcnet_cq.codec import Codec, load
from lpcnet_cq.evaluation.evaluate import append_rows, mean_and_interval
from lpcnet_cq.evaluation.music_metrics import nmr_db, visqol_audio
from lpcnet_cq.training.config import MusicLoss, TrainConfig
from lpcnet_cq.training.data import open_corpus, read_clip
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.train import train

RESULTS = Path(__file__).parent / "results"
COLUMNS = ["system", "parameters", "kbps_asked", "kbps", "clip", "channels", "seconds", "visqol_audio", "nmr_db"]
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

Code = Callable[[np.ndarray], tuple[np.ndarray, float]]  # a recording to what becomes of it, and kbps


def trained(name: str, t: TrainConfig, args) -> Codec | None:
    """Return a model of the experiment, training it if asked to; None if there is none."""
    folder = args.out / name.replace(" ", "-").replace(",", "")
    if not (folder / "weights.safetensors").is_file():
        if not args.steps:
            return None
        train(replace(t, data=args.data, steps=args.steps), folder)
    return Codec(folder / "weights.safetensors")


def own_code(codec: Codec, kbps: float) -> Code:
    low, high = codec.bitrates_bps

    def code(x):
        data = codec.encode(x, codec.sample_rate_hz, bitrate_bps=min(max(1000 * kbps, low), high))
        return codec.decode(data)[0], 8 * len(data) / (len(x) / codec.sample_rate_hz) / 1000

    return code


def read_rows(path: Path) -> dict[tuple, dict]:
    """Read rows by system, rate asked for and clip; numbers as numbers."""
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    rows = [{k: v if k in ("system", "clip") else float(v or "nan") for k, v in row.items()} for row in read]
    return {(row["system"], row["kbps_asked"], row["clip"]): row for row in rows}


def measure(system: str, parameters: float, kbps: float, code: Callable[[int], Code], clips: dict, path: Path) -> None:
    """Add to the file what it lacks of one system at one rate; `code` of a number of channels codes a recording."""
    done = read_rows(path)
    for name, (x, fs) in clips.items():
        if (system, kbps, name) in done:
            continue
        y, got = code(x.ndim)(x)
        scores = {"visqol_audio": visqol_audio(x, y, fs), "nmr_db": nmr_db(x, y, fs)}
        row = {"system": system, "parameters": parameters, "kbps_asked": kbps, "kbps": got, "clip": name}
        append_rows([row | {"channels": x.ndim, "seconds": len(x) / fs} | scores], COLUMNS, path)
        text = ", ".join(f"{k} {v:.2f}" for k, v in scores.items())
        print(f"{system} {kbps:g} kbps, {name}: {got:.2f} kbps, {text}", flush=True)


def measure_own(name: str, codec: Codec, rates: Iterable[float], clips: dict, path: Path) -> None:
    for kbps in rates:
        measure(name, codec.n_parameters, kbps, lambda channels, k=kbps: own_code(codec, k * channels / 2), clips, path)


def measure_peers(clips: dict, path: Path) -> list[str]:
    """Measure every peer that can run; return what cannot, with reasons."""
    gone = []
    for name, peer in AUDIO_PEERS.items():
        if reason := audio_peers.missing(peer):
            gone.append(f"{peer.title}: {reason}")
            continue
        for kbps in peer.rates:
            stereo, asked = list(clips.values()), {}

            def code(channels, peer=peer, kbps=kbps, stereo=stereo, asked=asked):
                rate = kbps * channels / 2
                if channels not in asked:
                    asked[channels] = audio_peers.steer(peer, [v for v in stereo if v[0].ndim == channels], rate)
                return lambda x: audio_peers.code(peer, x, stereo[0][1], asked[channels])

            measure(name, float("nan"), kbps, code, clips, path)
    return gone


def is_piece(row: dict) -> bool:
    """Tell pieces of music in stereo from single sounds."""
    return row["channels"] == 2 and row["seconds"] >= PIECE_S


def table(rows: Iterable[dict]) -> str:
    """Lay out means with 95 % intervals over recordings, by rate."""
    points: dict[tuple, list[dict]] = {}
    for row in rows:
        points.setdefault((row["system"], row["kbps_asked"]), []).append(row)
    lines = ["| system | parameters | kbps | ViSQOL audio | NMR, dB |", "| --- | ---: | ---: | ---: | ---: |"]
    for (system, _), group in sorted(points.items(), key=lambda item: (item[0][1], item[0][0])):
        seconds = np.array([row["seconds"] for row in group])
        kbps = float(np.array([row["kbps"] for row in group]) @ seconds / seconds.sum())
        scores = [mean_and_interval([row[k] for row in group]) for k in ("visqol_audio", "nmr_db")]
        cells = [f"{mean:.2f} ± {half:.2f}" for mean, half in scores]
        size = group[0]["parameters"]
        lines.append(f"| {system} | {'' if np.isnan(size) else f'{size:,.0f}'} | {kbps:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def differences(rows: Iterable[dict]) -> str:
    """Lay out mean differences with 95 % intervals, over recordings that both have been measured on."""
    points: dict[tuple, dict] = {}
    for row in rows:
        points.setdefault((row["system"], row["kbps_asked"]), {})[row["clip"]] = row
    lines = ["| one | less the other | ViSQOL audio | NMR, dB |", "| --- | --- | ---: | ---: |"]
    for pair in DIFFERENCES:
        one, other = (points.get(point, {}) for point in pair)
        both = [clip for clip in one if clip in other]
        if both:
            values = ([one[c][k] - other[c][k] for c in both] for k in ("visqol_audio", "nmr_db"))
            cells = [f"{system}, {kbps:g} kbps" for system, kbps in pair]
            cells += [f"{mean:+.2f} ± {half:.2f}" for mean, half in map(mean_and_interval, values)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="folder of music, as for `make train PRESET=audio`; what it holds out is coded")
    parser.add_argument("--steps", type=int, default=0, help="train what is not there, so many steps")
    parser.add_argument("--model", help="weights to score as `lpcnet_cq`")
    parser.add_argument("--rates", default="64k,80k,96k,112k,128k", help="of two channels")
    parser.add_argument("--out", type=Path, default=Path("runs/psychoacoustic"), help="folder of the models")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")
    args = parser.parse_args(argv)
    path = args.results / "psychoacoustic.csv"
    args.results.mkdir(parents=True, exist_ok=True)
    models = {name: codec for name, t in MODELS.items() if (codec := trained(name, t, args))}
    fs = AUDIO.codec.spec.sample_rate_hz
    held_out = [clip for clip in open_corpus(args.data, "audio/") if clip.split == "dev"]
    clips = {f"{clip.source}/{clip.path.name}": (read_clip(clip, fs, 2), fs) for clip in held_out}
    for name, codec in models.items():
        measure_own(name, codec, [KBPS, MORE_KBPS] if name == TWICE else [KBPS], clips, path)
    if args.model:
        models["lpcnet_cq"] = load(args.model)
        rates = [bitrate_bps(text) / 1000 for text in args.rates.split(",")]
        measure_own("lpcnet_cq", models["lpcnet_cq"], rates, clips, path)
    gone = measure_peers(clips, path)
    rows = read_rows(path).values()
    groups = {"pieces in stereo": [row for row in rows if is_piece(row)]}
    groups["single sounds"] = [row for row in rows if not is_piece(row)]
    mask_pictures.curves(groups["pieces in stereo"], args.results / "psychoacoustic.png")
    mask_pictures.noise_under_mask(models, clips, args.results / "psychoacoustic_mask.png")
    parts = (f"{name}\n\n{table(group)}\n{differences(group)}\n" for name, group in groups.items() if group)
    text = "".join(parts) + "\n".join(gone)
    (args.results / "psychoacoustic.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
