"""Silence descriptors: packets that describe the background noise of a pause.

Place in the chain: between side information and packets, in live encoders that do not send pauses. A descriptor is an
ordinary packet that resets the context, with latents of zero and the coarsest step size, followed by one byte of zero.
This mark tells the live decoder that the packet is comfort noise; decoders without comfort noise ignore it as padding.
Cost: about 8 bytes. Delay: none.
"""

from dataclasses import replace

import numpy as np

from lpcnet_cq.bitstream.level import put_level
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.bitstream.packet_fit import Fitter

MARK = b"\0"


def make_descriptor(fitter: Fitter, level: int = 0, most_bytes: int | None = None) -> bytes:
    """Return a silence descriptor.

    Parameters
    ----------
    fitter : Fitter
        With the side information of the descriptor, and one layer.
    level : int
        See `bitstream.level`.
    most_bytes : int, optional
        Largest size; where the descriptor is larger, its side information is changed as `Fitter.within` does.
    """
    z = np.zeros_like(fitter.z)
    silent = replace(fitter, pasts=None, z=z)
    (data,) = silent.put(Integers(np.array([fitter.steps[-1]]), fitter.side, z.astype(np.int64))).packet
    mark = put_level(level) + MARK
    if most_bytes is not None and len(data + mark) > most_bytes:
        (data,) = silent.within(most_bytes - len(mark)).packet
    return data + mark


def is_descriptor(n: Integers, rest: bytes) -> bool:
    """Say whether a packet that resets the context is a silence descriptor.

    Parameters
    ----------
    n : Integers
        Of one packet.
    rest : bytes
        What follows its symbols and its level.

    Examples
    --------
    >>> n = Integers(np.array([16]), np.ones((1, 21), int), np.zeros((1, 5, 64), int))
    >>> is_descriptor(n, bytes(1)), is_descriptor(n, b""), is_descriptor(n, bytes(9))
    (True, False, False)
    """
    return bytes(rest) == MARK and not n.latents.any()
