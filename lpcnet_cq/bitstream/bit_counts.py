"""Bit statistics: the bits of each part of a stream, computed from its integers.

Place in the chain: used by `Codec.info`; no samples are decoded. Letters: K side integers, L enhancement layers.
"""

from collections.abc import Iterable

import numpy as np

from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.entropy_model import EntropyModel


def count_bits(model: EntropyModel, runs: Iterable[packet.Integers], L: int, n_bytes: int) -> dict[str, float]:
    """Return the bits of each part of a stream.

    Parameters
    ----------
    model : EntropyModel
    runs : iterable of Integers
        Integers of the finest layer; each run begins with a context reset.
    L : int
        Number of enhancement layers of every packet, 0 or more.
    n_bytes : int
        Size of the stream in bytes.

    Returns
    -------
    dict
        `step` (with the reset flag), the parts of the side information by name, `latents`, `layer 2` and so on, and
        `overhead`: headers and the rounding of packets to bytes. The sum is 8 `n_bytes`, up to rounding to 0.1.
    """
    parts = {name: bits.sum() for name, bits in bits_per_packet(model, runs, L).items()}
    parts["overhead"] = 8 * n_bytes - sum(parts.values())
    return {name: round(float(value), 1) for name, value in parts.items()}


def bits_per_packet(model: EntropyModel, runs: Iterable[packet.Integers], L: int) -> dict[str, np.ndarray]:
    """Return the bits of each part of every packet, (T,) each, without the rounding to bytes; see `count_bits`."""
    columns = {"step": slice(1)} | {name: np.add(1, k) for name, k in model.side_parts.items()}
    columns["latents"] = slice(1 + model.K, None)
    found: list[list[np.ndarray]] = []
    for n in runs:
        finer = []
        for _ in range(L):
            finer.insert(0, packet.enhancement_bits(model, None, n).sum(axis=1))
            n = packet.coarser(model, n)
        bits = packet.n_bits(model, None, n)
        found.append([*(bits[:, k].sum(axis=1) for k in columns.values()), *finer])
    names = [*columns, *(f"layer {i + 2}" for i in range(L))]
    return dict(zip(names, np.concatenate([np.zeros((len(names), 0)), *found], axis=1), strict=True))
