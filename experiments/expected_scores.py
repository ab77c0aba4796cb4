"""Write what the released weights score on fixed material to `tests/expected/NAME.json`; the tests compare.

    python experiments/expected_scores.py              # all released weights
    python experiments/expected_scores.py cq --accept  # even where scores are worse than those of the file

Run it when weights or the signal path change on purpose, and commit the files. The synthetic signals are made here
from formulas. Recordings are not part of the project: the scores of development clips are written and compared only
where the corpus is present, in the folder that LPCNET_CQ_CORPUS names or in `../shared/corpus` beside the checkout.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import soundfile
from scipy.signal import lfilter

import lpcnet_cq
from dsp.band_levels import band_level_differences_db
from dsp.metrics import log_spectral_distance_db
from dsp.modulation import modulation_distance_db
from lpcnet_cq.evaluation.metrics import BAND_EDGES_HZ, metrics_for, missing_modules
from lpcnet_cq.evaluation.noise_lines import codec_noise_lines
from lpcnet_cq.training.losses import mel_loss

mel_distance = jax.jit(mel_loss, static_argnums=(2, 3))

ROOT = Path(__file__).parents[1]
EXPECTED = ROOT / "tests" / "expected"
CORPUS = Path(os.environ.get("LPCNET_CQ_CORPUS", ROOT.parent / "shared" / "corpus"))

# By how much a score may be worse on another machine, whose floats round otherwise; the sign says what is better.
TOLERANCES = {
    "pesq": 0.08,
    "estoi": 0.015,
    "visqol": 0.08,
    "visqol_audio": 0.08,
    "si_sdr_db": 0.3,
    "snr_db": 0.3,
    "nmr_db": -0.3,
    "log_spectral_distance_db": -0.25,
    "mel_distance": -0.02,
    "band_error_db": -0.3,
    "modulation_distance_db": -0.3,
    "line_excess_db": -0.6,
}
SYNTHETIC_METRICS = ("pesq", "snr_db", "nmr_db")  # the others are made for recordings, or slow
BYTES_TOLERANCE = 0.02  # relative, both ways
MEAN_SHARE = 0.4  # of a tolerance, for means over all signals

NOISE_LEVELS_DB = (-60, -40, -20)
MOST_LINES_DB = {"audio": 1.0, "cq": 9.0, "cq-sparse": 9.0, "cq3": 1.0}  # at any rate and level; inaudible below 1 dB

SPEECH_RATES_BPS, MUSIC_RATES_BPS = (9000, 16000, 24000), (64000, 96000)
SPEECH_CLIPS = (  # of the development split: one speaker each
    "speech/dev/speechocean762/so1419/014190006.flac",
    "speech/dev/speechocean762/so2282/022820021.flac",
    "speech/dev/speechocean762/so1092/010920012.flac",
)
MUSIC_CLIPS = ("audio/dev/freepats-guitar/E4.flac", "audio/dev/karoryfer-meatbass/pizz_eb2_vl4_rr1.flac")
CLIP_RATES_BPS = {1: 9000, 2: 64000}  # by channels
CLIP_S = 4.0


def voice(f0_hz: float, formants_hz: tuple[float, ...], seconds: float = 2.0, hiss: float = 0.05) -> np.ndarray:
    """Make syllables of a gliding voice with hiss in their gaps, float32 (n,) at 16 kHz."""
    fs, random = 16000, np.random.default_rng(round(f0_hz))
    time = np.arange(round(seconds * fs)) / fs
    phase = np.cumsum(f0_hz * (1 + 0.15 * np.sin(2 * np.pi * 0.8 * time))) / fs
    x = np.diff(np.floor(phase), prepend=0) + 0.02 * random.standard_normal(len(time))
    for f_hz in formants_hz:
        radius = np.exp(-np.pi * 90 / fs)
        x = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * f_hz / fs), radius**2], x)
    syllable = np.clip(np.sin(2 * np.pi * 2.3 * time), 0, 1) ** 0.5
    noise = np.diff(random.standard_normal(len(time)), prepend=0) * np.clip(-np.sin(2 * np.pi * 2.3 * time) - 0.5, 0, 1)
    return (0.3 * syllable * x / np.abs(x).max() + hiss * noise).astype(np.float32)


def speech_signals() -> dict[str, np.ndarray]:
    """Return three voices, and one of them in noise."""
    low = voice(105, (500, 1450, 2500, 3500))
    noise = np.asarray(lfilter([0.05], [1, -0.9], np.random.default_rng(7).standard_normal(len(low))))
    return {
        "low voice": low,
        "high voice": voice(215, (650, 1750, 2800, 4100)),
        "child's voice": voice(320, (850, 2100, 3600)),
        "low voice in noise": (low + 0.2 * noise).astype(np.float32),
    }


def music_signals() -> dict[str, np.ndarray]:
    """Return plucked chords, and chords with a beat of noise, both in stereo, 2 s at 44.1 kHz, float32 (n, 2)."""
    fs, random = 44100, np.random.default_rng(1)
    time = np.arange(2 * fs) / fs
    decay = np.exp(-6 * (time % 0.5))
    low, high = (sum(np.sin(2 * np.pi * f * k * time) / k for k in range(1, 12)) * decay for f in (196, 523))
    chords = np.stack([low + 0.4 * high, 0.5 * low + high], axis=1)
    beat = np.diff(random.standard_normal((len(time), 2)), axis=0, prepend=0) * np.exp(-40 * (time % 0.25))[:, None]
    return {k: (0.5 * x / np.abs(x).max()).astype(np.float32) for k, x in [("chords", chords), ("beat", chords + beat)]}


def clips(codec) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the development clips of a codec that are present: name, and signal at the codec's rate."""
    for name in SPEECH_CLIPS if codec.channels == 1 else MUSIC_CLIPS:
        if (CORPUS / name).is_file():
            x, sample_rate_hz = soundfile.read(CORPUS / name, dtype="float32")
            if sample_rate_hz != codec.sample_rate_hz:
                raise ValueError(f"{name} has a sample rate of {sample_rate_hz} Hz, not {codec.sample_rate_hz}")
            x = x[: round(CLIP_S * sample_rate_hz)]
            yield name, np.stack([x, x], axis=1) if codec.channels == 2 and x.ndim == 1 else x


