"""Pauses: bits, quality and level of the background with discontinuous transmission and without it.

    python experiments/dtx.py run DATA [--model cq3] [--kbps 9,24]
    python experiments/dtx.py table

`run` codes the recordings of `loss.py` as one side of a conversation: five seconds of speech between pauses that are as
long together. A pause is the quietest 0.3 s of the recording, continued by overlapping parts of it in random order. In
the material "noise", low-frequency noise of -50 dB of full scale is added to everything. `table` writes means. Results
are in `results/dtx`; what is in `rows.csv` is not measured again.

`sent_pesq` is that of the packets that are sent: for the others, the sound with pauses sent is taken, since PESQ counts
every noise but the original one as an error. `pause_kbps` and the levels are those of the pauses from half a second
behind speech on. `level_db` is the mean difference of levels in thirds of an octave from 100 Hz to 6.3 kHz between
decoded and original background, `shape_db` the standard deviation of these differences.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from loss import HOP, RATE_HZ, numbers, recordings
from report import RESULTS, record_run
from scipy.signal import lfilter, welch

import lpcnet_cq
from lpcnet_cq.bitstream.descriptor import MARK
from lpcnet_cq.evaluation.evaluate import METRICS
from lpcnet_cq.evaluation.tables import append_rows, group_by, markdown, read_rows

SPEECH_S, QUIET_S, SKIP_S = 5.0, 0.3, 0.5
NOISE_DB = -50.0
CENTRES_HZ = 100 * 2 ** (np.arange(19) / 3)
TEXTS = ["material", "clip"]
SCORES = ["kbps", "pause_kbps", "sent_percent", "pesq", "sent_pesq", "level_db", "shape_db"]
COLUMNS = ["material", "kbps_asked", "dtx", "clip", *SCORES]


def quiet_part(x: np.ndarray) -> np.ndarray:
    """Return the quietest 0.3 s of a signal."""
    n = round(QUIET_S * RATE_HZ)
    sums = np.cumsum(np.pad(np.square(x, dtype=np.float64), (1, 0)))
    start = int(np.argmin(sums[n:] - sums[:-n]))
    return x[start : start + n]


def continued(x: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return n samples of background: parts of x in random order, faded over with constant power."""
    random, half = np.random.default_rng(seed), len(x) // 4
    window = np.sin(np.pi * (np.arange(2 * half) + 0.5) / (2 * half))
    y = np.zeros(n + 2 * half)
    for start in range(0, n + 1, half):
        place = random.integers(0, len(x) - 2 * half + 1)
        part = y[start : start + 2 * half]
        part += (window * x[place : place + 2 * half])[: len(part)]
    return y[half : half + n]


