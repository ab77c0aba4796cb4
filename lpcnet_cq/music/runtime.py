"""The model's JAX functions for music behind plain arrays, and the split of blocks: as `lpcnet_cq.speech.runtime`."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dsp.transients import attacks
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.music import model as music
from lpcnet_cq.music.allocation import PER_OCTAVE
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.nn.runtime import fill, is_valid_output, with_values


def short_block_flags(x: np.ndarray, c: MusicConfig) -> np.ndarray:
    """Return 1 for blocks in which sound sets in, in any channel: float32 (n // N,), for x (channels, n)."""
    return np.asarray(attacks(x, c.spec.hop).any(axis=0), np.float32)


class MusicNetwork:
    """Run transform and network over lines on chunks of one signal.

    Parameters
    ----------
    floats : dict
        Nested parameters from a weights file.
    entropy : LineModel
        The integers of the same file: exponents of steps are theirs, the same on every machine.
    config : MusicConfig
    """

    def __init__(self, floats: dict, entropy: LineModel, config: MusicConfig):
        self.config, self.floats, self.entropy = config, floats, entropy
        self.graph, self.params = with_values(music.Model, floats, config)
        self._encode = jax.jit(lambda params, x, split: music.encode(nnx.merge(self.graph, params), x, split))
        self._decode = jax.jit(partial(_decode, self.graph))

    def start_decoder(self) -> dict:
        """Return the decoder's state before the first packet."""
        return jax.jit(lambda p: music.start_decoder(nnx.merge(self.graph, p), 1))(self.params)

    def analyse(self, x: np.ndarray, T: int, chunk: int, progress: Callable[[float], None]):
        """Return side integers (T, K) and lines over their steps, before rounding, (T, 2, D), of a whole signal.

        Parameters
        ----------
        x : array (n,) or (n, 2)
        T : int
            Packets to make of it.
        chunk : int
            Packets per compiled call.
        progress : callable
            Called with the fraction of encoding that is done.
        """
        N = self.config.spec.hop
        padded_T = -(-T // chunk) * chunk
        both = np.broadcast_to(x if x.ndim == 2 else x[:, None], (len(x), 2)).T
        both = np.pad(both, ((0, 0), (N, (padded_T + 1) * N - len(x))))
        split = short_block_flags(both, self.config)
        blocks = both.reshape(1, 2, padded_T + 2, N)
        sides, lines = [], []
        for i in range(0, padded_T, chunk):
            around = slice(i, i + chunk + 2)
            side, X = self._encode(self.params, blocks[:, :, around], split[None, around])
            sides.append(np.asarray(side[0]).astype(np.int64))
            s = self.entropy.at_lines(self.entropy.exponents(sides[-1]), sides[-1][:, 0])
            lines.append(np.asarray(X[0]) * np.exp2(-s / PER_OCTAVE).astype(np.float32))
            progress(0.5 * (i + chunk) / padded_T)
        return np.concatenate(sides)[:T], np.concatenate(lines)[:T]

    def decode(self, state: dict, n: Integers, T: int) -> tuple[dict, np.ndarray]:
        """Decode up to T packets in one call compiled for T; shorter runs are filled up and cut.

        Returns
        -------
        state : dict
            Of use only if the run was full.
        y : float32 array (len(n.step)*hop, 2)
        """
        s = self.entropy.exponents(n.side)
        side, s, lines = (fill(a, T).astype(np.float32) for a in (n.side, s, n.latents))
        state, y = self._decode(self.params, state, side, s, lines, fill(n.step, T).astype(np.int32))
        return state, np.asarray(y[0]).T[: len(n.step) * self.config.spec.hop]


def _decode(graph, params, state, side, s, n, step):
    """Decode; what is no sound becomes silence."""
    model = nnx.merge(graph, params)
    after, y = music.decode(model, state, side, s, n, step)
    fresh = music.start_decoder(model, y.shape[0]) | {"position": after["position"]}
    return jax.tree.map(partial(jnp.where, is_valid_output(y)), after, fresh), jnp.where(is_valid_output(y), y, 0.0)