def spectral_scores(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> dict[str, float]:
    """Return distances of spectra of signals (n,) or (n, 2): in dB, and in neper per mel band.

    The error of bands is the largest difference of their levels.
    """
    x, y = (np.atleast_2d(v.T) for v in (x, y))
    window = round(0.032 * sample_rate_hz)
    distance_db = log_spectral_distance_db(x, y, window, window // 2)
    edges_hz = [edge for edge in BAND_EDGES_HZ if edge < sample_rate_hz / 2]
    return {
        "band_error_db": float(np.abs(band_level_differences_db(x, y, sample_rate_hz, edges_hz)).max()),
        "modulation_distance_db": float(modulation_distance_db(x, y, sample_rate_hz).mean()),
        "log_spectral_distance_db": float(distance_db.mean()),
        "mel_distance": float(mel_distance(x, y, sample_rate_hz, (512, 2048))),
    }


def score(codec, x: np.ndarray, bitrate_bps: float, chosen: tuple[str, ...]) -> dict[str, float]:
    """Code a signal to bytes and back; return the bytes' number and the scores that are installed and chosen."""
    data = codec.encode(x, codec.sample_rate_hz, bitrate_bps)
    y, _ = codec.decode(data)
    metrics = metrics_for(codec)
    chosen = tuple(k for k in chosen if k in metrics and k not in missing_modules(metrics))
    found = {k: metrics[k].score(x, y, codec.sample_rate_hz) for k in chosen}
    found |= spectral_scores(x, y, codec.sample_rate_hz)
    return {"bytes": len(data)} | {k: round(v, 4) for k, v in found.items() if np.isfinite(v)}


def synthetic(codec) -> dict[str, dict[str, float]]:
    """Return the scores of the synthetic signals, by signal and rate."""
    signals, rates_bps = speech_signals(), SPEECH_RATES_BPS
    if codec.channels == 2:
        signals, rates_bps = music_signals(), MUSIC_RATES_BPS
    cases = [(name, x, rate_bps) for name, x in signals.items() for rate_bps in rates_bps]
    return {f"{name} at {rate_bps} bit/s": score(codec, x, rate_bps, SYNTHETIC_METRICS) for name, x, rate_bps in cases}


def development(codec) -> dict[str, dict[str, float]]:
    """Return the scores of the development clips that are present, by clip and rate."""
    rate_bps = CLIP_RATES_BPS[codec.channels]
    return {f"{name} at {rate_bps} bit/s": score(codec, x, rate_bps, tuple(TOLERANCES)) for name, x in clips(codec)}


def noise(codec) -> dict[str, dict[str, float]]:
    """Return the lines in decoded white noise, by level and rate; gaps in the place of lines count as none.

    All levels are coded at the lowest rate, the lowest level, at which lines are heard most, at all rates.
    """
    lowest_bps, *others_bps = SPEECH_RATES_BPS if codec.channels == 1 else MUSIC_RATES_BPS
    levels_db = {lowest_bps: NOISE_LEVELS_DB} | dict.fromkeys(others_bps, NOISE_LEVELS_DB[:1])
    return {
        f"white noise of {level_db} dB at {rate_bps} bit/s": {"line_excess_db": round(max(excess_db, 0.0), 4)}
        for rate_bps, levels in levels_db.items()
        for level_db, excess_db in codec_noise_lines(codec, rate_bps, levels).items()
    }


def worse(found: dict[str, float], expected: dict[str, float], share: float = 1.0) -> list[str]:
    """Say which scores are worse than expected by more than a share of their tolerance; missing ones do not count.

    >>> worse({"bytes": 1000, "snr_db": 9.0}, {"bytes": 1001, "snr_db": 9.5})
    ['snr_db is 9, expected is 9.5']
    >>> worse({"bytes": 1000, "nmr_db": -3.0}, {"bytes": 800, "nmr_db": -2.0})
    ['bytes is 1000, expected is 800']
    """
    wrong = []
    for name in sorted(found.keys() & expected.keys()):
        tolerance = TOLERANCES.get(name, 0.0)
        change = (found[name] - expected[name]) * np.sign(tolerance)
        size = abs(found[name] / expected[name] - 1) if name == "bytes" else 0.0
        if change < -share * abs(tolerance) or size > BYTES_TOLERANCE:
            wrong.append(f"{name} is {found[name]:g}, expected is {expected[name]:g}")
    return wrong


def means(scores: dict[str, dict[str, float]], like: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the mean of each score over the signals, as far as `like` has it too."""
    pairs = [(k, v) for name in scores.keys() & like.keys() for k, v in scores[name].items() if k in like[name]]
    return {k: float(np.mean([v for key, v in pairs if key == k])) for k in sorted({key for key, _ in pairs})}


def compare(found: dict, expected: dict) -> dict[str, list[str]]:
    """Return what is worse than expected, by signal and in the mean; signals that only one side has do not count.

    The means of many signals are worse at `MEAN_SHARE` of the tolerance.
    """
    pairs = [(name, found[name], expected[name], 1.0) for name in sorted(found.keys() & expected.keys())]
    pairs.append(("mean", means(found, expected), means(expected, found), MEAN_SHARE))
    return {name: wrong for name, a, b, share in pairs if (wrong := worse(a, b, share))}


def main() -> int:
    """Write the files of the weights named on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    released = sorted(path.stem for path in (ROOT / "lpcnet_cq" / "released").glob("*.safetensors"))
    parser.add_argument("names", nargs="*", default=released, help="released weights, left out: all")
    parser.add_argument("--accept", action="store_true", help="write scores that are worse than those of the file")
    args = parser.parse_args()
    for name in args.names:
        codec = lpcnet_cq.load(name)
        path = EXPECTED / f"{name}.json"
        found = {"synthetic": synthetic(codec), "noise": noise(codec), "development": development(codec)}
        before = json.loads(path.read_text()) if path.exists() else {}
        wrong = {k: v for part in found for k, v in compare(found[part], before.get(part, {})).items()}
        if wrong and not args.accept:
            print(f"{path.name} stays as it is, for these are worse: {wrong}; --accept takes them", file=sys.stderr)
            return 1
        if not found["development"]:
            print(f"no corpus in {CORPUS}: scores of development clips are left out of {path.name}", file=sys.stderr)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"weights_sha256": codec.sha256, **found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