def conversation(x: np.ndarray, seed: int, material: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a recording between pauses, and which samples are in pauses, half a second behind speech aside."""
    quiet, x = quiet_part(x), x[: round(SPEECH_S * RATE_HZ)]
    before, skip = len(x) // 2, round(SKIP_S * RATE_HZ)  # the pause before speech is as long as the one behind it
    background = continued(quiet, len(x), seed)
    y = np.concatenate([background[:before], x, background[before:]])
    in_pause = np.ones(len(y), bool)
    in_pause[:skip] = in_pause[before - HOP : before + len(x) + skip] = False
    if material == "noise":
        noise = np.asarray(lfilter([1], [1, -0.9], np.random.default_rng(seed).standard_normal(len(y))))
        y = y + 10 ** (NOISE_DB / 20) * noise / noise.std()
    return y.astype(np.float32), in_pause


def third_octaves_db(x: np.ndarray) -> np.ndarray:
    """Return the levels of x in thirds of an octave."""
    f_hz, power = welch(x, RATE_HZ, nperseg=1024)
    edges = CENTRES_HZ[:, None] * 2 ** (np.array([-1, 1]) / 6)
    return np.array([10 * np.log10(power[(f_hz >= a) & (f_hz < b)].mean() + 1e-14) for a, b in edges])


def code(codec, x: np.ndarray, kbps: float, dtx: bool) -> tuple[list[bytes], np.ndarray]:
    """Return the packets of a signal and the decoded signal, aligned."""
    encoder, decoder = codec.encoder(1000 * kbps, dtx=dtx), codec.decoder()
    packets = encoder.push(x) + encoder.flush()
    delay = encoder.delay_samples + decoder.delay_samples
    return packets, np.concatenate([decoder.push(data) for data in packets])[delay:][: len(x)]


def sent_samples(codec, packets: list[bytes], n: int) -> np.ndarray:
    """Return which of n samples, aligned, are from packets that hold speech."""
    sent = np.array([len(data) > 0 and not data.endswith(MARK) for data in packets])
    delay = codec.encoder().delay_samples + codec.decoder().delay_samples
    return np.repeat(sent, HOP)[delay:][:n]


def measure(codec, x: np.ndarray, in_pause: np.ndarray, kbps: float) -> list[dict[str, float]]:
    """Return rates, PESQ and levels of one signal, first with pauses sent, then with DTX."""
    plain, dtx = (code(codec, x, kbps, dtx) for dtx in (False, True))
    at, middle = np.arange(len(x)), len(x) // 2
    parts = [in_pause & (at < middle), in_pause & (at >= middle)]
    found = []
    for packets, y in (plain, dtx):
        bits = 8 * np.array([len(data) for data in packets])
        held = in_pause[np.minimum(np.arange(len(packets)) * HOP, len(x) - 1)]
        difference = np.mean([third_octaves_db(y[p]) - third_octaves_db(x[p]) for p in parts], axis=0)
        row = {
            "kbps": bits.sum() / len(x) * RATE_HZ / 1000,
            "pause_kbps": bits[held].mean() * RATE_HZ / HOP / 1000,
            "sent_percent": 100 * np.mean(bits > 0),
            "pesq": METRICS["pesq"].score(x, y, RATE_HZ),
            "sent_pesq": METRICS["pesq"].score(x, np.where(sent_samples(codec, packets, len(x)), y, plain[1]), RATE_HZ),
            "level_db": difference.mean(),
            "shape_db": difference.std(),
        }
        found.append({name: round(float(value), 4) for name, value in row.items()})
    return found


def run(data: str, path: Path, model: str, rates: Sequence[float]) -> None:
    """Measure all recordings that have no row yet."""
    codec = lpcnet_cq.load(model)
    known = {(r["material"], r["kbps_asked"], r["clip"]) for r in read_rows(path, TEXTS)}
    for seed, (name, recording) in enumerate(recordings(data)):
        for material in ("quiet", "noise"):
            x, in_pause = conversation(recording, seed, material)
            for kbps in rates:
                if (material, kbps, name) in known:
                    continue
                found = measure(codec, x, in_pause, kbps)
                key = {"material": material, "kbps_asked": kbps, "clip": name}
                append_rows([key | {"dtx": dtx} | row for dtx, row in enumerate(found)], COLUMNS, path)
                print(*key.values(), *found, sep="\n  ", flush=True)


def write_table(rows: Sequence[dict], folder: Path) -> None:
    """Write means over the recordings as Markdown."""
    titles = ["background", "DTX", "asked kbps", "kbps", "kbps in pauses", "packets sent, %", "PESQ-WB"]
    titles += ["PESQ of sent packets", "level, dB", "largest, dB", "shape, dB"]
    lines = []
    for (material, kbps, dtx), group in group_by(rows, "material", "kbps_asked", "dtx").items():
        means = {name: float(np.mean([row[name] for row in group])) for name in SCORES}
        worst = max(abs(row["level_db"]) for row in group)
        cells = [material, "yes" if dtx else "no", f"{kbps:g}", f"{means['kbps']:.2f}", f"{means['pause_kbps']:.2f}"]
        cells += [f"{means['sent_percent']:.0f}", f"{means['pesq']:.3f}", f"{means['sent_pesq']:.3f}"]
        lines.append([*cells, f"{means['level_db']:+.2f}", f"{worst:.2f}", f"{means['shape_db']:.2f}"])
    n = len({row["clip"] for row in rows})
    text = f"Means over {n} recordings, half of each is pause; see `experiments/dtx.py`.\n\n{markdown(titles, lines)}"
    (folder / "table.md").write_text(text, encoding="utf-8")


def main():
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    p.add_argument("what", choices=["run", "table"])
    p.add_argument("source", nargs="?", help="corpus of `run`")
    p.add_argument("--out", type=Path, default=RESULTS / "dtx", metavar="FOLDER")
    p.add_argument("--model", default="cq3")
    p.add_argument("--kbps", type=numbers(float), default=[9.0, 24.0])
    args = p.parse_args()
    if (args.source is None) != (args.what == "table"):
        p.error(f"{args.what} takes {'no' if args.what == 'table' else 'one'} source")
    rows = args.out / "rows.csv"
    args.out.mkdir(parents=True, exist_ok=True)
    if args.what == "run":
        run(args.source, rows, args.model, args.kbps)
        record_run(args.out)
    else:
        write_table(read_rows(rows, TEXTS), args.out)


if __name__ == "__main__":
    main()
