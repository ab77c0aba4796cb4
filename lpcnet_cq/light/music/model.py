"""Encoder and decoder of music in NumPy: the functions of `lpcnet_cq.music.model`, as methods, without a batch.

Place in the chain: from blocks of samples to the integers of a packet, and back. Transform and bands compute in double
precision, the network in single precision. States are not changed; `decode` returns the next one.

Letters: T packets, N samples in a block, D lines, b bands, K side integers.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.light.music.bands import Bands
from lpcnet_cq.light.music.line_decoder import Decoder, DecoderState
from lpcnet_cq.light.music.mdct import Blocks
from lpcnet_cq.light.noise import uniform_noise
from lpcnet_cq.light.quantize import latent_steps
from lpcnet_cq.music.band_layout import OFFSET, PREDICTION_STEPS
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.line_features import unpack_side
from lpcnet_cq.music.step_exponents import PER_ENERGY, PER_OCTAVE


class State(NamedTuple):
    """Hold the decoder's state between packets.

    Attributes
    ----------
    block : float64 array (2, N)
        Incomplete samples of the last block, of the mid and of the side channel.
    is_short : int
        Its short-block flag.
    net : DecoderState
    position : int
        Number of packets since the start, modulo 2^32.
    """

    block: np.ndarray
    is_short: int
    net: DecoderState
    position: int


class Model:
    """Hold all trained parts; `floats` are the nested parameters of a weights file."""

    def __init__(self, floats: dict, c: MusicConfig):
        self.config = c
        self.bands = Bands(c)
        self.blocks = Blocks(floats["blocks"], c)
        self.decoder = Decoder(floats["decoder"], c)
        self.steps = latent_steps(c.n_steps, c.step_ratio)

    def start_decoder(self) -> State:
        """Return the decoder's state before the first packet."""
        return State(np.zeros((2, self.config.spec.hop)), 0, self.decoder.start(), 0)

    def encode(self, x: np.ndarray, is_short: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return side integers, int64 (T, K), and lines, float64 (T, 2, D), before division by their step sizes.

        Parameters
        ----------
        x : array (2, T+2, N)
            Blocks of the left and the right channel; the first and the last block are not coded.
        is_short : int array (T+2,)
            1 where short blocks are used, 0 elsewhere.
        """
        left, right = x.astype(np.float64)
        M, S = self.blocks.analyse(np.stack([left + right, left - right]) / 2, is_short)
        inner = is_short[1:-1]
        A = self.bands.prediction_coefficients(M, S, inner)
        S = S - self.bands.lines(A / PREDICTION_STEPS, inner) * M
        E = [self.bands.energies(v, inner) for v in (M, S)]
        return np.concatenate([inner[:, None], E[0], A, E[1]], axis=1).astype(np.int64), np.stack([M, S], axis=1)

    def decode(
        self, state: State, side: np.ndarray, s: np.ndarray, n: np.ndarray, step: np.ndarray
    ) -> tuple[State, np.ndarray]:
        """Decode the integers of packets to samples, delayed by one block.

        Parameters
        ----------
        state : State
        side : int array (T, K)
        s : int array (T, 2, b)
            Exponents of the step sizes at the middle step index.
        n : float32 array (T, 2, D)
        step : int array (T,)
            Index of the step size.

        Returns
        -------
        state : State
        y : float32 array (T*N, 2)
            Left and right channel.
        """
        T, _, D = n.shape
        is_short, E, A = unpack_side(np, side, self.config.bands)
        q = self.steps[step][:, None, None]
        ratio = self.bands.lines(((PER_ENERGY * (E - OFFSET) - s) / PER_OCTAVE).astype(np.float32), is_short)
        noise = uniform_noise(state.position, T, 2 * D).reshape(T, 2, D)
        net, lines = self.decoder(state.net, n, ratio - np.log2(q), is_short, noise)
        X = lines * self.bands.lines(q * np.exp2(s / PER_OCTAVE), is_short)
        X[:, 1] += self.bands.lines(A / PREDICTION_STEPS, is_short) * X[:, 0]
        before = state.block, state.is_short
        (block, last), (mid, side_channel) = self.blocks.synthesise(before, X.swapaxes(0, 1), is_short)
        y = np.stack([mid + side_channel, mid - side_channel], axis=-1).reshape(-1, 2).astype(np.float32)
        return State(block, last, net, (state.position + T) % 2**32), y
