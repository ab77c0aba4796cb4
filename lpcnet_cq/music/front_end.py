"""Front end of the encoder for music: buffer of blocks, and the choice of short blocks at attacks.

Place in the chain: before the model, in every runtime. Delay: one block, because the transform of a packet needs the
block after the packet's own block.

Letters: T packets, N samples of a block.
"""

from typing import NamedTuple

import numpy as np

from dsp.transients import AttackState, attacks, next_attacks, start_attacks
from lpcnet_cq.music.config import MusicConfig


class EncoderState(NamedTuple):
    """Hold the encoder's state between packets.

    Attributes
    ----------
    blocks : float32 array (2, 2, N)
        Left and right: the last coded block, and the block after it.
    is_short : float32 array (2,)
        Short-block flags of these two blocks.
    attacks : AttackState
    """

    blocks: np.ndarray
    is_short: np.ndarray
    attacks: AttackState


def short_block_flags(x: np.ndarray, c: MusicConfig) -> np.ndarray:
    """Return 1 for blocks with an attack in any channel, else 0: float32 (n // N,), for x (channels, n)."""
    return np.asarray(attacks(x, c.spec.hop).any(axis=0), np.float32)


def start(ahead: np.ndarray, c: MusicConfig) -> EncoderState:
    """Return the state before the first packet; `ahead` is the first block of the signal, (n,) or (n, 2)."""
    N = c.spec.hop
    state = EncoderState(np.zeros((2, 2, N), np.float32), np.zeros(2, np.float32), start_attacks((2,)))
    return push(push(state, ahead[:0], 1, c)[0], ahead, 1, c)[0]


def push(state: EncoderState, x: np.ndarray, T: int, c: MusicConfig) -> tuple[EncoderState, np.ndarray, np.ndarray]:
    """Add the samples of T packets.

    Parameters
    ----------
    state : EncoderState
    x : array (T*N,) or (T*N, 2)
        The next samples; fewer or none at the end of the signal. One channel is two equal channels.
    T : int
    c : MusicConfig

    Returns
    -------
    state : EncoderState
    blocks : float32 array (2, 2 + T, N)
        All blocks: the first is the one before the packets, the last the one after them.
    is_short : float32 array (2 + T,)
        Their short-block flags.
    """
    N = c.spec.hop
    both = np.zeros((2, T * N), np.float32)
    both[:, : len(x)] = x.T
    memory, found = next_attacks(state.attacks, both, N)
    blocks = np.concatenate([state.blocks, both.reshape(2, T, N)], axis=1)
    is_short = np.concatenate([state.is_short, found.any(axis=0).astype(np.float32)])
    return EncoderState(blocks[:, -2:].copy(), is_short[-2:].copy(), memory), blocks, is_short
