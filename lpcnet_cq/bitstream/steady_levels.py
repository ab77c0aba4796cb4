"""Packets of steady sounds in files, with the gains of a closed loop.

Place in the chain: in the encoder of files, between latents and packets. The caller passes a `Loop`, which decodes
packets and compares levels, because only codecs can decode. Delay: none.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.bitstream.packet_fit import Fitter

Steady = Mapping[int, np.ndarray]  # what packets should sound like, (hop,) or (hop, C), by their index, ascending


class Loop(Protocol):
    """Keep the level of steady sounds, as `lpcnet_cq.level_loop.LevelLoop` does; immutable.

    A reference is what the packet should sound like; None if it is not steady.
    """

    def scaled(self, z: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
        """Return the latents (1, S, D) of the next packet times the gain that it needs."""
        ...

    def follow(self, n: Integers, reference: np.ndarray | None) -> "Loop":
        """Return the loop after a packet of these integers."""
        ...


class SteadyPacket(NamedTuple):
    """Hold the size of a packet, and its integers int16 (S, D): little, because a block has up to 48,000 packets."""

    n_bytes: int
    latents: np.ndarray


def code_steady(fitter: Fitter, point: np.ndarray, steady: Steady, loop: Loop) -> dict[int, SteadyPacket]:
    """Return the coded packets of steady sounds at operating points (T,), by their index.

    Each run of them is coded as if it began with a context reset. The integers can be written in any context, but
    latents that are rounded again in another one may have another level.

    Parameters
    ----------
    fitter : Fitter
        With side integers and latents of T packets.
    point : int array (T,)
    steady : Steady
    loop : Loop
        Before the first packet.
    """
    run, pasts, coded = loop, None, {}
    for t, reference in steady.items():
        if t - 1 not in steady:
            run, pasts = loop, None
        z = run.scaled(fitter.z[t : t + 1], reference)
        fitted = replace(fitter, pasts=pasts, side=fitter.side[t : t + 1], z=z).at(int(point[t]))
        coded[t] = SteadyPacket(fitted.n_bytes, fitted.n.latents[0].astype(np.int16))
        run, pasts = run.follow(fitted.n, reference), fitted.pasts
    return coded
