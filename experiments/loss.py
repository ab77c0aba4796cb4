"""Packet loss: our codec under random and bursty losses, PESQ and PLCMOS of what is heard.

    python experiments/loss.py run DATA OUT.csv --model NAME [--kbps 9] [--expected-loss 5] [--rates 3,5,10,20]
    python experiments/loss.py table OUT.csv
    python experiments/loss.py resets DATA --model NAME [--rates 9,16]

`run` codes eight held-out recordings live and loses packets by the patterns that EVS was scored with on the same
recordings. One pattern runs on over all recordings. Of the seeds 1000 r + 0, 1, ... (r the loss in percent) the first
counts whose share of lost packets is within 2 % of what is asked and whose bursts are 3 packets long on average within
0.1. The rate asked for is moved until the packets of all recordings have the rate named. The encoder chooses the
interval of context resets from `--expected-loss` (percent), unless `--interval` (packets) names another. `resets` says
what more frequent context resets cost, from bytes.
"""

import argparse
import csv
import importlib.util
from pathlib import Path

import numpy as np

import lpcnet_cq
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.rate_control import reset_interval
from lpcnet_cq.evaluation.evaluate import METRICS
from lpcnet_cq.training.data import open_corpus, read_clip

RECORDINGS = (
    "librispeech-resemblyzer/tc100-6078/6078-54007-0000",
    "librispeech-resemblyzer/tc100-6437/6437-66172-0000",
    "librispeech-resemblyzer/tc100-7517/7517-100429-0000",
    "speechocean762/so2981/029810027",
    "speechocean762/so1030/010300003",
    "librispeech-resemblyzer/tc100-8747/8747-293952-0000",
    "librispeech-resemblyzer/tc100-2196/2196-170151-0000",
    "librispeech-resemblyzer/tc100-7078/7078-271888-0000",
)
BURST = 3.0  # packets
HOP, RATE_HZ = 320, 16000
COLUMNS = ["model", "kbps_asked", "interval", "pattern", "clip", "kbps", "loss", "pesq", "estoi", "plcmos"]
INTERVALS = (1, 2, 3, 5, 10, 25, 10**6)


def recordings(data: str) -> list[tuple[str, np.ndarray]]:
    """Return names and samples of the eight recordings at -26 dBov as they are."""
    clips = {f"{c.source}/{c.path.parent.name}/{c.path.stem}": c for c in open_corpus(data) if c.split == "dev"}
    return [(name, read_clip(clips[name], RATE_HZ)) for name in RECORDINGS]


def gilbert_elliott(random: np.random.RandomState, n: int, loss: float, burst: float) -> np.ndarray:
    """Return which of n packets are lost, (n,): all in a bad state that lasts `burst` packets on average."""
    leave, bad = 1 / burst, False
    enter, lost = leave * loss / (1 - loss), np.zeros(n, bool)
    for i in range(n):
        bad = random.rand() >= leave if bad else random.rand() < enter
        lost[i] = bad
    return lost


def mean_burst(lost: np.ndarray) -> float:
    """Return how many packets are lost in a row, on average."""
    edges = np.diff(np.concatenate([[0], lost.astype(int), [0]]))
    return float(np.mean(np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)))


def pattern(kind: str, percent: int, n: int) -> np.ndarray:
    """Return which of n packets are lost, (n,), `kind` being "rand" or "burst"."""
    for seed in range(10000):
        random = np.random.RandomState(1000 * percent + seed)
        lost = random.rand(n) < percent / 100 if kind == "rand" else gilbert_elliott(random, n, percent / 100, BURST)
        near = abs(lost.mean() - percent / 100) < 0.02 * percent / 100
        if near and (kind == "rand" or abs(mean_burst(lost) - BURST) < 0.1):
            return lost
    raise ValueError(f"no seed gives {percent} % of loss in {n} packets")


