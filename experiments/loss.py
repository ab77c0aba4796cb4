"""Packet loss: our codec and others under the same random and bursty losses, by PESQ, ESTOI and PLCMOS.

    python experiments/loss.py run DATA [--model cq3] [--kbps 9,16] [--expected-loss 5,20] [--rates 3,5,10,20]
    python experiments/loss.py peers DATA [--names opus,lc3]
    python experiments/loss.py merge ROWS.csv
    python experiments/loss.py table
    python experiments/loss.py resets DATA [--model NAME] [--kbps 9,16]

`run` codes eight held-out recordings live; the encoder chooses the interval of context resets from `--expected-loss`
(percent), unless `--interval` (packets) names others. `peers` codes them with the other codecs that are installed here,
`merge` takes rows that were measured elsewhere, and `table` writes means and curves. Results are in `--out`, the folder
`results/loss`; what is in `rows.csv` is not measured again. `resets` says what more frequent context resets cost.

A packet is 20 ms. One pattern of losses runs on over all recordings. Of the seeds 1000 r + 0, 1, ... (r the loss in
percent) the first counts whose share of lost packets is within 2 % of what is asked and whose bursts are 3 packets long
on average within 0.1. The rate asked of a codec is moved until the packets of all recordings have the rate named.
"""

import argparse
import csv
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from coders import steer
from loss_peers import LOSSY, LossyPeer
from loss_report import write_report
from report import RESULTS, record_run

import lpcnet_cq
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.protection import Protection, choose_protection
from lpcnet_cq.channel import burst_losses, mean_burst, random_losses, receive, share_lost
from lpcnet_cq.evaluation.evaluate import METRICS
from lpcnet_cq.evaluation.tables import append_rows, mean_kbps, read_rows
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
COPY_OFFSET = 3  # packets, as EVS has it in its channel-aware rows
HOP, RATE_HZ = 320, 16000
SCORES = ["pesq", "estoi", "plcmos"]
TEXTS = ["codec", "setting", "pattern", "clip"]
COLUMNS = ["codec", "setting", "kbps_asked", "pattern", "clip", "seconds", "kbps", "loss", *SCORES]
INTERVALS = (1, 2, 3, 5, 10, 25, 10**6)

Sounds = list[tuple[str, np.ndarray]]


def recordings(data: str) -> Sounds:
    """Return names and samples of the eight recordings at -26 dBov as they are."""
    clips = {f"{c.source}/{c.path.parent.name}/{c.path.stem}": c for c in open_corpus(data) if c.split == "dev"}
    return [(name, read_clip(clips[name], RATE_HZ)) for name in RECORDINGS]


# ------------------------------------------------------------------------------------------------ losses


def pattern(kind: str, percent: int, n: int) -> np.ndarray:
    """Return which of n packets are lost, (n,), `kind` being "rand" or "burst"."""
    loss = percent / 100
    for seed in range(1000 * percent, 1000 * percent + 10000):
        lost = random_losses(n, loss, seed) if kind == "rand" else burst_losses(n, loss, BURST, seed)
        near = abs(share_lost(lost) - loss) < 0.02 * loss
        if near and (kind == "rand" or abs(mean_burst(lost) - BURST) < 0.1):
            return lost
    raise ValueError(f"no seed gives {percent} % of loss in {n} packets")


def patterns(percents: Iterable[int], counts: list[int]) -> dict[str, list[np.ndarray]]:
    """Return losses by name, for each recording of so many packets."""
    n, cuts = sum(counts), np.cumsum(counts)[:-1]
    found = {"none": np.zeros(n, bool)}
    found |= {f"rand{p}": pattern("rand", p, n) for p in percents}
    found |= {f"burst{p}": pattern("burst", p, n) for p in percents if p >= 5}
    return {name: np.split(lost, cuts) for name, lost in found.items()}


# ------------------------------------------------------------------------------------------------ ours


def encode(codec, x: np.ndarray, kbps: float, protection: Protection) -> list[bytes]:
    """Return the packets of a live encoder, those of its delay at the end included."""
    encoder = codec.encoder(1000 * kbps, copy_offset=COPY_OFFSET)
    encoder.protection = protection
    return encoder.push(x.astype(np.float32)) + encoder.flush()


def setting_of(protection: Protection) -> str:
    """Return the name of a protection in tables."""
    return f"reset {protection.reset_interval}" + (f", copies {protection.copies:.0%}" if protection.copies else "")


