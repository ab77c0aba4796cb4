"""Network over spectral lines in NumPy: the decoder of `lpcnet_cq.music.line_decoder`.

The network runs spectrum by spectrum: each has more than a hundred positions, and fits into the cache.

Letters: T packets, D lines, J lines per position, C channels.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.light.layers import Block, CausalConv, run_all, sigmoid, start_all
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.constants import AHEAD, INPUTS, MAX_GAIN_CHANGE, MAX_NOISE, NOISE_BIAS


class DecoderState(NamedTuple):
    """Hold magnitudes and ratios of the last packet, float32 (1, 2, D) each."""

    size: np.ndarray
    ratio: np.ndarray


class Decoder:
    """Map integers and band levels to decoded lines in units of their step sizes.

    Parameters
    ----------
    params : dict
        `lines`: the layers by number.
    c : MusicConfig
    """

    def __init__(self, params: dict, c: MusicConfig):
        first, *blocks, last = (params["lines"][i] for i in range(c.fine_blocks + 2))
        self._layers = [CausalConv(first), *(Block(p, 1) for p in blocks), CausalConv(last)]
        self._start = start_all(self._layers)
        self._ahead = AHEAD * (1 + c.fine_blocks)
        self._J, self._D = c.short_blocks, c.n_latents

    def start(self) -> DecoderState:
        """Return the state before the first packet."""
        return DecoderState(*np.zeros((2, 1, 2, self._D), np.float32))

    def __call__(
        self, state: DecoderState, n: np.ndarray, ratio: np.ndarray, is_short: np.ndarray, noise: np.ndarray
    ) -> tuple[DecoderState, np.ndarray]:
        """Return the next state and the lines in units of their step sizes, float32 (T, 2, D).

        Parameters
        ----------
        state : DecoderState
        n : float32 array (T, 2, D)
            Integers.
        ratio : float32 array (T, 2, D)
            Ratio of the root mean square of the band to the step size, in octaves.
        is_short : int array (T,)
            1 for packets with short blocks, 0 for others.
        noise : float32 array (T, 2, D)
            Uniform in [-1, 1).
        """
        T, J, steps = len(n), self._J, self._D // self._J
        size = np.concatenate([state.size, np.arcsinh(np.abs(n))])
        ratios = np.concatenate([state.ratio, np.float32(0.25) * ratio])
        zero = (n == 0).astype(np.float32)
        inputs = (zero, size[1:], ratios[1:], size[:-1], ratios[:-1], size[1:, ::-1])
        u = np.zeros((T, 2, steps + self._ahead, INPUTS * J + 2), np.float32)
        for i, v in enumerate(inputs):
            u[:, :, :steps, i * J : (i + 1) * J] = v.reshape(T, 2, steps, J)
        u[:, :, :steps, -2] = is_short[:, None, None]
        u[:, 1, :steps, -1] = 1
        out = np.stack([run_all(self._layers, self._start, spectrum)[1] for row in u for spectrum in row])
        gain, level = out[:, self._ahead :].reshape(T, 2, steps, 2, J).transpose(3, 0, 1, 2, 4).reshape(2, *n.shape)
        amplitude = np.minimum(np.float32(3**0.5) * np.exp2(ratio), np.float32(MAX_NOISE))
        fill = zero * amplitude * sigmoid(level + np.float32(NOISE_BIAS)) * noise
        lines = n * (1 + np.float32(MAX_GAIN_CHANGE) * np.tanh(gain)) + fill
        return DecoderState(size[-1:], ratios[-1:]), lines