def encode(codec, x: np.ndarray, kbps: float, interval: int) -> list[bytes]:
    """Return the packets of a live encoder, those of its delay at the end included."""
    encoder = codec.encoder(1000 * kbps)
    encoder._reset_interval = interval
    n = -(-(len(x) + 960) // HOP)
    return encoder.push(np.pad(x, (0, n * HOP - len(x))).astype(np.float32))


def encode_all(codec, sounds, kbps: float, interval: int) -> tuple[list[list[bytes]], float]:
    """Return the packets of all recordings at the rate asked for together, and that rate in kbit/s."""
    asked, low = kbps, codec.bitrates_bps[0] / 1000
    for _ in range(3):
        coded = [encode(codec, x, asked, interval) for _, x in sounds]
        bits = [8 * sum(map(len, c[: -(-len(x) // HOP)])) for c, (_, x) in zip(coded, sounds, strict=True)]
        real = sum(bits) / sum(len(x) for _, x in sounds) * RATE_HZ / 1000
        if abs(real / kbps - 1) < 0.004:
            break
        asked = max(low, asked * kbps / real)
    return coded, real


def decode(codec, packets: list[bytes], lost: np.ndarray, n: int) -> np.ndarray:
    """Return n samples of what a live decoder makes of packets, aligned with the original, in 16-bit steps."""
    decoder, lag = codec.decoder(), codec._parts.config.delay - HOP
    lost = np.concatenate([lost, np.zeros(len(packets) - len(lost), bool)])
    y = np.concatenate([decoder.push(None if gone else data) for data, gone in zip(packets, lost, strict=True)])
    return np.round(y[lag : lag + n] * 32767) / 32767


def score(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return PESQ, ESTOI and, where its package is there, PLCMOS."""
    scores = {name: METRICS[name].score(x, y, RATE_HZ) for name in ("pesq", "estoi")}
    if importlib.util.find_spec("speechmos"):
        from speechmos import plcmos  # pyright: ignore[reportMissingImports]

        scores["plcmos"] = plcmos.run(y.astype(np.float32), sr=RATE_HZ)["plcmos"]
    return {name: round(float(value), 4) for name, value in scores.items()}


def run(data: str, out: Path, model: str, kbps: float, interval: int, percents: list[int]) -> None:
    """Append the rows of one setting to a table."""
    codec, sounds = lpcnet_cq.load(model), recordings(data)
    counts = [-(-len(x) // HOP) for _, x in sounds]
    cuts = np.cumsum(counts)[:-1]
    patterns = {"none": np.zeros(sum(counts), bool)}
    patterns |= {f"rand{p}": pattern("rand", p, sum(counts)) for p in percents}
    patterns |= {f"burst{p}": pattern("burst", p, sum(counts)) for p in percents if p >= 5}
    coded, _ = encode_all(codec, sounds, kbps, interval)
    fresh = not out.exists()
    with open(out, "a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if fresh:
            writer.writeheader()
        for name, lost in patterns.items():
            for (clip, x), packets, gone in zip(sounds, coded, np.split(lost, cuts), strict=True):
                y = decode(codec, packets, gone, len(x))
                rate = 8 * sum(map(len, packets[: len(gone)])) / len(x) * RATE_HZ / 1000
                row = {"model": codec.name, "kbps_asked": kbps, "interval": interval, "pattern": name, "clip": clip}
                row |= {"kbps": round(rate, 3), "loss": round(100 * gone.mean(), 2)}
                writer.writerow(row | score(x, y))
            file.flush()
            print(codec.name, kbps, interval, name, means(read(out)[-len(sounds) :]), flush=True)


def read(out: Path) -> list[dict]:
    """Return the rows of a table."""
    with open(out, newline="") as file:
        return list(csv.DictReader(file))


def means(rows: list[dict]) -> dict[str, float]:
    """Return mean rate, loss and scores of rows."""
    names = [name for name in COLUMNS[5:] if all(row.get(name) for row in rows)]
    return {name: round(float(np.mean([float(row[name]) for row in rows])), 3) for name in names}


def table(out: Path) -> None:
    """Print mean PESQ and PLCMOS by setting and pattern."""
    groups: dict[tuple, dict[str, list]] = {}
    for row in read(out):
        setting = groups.setdefault((row["model"], row["kbps_asked"], row["interval"]), {})
        setting.setdefault(row["pattern"], []).append(row)
    for key, by_pattern in groups.items():
        cells = {name: means(rows) for name, rows in by_pattern.items()}
        text = "; ".join(f"{k} {v['pesq']:.2f} / {v.get('plcmos', np.nan):.2f}" for k, v in cells.items())
        print(" ".join(key), f"{next(iter(cells.values()))['kbps']:.2f} kbps:", text)


def resets(data: str, model: str, rates: list[float]) -> None:
    """Print the rate of files coded at a rate, written anew with context resets at several intervals."""
    codec = lpcnet_cq.load(model)
    entropy = codec._parts.entropy
    sounds = [read_clip(c, RATE_HZ) for c in open_corpus(data) if c.split == "dev"]
    sounds = [x for x in sounds if len(x) > 3 * RATE_HZ][::4]
    for kbps in rates:
        bits, packets = dict.fromkeys(INTERVALS, 0), 0
        for x in sounds:
            _, segments = codec._read(codec.encode(x, RATE_HZ, 1000 * kbps))
            n = packet.join(entropy, [part for segment in segments for part in segment.parts])
            packets += len(n.step)
            for every in INTERVALS:
                runs = n.runs(every)
                bits[every] += 8 * sum(len(p) for r in runs for p in packet.put_packets(entropy, None, r)[1])
        per = {every: value / packets for every, value in bits.items()}
        never = per[INTERVALS[-1]]
        line = [f"{e}: {50 * b:.0f} bit/s, {(b - never) * min(e, 1000):.1f} bits each" for e, b in per.items()]
        print(f"{codec.name} {kbps} kbps, {packets} packets;", "; ".join(line), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["run", "table", "resets"])
    p.add_argument("paths", nargs="+")
    p.add_argument("--model", default="cq")
    p.add_argument("--kbps", type=float, default=9.0)
    p.add_argument("--expected-loss", type=float, default=0.0, help="percent")
    p.add_argument("--interval", type=int, help="packets from one context reset to the next")
    p.add_argument("--rates", default="")
    args = p.parse_args()
    if args.what == "run":
        percents = [int(v) for v in (args.rates or "3,5,10,20").split(",")]
        interval = args.interval or reset_interval(args.expected_loss / 100)
        run(args.paths[0], Path(args.paths[1]), args.model, args.kbps, interval, percents)
    elif args.what == "table":
        table(Path(args.paths[0]))
    else:
        resets(args.paths[0], args.model, [float(v) for v in (args.rates or "9,16").split(",")])


if __name__ == "__main__":
    main()
