"""How long one lost packet is heard: the time until decoded speech is within 20 dB of what it would have been.

    python experiments/loss_recovery.py DATA [--model cq3] [--kbps 9,24] [--interval 1,5]

Codes the recordings of `loss.py` live with context resets every `--interval` packets, decodes them without loss and
with single losses, and prints mean and longest time from the start of the lost frame to the end of the last 5 ms whose
signal-to-difference ratio is below 20 dB. Parts more than 40 dB below the loudest do not count.
"""

import argparse

import numpy as np
from loss import RATE_HZ, encode, numbers, recordings

import lpcnet_cq
from lpcnet_cq.bitstream.protection import Protection

LOSSES_APART = 50  # packets: 1 s between the losses that are tried
BLOCK_MS, RANGE_DB, NEAR_DB, HORIZON_MS = 5, 40.0, 20.0, 800


def heard_ms(whole: np.ndarray, disturbed: np.ndarray, start: int) -> float:
    """Return how long after sample `start` two signals differ, in ms.

    >>> x = np.ones(16000)
    >>> heard_ms(x, x * (1 + (np.arange(16000) // 80 == 3)), 160)
    10.0
    """
    n = BLOCK_MS * RATE_HZ // 1000
    stop = start + HORIZON_MS * RATE_HZ // 1000
    x, d = (v[start:stop][: len(v[start:stop]) // n * n].reshape(-1, n) for v in (whole, disturbed - whole))
    power, least = (x**2).mean(axis=1), (whole**2).max() * 10 ** (-RANGE_DB / 10) / 2
    far = (d**2).mean(axis=1) > 10 ** (-NEAR_DB / 10) * np.maximum(power, least)
    return float(BLOCK_MS * (1 + np.flatnonzero(far)[-1])) if far.any() else 0.0


def recovery_ms(codec, packets: list[bytes]) -> list[float]:
    """Return the time that each of several single losses is heard, in ms."""
    whole = codec.decoder()
    y = np.concatenate([whole.push(data) for data in packets])
    hop, times = whole.frame_size, []
    for t in range(LOSSES_APART // 2, len(packets) - LOSSES_APART, LOSSES_APART):
        decoder = codec.decoder()
        end = t + HORIZON_MS * RATE_HZ // 1000 // hop + 1
        z = np.concatenate([decoder.push(None if i == t else data) for i, data in enumerate(packets[:end])])
        times.append(heard_ms(y[: len(z)], z, t * hop))
    return times


def main():
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    p.add_argument("data")
    p.add_argument("--model", default="cq3")
    p.add_argument("--kbps", type=numbers(float), default=[9.0, 24.0])
    p.add_argument("--interval", type=numbers(int), default=[1, 5])
    args = p.parse_args()
    codec, sounds = lpcnet_cq.load(args.model), recordings(args.data)
    for kbps in args.kbps:
        for interval in args.interval:
            coded = [encode(codec, x, kbps, Protection(interval)) for _, x in sounds]
            times = [ms for packets in coded for ms in recovery_ms(codec, packets)]
            print(f"{kbps:g} kbps, reset every {interval}: {len(times)} losses, mean {np.mean(times):.0f} ms, ", end="")
            print(f"95 % within {np.percentile(times, 95):.0f} ms, longest {max(times):.0f} ms", flush=True)


if __name__ == "__main__":
    main()