def payload_kbps(packets: list[bytes], n_samples: int) -> float:
    """Return the rate of the packets that hold so many samples."""
    return 8 * sum(map(len, packets[: -(-n_samples // HOP)])) / n_samples * RATE_HZ / 1000


def encode_all(codec, sounds: Sounds, kbps: float, protection: Protection) -> tuple[list[list[bytes]], float]:
    """Return the packets of all recordings at the rate asked for together, and that rate in kbit/s."""
    asked, low = kbps, codec.bitrates_bps[0] / 1000
    for _ in range(3):
        coded = [encode(codec, x, asked, protection) for _, x in sounds]
        rates = [{"kbps": payload_kbps(c, len(x)), "seconds": len(x)} for c, (_, x) in zip(coded, sounds, strict=True)]
        real = mean_kbps(rates)
        if abs(real / kbps - 1) < 0.004:
            break
        asked = max(low, asked * kbps / real)
    return coded, real


def decode(codec, packets: list[bytes], lost: np.ndarray, n: int) -> np.ndarray:
    """Return n samples of what a live decoder makes of packets, aligned with the original."""
    y = receive(codec.decoder(), packets, np.pad(lost, (0, len(packets) - len(lost))), COPY_OFFSET)
    return y[codec.encoder().delay_samples :][:n]


# ------------------------------------------------------------------------------------------------ rows


def score(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return PESQ, ESTOI and, where its package is there, PLCMOS of a decoded copy in 16-bit steps."""
    y = np.round(np.clip(y, -1, 1) * 32767) / 32767
    scores = {name: METRICS[name].score(x, y, RATE_HZ) for name in ("pesq", "estoi")}
    if importlib.util.find_spec("speechmos"):
        from speechmos import plcmos  # pyright: ignore[reportMissingImports]

        scores["plcmos"] = plcmos.run(y.astype(np.float32), sr=RATE_HZ)["plcmos"]  # pyright: ignore
    return {name: round(float(value), 4) for name, value in scores.items()}


def measure(
    path: Path, key: dict, losses: dict[str, list[np.ndarray]], sounds: Sounds, code: Callable[[], tuple[list, list]]
) -> None:
    """Append the rows of one codec at one rate for the patterns that have none yet.

    Parameters
    ----------
    path : Path
        CSV file.
    key : dict
        Codec, setting and rate asked for.
    losses : dict
        Losses of each recording by the name of the pattern.
    sounds : list
    code : callable
        Codes all recordings; returns their rates in kbit/s, and functions of the losses that return what is heard.
    """
    known = {row["pattern"] for row in read_rows(path, TEXTS) if all(row.get(k, "") == v for k, v in key.items())}
    missing = {name: lost for name, lost in losses.items() if name not in known}
    if not missing:
        return
    rates, decoders = code()
    for name, lost in missing.items():
        rows = []
        for (clip, x), kbps, heard, gone in zip(sounds, rates, decoders, lost, strict=True):
            row = {"pattern": name, "clip": clip, "seconds": len(x) / RATE_HZ, "kbps": kbps}
            rows.append(key | row | {"loss": 100 * share_lost(gone)} | score(x, heard(gone)))
        append_rows(rows, COLUMNS, path)
        scores = {k: round(float(np.mean([row[k] for row in rows])), 3) for k in SCORES if k in rows[0]}
        print(*key.values(), name, f"{mean_kbps(rows):.2f} kbps", scores, flush=True)


def run(data: str, path: Path, model: str, settings: list[tuple[float, Protection]], percents: list[int]) -> None:
    """Measure our codec."""
    codec, sounds = lpcnet_cq.load(model), recordings(data)
    losses = patterns(percents, [-(-len(x) // HOP) for _, x in sounds])

    def code(kbps: float, protection: Protection) -> tuple[list, list]:
        coded, _ = encode_all(codec, sounds, kbps, protection)
        pairs = [(c, x) for c, (_, x) in zip(coded, sounds, strict=True)]
        return [payload_kbps(c, len(x)) for c, x in pairs], [partial(decode, codec, c, n=len(x)) for c, x in pairs]

    for kbps, protection in settings:
        key = {"codec": codec.name, "setting": setting_of(protection), "kbps_asked": kbps}
        measure(path, key, losses, sounds, partial(code, kbps, protection))


def run_peers(data: str, path: Path, names: list[str], percents: list[int]) -> None:
    """Measure the other codecs that are installed."""
    sounds = recordings(data)
    losses = patterns(percents, [-(-len(x) // HOP) for _, x in sounds])
    known = [(x, RATE_HZ) for _, x in sounds]

    def code(peer: LossyPeer, kbps: float) -> tuple[list, list]:
        asked = steer(peer.coder, known, kbps, (0.996, 1.004))
        coded = [peer.coder.packets(x, asked) for _, x in sounds]
        pairs = [(c, x) for c, (_, x) in zip(coded, sounds, strict=True)]
        heard = [partial(peer.aligned, c, lag=peer.lag(x, c), n=len(x)) for c, x in pairs]
        return [peer.coder.payload_kbps(c, len(x)) for c, x in pairs], heard

    missing = {name: reason for name in names if (reason := LOSSY[name].coder.missing())}
    if missing:
        print("not installed here, rows kept:", "; ".join(f"{name} ({why})" for name, why in missing.items()))
    for name in names:
        for kbps in LOSSY[name].coder.rates if name not in missing else ():
            key = {"codec": name, "kbps_asked": kbps}
            measure(path, key, losses, sounds, partial(code, LOSSY[name], kbps))


def merged(path: Path) -> Iterator[dict]:
    """Yield rows measured elsewhere: columns id, codec, asked, kbps, pattern, loss and scores."""
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            scores = {name: float(row[name]) for name in SCORES if row.get(name)}
            texts = {"codec": row["codec"], "pattern": row["pattern"], "clip": row["id"]}
            rates = {"kbps_asked": float(row["asked"]), "kbps": float(row["kbps"]), "loss": float(row["loss"])}
            yield texts | rates | scores | {"seconds": 1.0}  # which do not matter where the rate is constant


def merge(path: Path, source: Path) -> None:
    """Append rows measured elsewhere, but those that are there."""
    keys = ("codec", "kbps_asked", "pattern", "clip")
    known = {tuple(row[k] for k in keys) for row in read_rows(path, TEXTS)}
    new = [row for row in merged(source) if tuple(row[k] for k in keys) not in known]
    append_rows(new, COLUMNS, path)
    print(f"{len(new)} rows from {source.name}")


# ------------------------------------------------------------------------------------------------ cost of resets


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


def numbers(kind: Callable) -> Callable:
    """Return a parser of numbers between commas."""
    return lambda text: [kind(part) for part in text.split(",")]


def protections(args: argparse.Namespace, kbps: float) -> list[Protection]:
    """Return the protections to measure at a rate: those asked for by interval, or those for expected losses."""
    chosen = [choose_protection(percent / 100, 1000 * kbps) for percent in args.expected_loss]
    return [Protection(interval) for interval in args.interval] if args.interval else list(dict.fromkeys(chosen))


def main():
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    p.add_argument("what", choices=["run", "peers", "merge", "table", "resets"])
    p.add_argument("source", nargs="?", help="corpus of `run`, `peers` and `resets`; CSV file of `merge`")
    p.add_argument("--out", type=Path, default=RESULTS / "loss", metavar="FOLDER")
    p.add_argument("--model", default="cq3")
    p.add_argument("--kbps", type=numbers(float), default=[9.0])
    p.add_argument("--expected-loss", type=numbers(float), default=[0.0], help="percent")
    p.add_argument("--interval", type=numbers(int), help="packets from one context reset to the next")
    p.add_argument("--rates", type=numbers(int), default=[3, 5, 10, 20], help="losses in percent")
    p.add_argument("--names", type=numbers(str), default=list(LOSSY), help="of other codecs")
    args = p.parse_args()
    if (args.source is None) != (args.what == "table"):
        p.error(f"{args.what} takes {'no' if args.what == 'table' else 'one'} source")
    if unknown := set(args.names) - set(LOSSY):
        p.error(f"--names {min(unknown)} must be of {', '.join(LOSSY)}")
    rows = args.out / "rows.csv"
    if args.what == "run":
        settings = [(kbps, protection) for kbps in args.kbps for protection in protections(args, kbps)]
        run(args.source, rows, args.model, settings, args.rates)
        record_run(args.out)
    elif args.what == "peers":
        run_peers(args.source, rows, args.names, args.rates)
        record_run(args.out)
    elif args.what == "merge":
        merge(rows, Path(args.source))
    elif args.what == "resets":
        resets(args.source, args.model, args.kbps)
    else:
        write_report(read_rows(rows, TEXTS), args.out)


if __name__ == "__main__":
    main()
