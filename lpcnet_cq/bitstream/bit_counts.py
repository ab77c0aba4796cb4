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
    K = model.K
    bits, enhancements = np.zeros(1 + K + model.S * model.D), np.zeros(L)
    for n in runs:
        for layer in reversed(range(L)):
            enhancements[layer] += packet.enhancement_bits(model, None, n).sum()
            n = packet.coarser(model, n)
        bits += packet.n_bits(model, None, n).sum(axis=0)
    parts = {"step": bits[0]} | {name: bits[1:][k].sum() for name, k in model.side_parts.items()}
    parts["latents"] = bits[1 + K :].sum()
    parts |= {f"layer {i + 2}": value for i, value in enumerate(enhancements)}
    parts["overhead"] = 8 * n_bytes - sum(parts.values())
    return {name: round(float(value), 1) for name, value in parts.items()}
