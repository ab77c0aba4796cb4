"""Soak test of live coding: memory over time, drift, and whether threads and processes give the same packets.

Run: python experiments/soak.py [--model cq3] [--minutes 60] [--audio FILE]

The signal goes frame by frame through a live encoder and a live decoder, as fast as they can. Every minute of audio one
line says the memory of the process, by how many samples the decoded sound lags the input beyond the stated delay, and
the speed. Then shorter parts are coded by two threads at once and by two processes at once, whose packets and sound
must be those of the first run.
"""

import argparse
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import lpcnet_cq
from lpcnet_cq.audio.reader import read_audio
from lpcnet_cq.audio.writer import to_pcm16
from lpcnet_cq.codec import Codec

MOST_LAG = 400  # samples, to each side
SECONDS_COMPARED = 10  # before each line


@dataclass(frozen=True)
class Run:
    """Hold what one run of a live encoder and decoder gave.

    Attributes
    ----------
    n_in, n_out : int
        Samples pushed, and samples decoded without the stated delay.
    packets, sound : str
        SHA-256 of all packets, and of the decoded sound in 16 bits.
    lags : list of int
        Samples by which the decoded sound lags the input beyond the stated delay, once a minute.
    rss_mb : list of float
        Memory of the process, once a minute.
    """

    n_in: int
    n_out: int
    packets: str
    sound: str
    lags: list[int]
    rss_mb: list[float]


def rss_mb() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def pulses(sample_rate_hz: int, channels: int) -> np.ndarray:
    """Return 20 s of pulses through a resonance, with pauses and noise, each channel another: (n,) or (n, 2)."""
    random, time_s = np.random.default_rng(1), np.arange(20 * sample_rate_hz) / sample_rate_hz
    phase = np.cumsum(140 * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * time_s))) / sample_rate_hz
    gate = np.sin(2 * np.pi * 0.3 * time_s) > -0.5
    tone = np.sin(2 * np.pi * phase) ** 15 * np.sin(2 * np.pi * 900 * time_s) * gate
    x = 0.3 * tone[:, None] * [1.0, 0.6] + 0.01 * random.standard_normal((len(time_s), 2))
    return (x if channels == 2 else x[:, 0]).astype(np.float32)


def frames_of(x: np.ndarray, size: int, n_frames: int) -> Iterator[np.ndarray]:
    """Yield frames of a signal that begins anew whenever it has ended."""
    held = x[:0]
    for _ in range(n_frames):
        while len(held) < size:
            held = np.concatenate([held, x])
        yield held[:size]
        held = held[size:]


def lag_of(y: np.ndarray, x: np.ndarray) -> int:
    """Return by how many samples y lags x, from the peak of their cross-correlation."""
    x, y = (v.reshape(len(v), -1).sum(axis=1) for v in (x, y))
    n = 1 << (len(x) + len(y)).bit_length()
    product = np.fft.irfft(np.fft.rfft(y, n) * np.conj(np.fft.rfft(x, n)), n)
    near = np.concatenate([product[-MOST_LAG:], product[: MOST_LAG + 1]])
    return int(np.argmax(near)) - MOST_LAG


def soak(codec: Codec, x: np.ndarray, minutes: float, bitrate_bps: float | None, show: Callable[[str], None]) -> Run:
    """Code a signal, over and over, for some minutes of audio."""
    encoder, decoder = codec.encoder(bitrate_bps), codec.decoder()
    size, rate_hz, lag = encoder.frame_size, encoder.sample_rate_hz, encoder.delay_samples + decoder.delay_samples
    per_minute, packets, sound = round(60 * rate_hz / size), hashlib.sha256(), hashlib.sha256()
    heard, said = [], []  # the last seconds of output and of input
    n_in = n_out = 0
    lags, memory, began = [], [], time.monotonic()
    kept = -(-SECONDS_COMPARED * rate_hz // size)
    for t, frame in enumerate(frames_of(x, size, round(minutes * per_minute))):
        (data,) = encoder.push(frame)
        y = decoder.push(data)
        packets.update(len(data).to_bytes(4, "big") + data)
        sound.update(to_pcm16(y).tobytes())
        n_in, n_out = n_in + len(frame), n_out + len(y)
        heard, said = [*heard[-kept:], y], [*said[-kept:], frame]
        if (t + 1) % per_minute == 0:
            lags.append(lag_of(np.concatenate(heard)[lag:], np.concatenate(said)[:-lag]))
            memory.append(rss_mb())
            speed = n_in / rate_hz / (time.monotonic() - began)
            show(f"{(t + 1) // per_minute:4d} min {memory[-1]:8.1f} MB, lag {lags[-1]}, {speed:.1f} times real time")
    n_out += sum(len(decoder.push(data)) for data in encoder.flush()) - lag
    return Run(n_in, n_out, packets.hexdigest(), sound.hexdigest(), lags, memory)


def silent(line: str) -> None:
    """Show nothing."""


def same_in_parallel(codec: Codec, x: np.ndarray, minutes: float, bitrate_bps: float | None, jobs: int = 2) -> bool:
    """Say whether several coders at once, in threads and in processes, give the packets and the sound of one."""
    alone = soak(codec, x, minutes, bitrate_bps, silent)
    spawn = get_context("spawn")
    for pool in (ThreadPoolExecutor(jobs), ProcessPoolExecutor(jobs, spawn)):
        with pool:
            runs = pool.map(soak, *zip(*itertools.repeat((codec, x, minutes, bitrate_bps, silent), jobs), strict=True))
            if any((run.packets, run.sound) != (alone.packets, alone.sound) for run in runs):
                return False
    return True


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cq3")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--parallel-minutes", type=float, default=1.0)
    parser.add_argument("--bitrate", type=float)
    parser.add_argument("--audio", help="file that is repeated (default: computed pulses and pauses)")
    args = parser.parse_args()
    codec = lpcnet_cq.load(args.model)
    rate_hz, channels = codec.sample_rate_hz, codec.channels
    x = read_audio(args.audio, rate_hz, channels).x if args.audio else pulses(rate_hz, channels)
    run = soak(codec, x, args.minutes, args.bitrate, lambda line: print(line, flush=True))
    print(f"samples in {run.n_in}, out {run.n_out}; lags {set(run.lags)}")
    print(f"memory from minute 2 on: {min(run.rss_mb[1:], default=0):.1f} to {max(run.rss_mb[1:], default=0):.1f} MB")
    print(f"the same in threads and processes: {same_in_parallel(codec, x, args.parallel_minutes, args.bitrate)}")


if __name__ == "__main__":
    main()
