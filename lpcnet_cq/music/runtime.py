"""Signal model of music on NumPy arrays: the JAX functions of the model, and the choice of short blocks.

Place in the chain: as `lpcnet_cq.speech.runtime`. Delay: the encoder needs the block after the packet's own block, and
the decoder's output is delayed by one block.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dsp.transients import AttackState, attacks, next_attacks, start_attacks
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.music import model as music
from lpcnet_cq.music.band_layout import LEVELS
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.step_exponents import PER_ENERGY, PER_OCTAVE
from lpcnet_cq.nn.runtime import is_valid_output, one_batch, own_settings, with_values

FADE = 2  # attenuation per concealed packet in units of energy (3 dB each): silent after about ten packets
REPEATED = 8  # number of concealed packets that repeat the lines of the last packet, down to -48 dB


def short_block_flags(x: np.ndarray, c: MusicConfig) -> np.ndarray:
    """Return 1 for blocks with an attack in any channel, else 0: float32 (n // N,), for x (channels, n)."""
    return np.asarray(attacks(x, c.spec.hop).any(axis=0), np.float32)


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
        self._start_decoder = jax.jit(lambda params: music.start_decoder(nnx.merge(graph, params), 1))
        self._encode = jax.jit(lambda params, x, is_short: music.encode(nnx.merge(graph, params), x, is_short))
        self._decode = jax.jit(partial(_decode, graph))

    def start_encoder(self, ahead: np.ndarray) -> EncoderState:
        """Return the state before the first packet; `ahead` is the first block of the signal, (n,) or (n, 2)."""
        N = self._config.spec.hop
        state = EncoderState(np.zeros((2, 2, N), np.float32), np.zeros(2, np.float32), start_attacks((2,)))
        return self._push(self._push(state, ahead[:0], 1)[0], ahead, 1)[0]

    def analyse(self, state: EncoderState, x: np.ndarray, T: int) -> tuple[EncoderState, np.ndarray, np.ndarray]:
        """Encode T packets: see `contract.SignalModel`.

        Returns
        -------
        state : EncoderState
        side : int64 array (T, K)
        lines : float32 array (T, 2, D)
            Mid and side channel, divided by their step sizes at the middle step index, before quantisation.
        """
        state, blocks, is_short = self._push(state, x, T)
        with own_settings():
            side, X = self._encode(self._params, one_batch(blocks), one_batch(is_short))
        side = np.asarray(side)[0].astype(np.int64)
        s = self._entropy.lines_of_bands(self._entropy.exponents(side), side[:, 0])
        return state, side, np.asarray(X)[0] * np.exp2(-s / PER_OCTAVE).astype(np.float32)

    def _push(self, state: EncoderState, x: np.ndarray, T: int) -> tuple[EncoderState, np.ndarray, np.ndarray]:
        """Add T blocks to the state; return it, all blocks (2, 2 + T, N), and their short-block flags (2 + T,)."""
        N = self._config.spec.hop
        both = np.broadcast_to(x if x.ndim == 2 else x[:, None], (len(x), 2)).T
        both = np.pad(both, ((0, 0), (0, T * N - len(x)))).astype(np.float32)
        memory, found = next_attacks(state.attacks, both, N)
        blocks = np.concatenate([state.blocks, both.reshape(2, T, N)], axis=1)
        is_short = np.concatenate([state.is_short, found.any(axis=0).astype(np.float32)])
        return EncoderState(blocks[:, -2:], is_short[-2:], memory), blocks, is_short

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

    def conceal(self, state: dict, last: Integers | None, lost: int) -> tuple[dict, np.ndarray]:
        """Synthesise the last packet again at a decreasing level: see `contract.SignalModel`."""
        return self.synthesise(state, self.substitute(last, lost))

    def substitute(self, last: Integers | None, lost: int) -> Integers:
        """Return integers for a lost packet: lines and energies of the last packet, attenuated by 6 dB per lost packet.

        The first `REPEATED` lost packets repeat the lines of the last packet with random signs, because repeated lines
        with unchanged signs sound like a buzz. Lower energies reduce the step sizes by less than 6 dB. The step index
        corrects the difference, so that the ratio of lines to energies does not change.
        """
        c, model = self._config, self._entropy
        if last is None:
            side = np.zeros((1, model.K), np.int64)
            side[:, 1:] = LEVELS[0]
            side[:, 1 + c.bands : 1 + 2 * c.bands] = 0
            return Integers(np.array([c.nominal_step]), side, np.zeros((1, model.S, model.D), np.int64))
        side = last.side.copy()
        for energies in (slice(1, 1 + c.bands), slice(1 + 2 * c.bands, None)):
            side[:, energies] = np.maximum(side[:, energies] - FADE * lost, LEVELS[0])
        reduction = np.mean(model.exponents(last.side) - model.exponents(side))
        correction = (PER_ENERGY * FADE * lost - reduction) / (PER_OCTAVE * np.log2(c.step_ratio))
        step = np.maximum(last.step - round(float(correction)), 0)
        signs = np.random.default_rng(lost).choice([-1, 1], last.latents.shape)
        return Integers(step, side, last.latents * signs * (lost <= REPEATED))


def _decode(graph, params, state, side, s, n, step):
    """Decode; if the output is not valid, return silence and the initial state."""
    model = nnx.merge(graph, params)
    after, y = music.decode(model, state, side, s, n, step)
    fresh = music.start_decoder(model, y.shape[0]) | {"position": after["position"]}
    return jax.tree.map(partial(jnp.where, is_valid_output(y)), after, fresh), jnp.where(is_valid_output(y), y, 0.0)
