"""Speed of our codec beside Opus and Lyra, paired in one run, on one core: a part of `make bench`.

    python experiments/bench_peers.py [--model cq3] [--rounds 5]

Every round encodes and decodes the same 10 s of speech-like sound with all codecs, one after the other, so that other
work on the machine slows all of them alike. The table has the median speed of the rounds in CPU time, and the median of
the ratios to Opus within a round. Ours codes a file and, "live", packet by packet. Codecs that are not installed are
named and left out.
"""
# ruff: noqa: E402 - libraries read how many threads they may use when they are imported

import os

for library in ("OMP", "OPENBLAS", "MKL"):  # before they are imported
    os.environ[f"{library}_NUM_THREADS"] = "1"

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from peers import PEERS, RATE_HZ

import lpcnet_cq
from lpcnet_cq.evaluation.bench import SECONDS, speech_like
from lpcnet_cq.evaluation.tables import markdown

REFERENCE = "Opus 1.6"
Coding = tuple[Callable[[np.ndarray], Any], Callable[[Any], Any]]  # encode, and decode of what it returns


def live_encode(codec, x: np.ndarray, bitrate_bps: float) -> list[bytes]:
    """Return the packets of a signal that is encoded packet by packet."""
    encoder = codec.encoder(bitrate_bps)
    size = encoder.frame_size
    return [data for i in range(0, len(x), size) for data in encoder.push(x[i : i + size])]


def live_decode(codec, packets: list[bytes]) -> list[np.ndarray]:
    """Return the frames of packets."""
    decoder = codec.decoder()
    return [decoder.push(data) for data in packets]


def codings(codec, kbps: float) -> tuple[dict[str, Coding], list[str]]:
    """Return encoders and decoders by name, and what is missing."""
    found: dict[str, Coding] = {
        codec.name: (lambda x: codec.encode(x, RATE_HZ, 1000 * kbps), codec.decode),
        f"{codec.name}, live": (
            lambda x: live_encode(codec, x, 1000 * kbps),
            lambda packets: live_decode(codec, packets),
        ),
    }
    missing = []
    for peer in (PEERS["opus"], PEERS["lyra-v2"]):
        if reason := peer.missing():
            missing.append(f"{peer.title} is not measured: {reason}")
        else:
            found[peer.title] = (lambda x, peer=peer: peer.packets(x, peer.rates[0]), peer.decode)
    return found, missing


def measure(found: dict[str, Coding], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return the CPU times of encoding and decoding of each codec in each round, after one round to warm up."""
    x = speech_like(SECONDS, RATE_HZ)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for _ in range(1 + rounds):
        for name, (encode, decode) in found.items():
            began = time.process_time()
            coded = encode(x)
            encoded = time.process_time()
            decode(coded)
            times[name].append((encoded - began, time.process_time() - encoded))
    return {name: values[1:] for name, values in times.items()}


def table(times: dict[str, list[tuple[float, float]]]) -> str:
    """Return the medians of all rounds as Markdown."""
    head, rows = ["codec", "encode, times real time", "decode", "encode, CPU time / that of Opus", "decode"], []
    for name, values in times.items():
        speeds = [f"{SECONDS / statistics.median(column):.0f}" for column in zip(*values, strict=True)]
        pairs = zip(values, times.get(REFERENCE, []), strict=False)
        ratios = [[own[i] / other[i] for i in range(2)] for own, other in pairs]
        shown = [f"{statistics.median(column):.1f}" for column in zip(*ratios, strict=True)] or ["–", "–"]
        rows.append([name, *speeds, *shown])
    return markdown(head, rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Speed of our codec beside Opus and Lyra.")
    parser.add_argument("--model", help="weights for speech (default: cq3)")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    codec = lpcnet_cq.load(args.model)
    if codec.kind != "speech":
        print(f"`{codec.name}` codes {codec.kind}; it is not measured beside codecs for speech")
        return
    found, missing = codings(codec, 9.0)
    print(table(measure(found, args.rounds)), *missing, sep="\n")


if __name__ == "__main__":
    main()
