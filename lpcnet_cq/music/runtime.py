"""Signal model of music on NumPy arrays: the JAX functions of the model, compiled.

Place in the chain: as `lpcnet_cq.speech.runtime`. Delay: the encoder needs the block after the packet's own block, and
the decoder's output is delayed by one block.
"""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.music import front_end
from lpcnet_cq.music import model as music
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.step_exponents import PER_OCTAVE
from lpcnet_cq.music.substitute import substitute
from lpcnet_cq.nn.runtime import compiled, is_valid_output, one_batch, own_settings, with_values


class MusicSignalModel:
    """Run the encoder and the decoder of music.

    Parameters
    ----------
    floats : dict
        Nested parameters from a weights file.
    entropy : LineModel
        Entropy model of the same file; it computes exponents of step sizes that are the same on every machine.
    config : MusicConfig
    """

    def __init__(self, floats: dict, entropy: LineModel, config: MusicConfig):
        self._config, self._entropy = config, entropy
        graph, self._params = with_values(music.Model, floats, config)
        self._start_decoder = compiled(_start_decoder, graph)
        self._encode, self._decode = compiled(music.encode, graph), compiled(_decode, graph)

    def start_encoder(self, ahead: np.ndarray) -> front_end.EncoderState:
        """Return the state before the first packet; `ahead` is the first block of the signal, (n,) or (n, 2)."""
        return front_end.start(ahead, self._config)

    def analyse(
        self, state: front_end.EncoderState, x: np.ndarray, T: int
    ) -> tuple[front_end.EncoderState, np.ndarray, np.ndarray]:
        """Encode T packets: see `contract.SignalModel`.

        Returns
        -------
        state : EncoderState
        side : int64 array (T, K)
        lines : float32 array (T, 2, D)
            Mid and side channel, divided by their step sizes at the middle step index, before quantisation.
        """
        state, blocks, is_short = front_end.push(state, x, T, self._config)
        with own_settings():
            side, X = self._encode(self._params, one_batch(blocks), one_batch(is_short))
        side = np.asarray(side)[0].astype(np.int64)
        s = self._entropy.lines_of_bands(self._entropy.exponents(side), side[:, 0])
        return state, side, np.asarray(X)[0] * np.exp2(-s / PER_OCTAVE).astype(np.float32)

    def steady(self, state: front_end.EncoderState) -> Mapping[int, np.ndarray]:
        """Return no packets: see `contract.SignalModel`; music is coded as a spectrum, which keeps levels."""
        return {}

    def start_decoder(self) -> dict:
        """Return the decoder's state before the first packet."""
        with own_settings():
            return self._start_decoder(self._params)

    def synthesise(self, state: dict, n: Integers) -> tuple[dict, np.ndarray]:
        """Decode the T packets of `n`: see `contract.SignalModel`; y is (T*hop, 2)."""
        s = self._entropy.exponents(n.side)
        side, s, lines, step = one_batch(n.side), one_batch(s), one_batch(n.latents), one_batch(n.step, np.int32)
        with own_settings():
            state, y = self._decode(self._params, state, side, s, lines, step)
        return state, np.asarray(y)[0].T

    def conceal(
        self, state: dict, last: Integers | None, lost: int, next_packet: Integers | None = None, distance: int = 1
    ) -> tuple[dict, np.ndarray]:
        """Synthesise the last packet again at a decreasing level: see `contract.SignalModel`."""
        return self.synthesise(state, substitute(last, lost, self._entropy, self._config))


def _start_decoder(model):
    return music.start_decoder(model, 1)


def _decode(model, state, side, s, n, step):
    """Decode; if the output is not valid, return silence and the initial state."""
    after, y = music.decode(model, state, side, s, n, step)
    fresh = music.start_decoder(model, y.shape[0]) | {"position": after["position"]}
    return jax.tree.map(partial(jnp.where, is_valid_output(y)), after, fresh), jnp.where(is_valid_output(y), y, 0.0)
