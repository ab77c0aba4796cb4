"""Signal model of speech on NumPy arrays: the front end of the encoder, and the JAX functions of the model.

Place in the chain: between `codec` or live coders, which work on bytes and NumPy arrays, and `model`. A call for a file
codes many packets, a call for a live stream codes one. The state is passed from call to call, so that both run the same
code.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.nn.runtime import compiled, is_valid_output, one_batch, own_settings, with_values
from lpcnet_cq.speech import front_end
from lpcnet_cq.speech import model as cq
from lpcnet_cq.speech.comfort_noise import comfort_noise
from lpcnet_cq.speech.concealment import track_loss
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import VOICED
from lpcnet_cq.speech.substitute import gain_per_log_unit, substitute


class EncoderState(NamedTuple):
    """Hold the encoder's state between packets; `networks` is from `model.start_encoder`."""

    networks: dict
    front_end: front_end.FrontEndState


class SpeechSignalModel:
    """Run the encoder and the decoder of speech.

    Parameters
    ----------
    floats : dict
        Nested parameters from a weights file.
    entropy : EntropyModel
        Entropy model of the same file; it has the dimensions of concealed packets.
    config : SpeechConfig
    """

    def __init__(self, floats: dict, entropy: EntropyModel, config: SpeechConfig):
        self._config, self._entropy = config, entropy
        graph, self._params = with_values(partial(cq.Model, wide=True), floats, config)
        self._start_encoder, self._start_decoder = compiled(_start_encoder, graph), compiled(_start_decoder, graph)
        self._encode, self._decode = compiled(_encode, graph), compiled(_decode, graph)
        self._comfort_noise, self._decode_live = compiled(_comfort_noise, graph), compiled(_decode_live, graph)
        self._gain_per_log_unit = gain_per_log_unit(floats)
        self._no_loss = np.array([False]), np.array([0], np.int32), np.zeros((1, config.spec.hop), np.float32)

    def start_encoder(self, ahead: np.ndarray) -> EncoderState:
        """Return the state before the first packet; `ahead` (n,) is the first `look_ahead` samples of the signal."""
        with own_settings():
            return EncoderState(self._start_encoder(self._params), front_end.start(ahead, self._config))

    def analyse(self, state: EncoderState, x: np.ndarray, T: int) -> tuple[EncoderState, np.ndarray, np.ndarray]:
        """Encode T packets: see `contract.SignalModel`.

        Returns
        -------
        state : EncoderState
        side : int64 array (T, K)
            LSF and gain integers.
        z : float32 array (T, S, D)
            Latents in units of the middle step size, not yet quantised.
        """
        after, x, lsf = front_end.push(state.front_end, x, T, self._config)
        with own_settings():
            networks, side, z = self._encode(self._params, state.networks, one_batch(x), one_batch(lsf))
        side, z = np.asarray(side)[0].astype(np.int64), np.asarray(z)[0]
        return EncoderState(networks, after), side, z.reshape(T, -1, z.shape[-1])

    def steady(self, state: EncoderState) -> Mapping[int, np.ndarray]:
        """Return the samples of steady packets: see `contract.SignalModel`."""
        return state.front_end.steady

    def start_decoder(self) -> dict:
        """Return the decoder's state before the first packet."""
        with own_settings():
            return self._start_decoder(self._params)

    def synthesise(self, state: dict, n: Integers) -> tuple[dict, np.ndarray]:
        """Decode the T packets of `n`: see `contract.SignalModel`; y is (T*hop,)."""
        M = self._config.order
        side, latents = one_batch(n.side), one_batch(n.latents.reshape(-1, n.latents.shape[-1]))
        given = side[..., :M], side[..., M:], latents, one_batch(n.step, np.int32)
        with own_settings():
            if self._config.concealment and len(n.step) == 1:
                state, y = self._decode_live(self._params, state, *given, *self._no_loss)
            else:
                state, y = self._decode(self._params, state, *given)
        return state, np.asarray(y)[0]

    def conceal(
        self, state: dict, last: Integers | None, lost: int, next_packet: Integers | None = None, distance: int = 1
    ) -> tuple[dict, np.ndarray]:
        """Conceal a lost packet, see `contract.SignalModel`: by `speech.concealment` if trained, else by repetition."""
        n = substitute(last, lost, self._gain_per_log_unit, self._entropy, self._config)
        if lost == 0:
            return self._fill_pause(state, n)
        if not self._config.concealment:
            return self.synthesise(state, n)
        M, is_lost = self._config.order, np.array([True])
        known = np.array([0 if next_packet is None else distance], np.int32)
        side = one_batch((n if next_packet is None else next_packet).side)
        latents = one_batch(n.latents.reshape(-1, n.latents.shape[-1]))
        given = side[..., :M], side[..., M:], latents, one_batch(n.step, np.int32), is_lost, known
        excitation = self._no_loss[-1]
        if next_packet is not None:  # concealed and decoded once for the excitation of the next packet
            with own_settings():
                trial, y = self._decode_live(self._params, state, *given, excitation)
            if trial["concealment"]["voicing"][0] <= VOICED:  # no period to stretch
                return trial, np.asarray(y)[0]
            trial, _ = self.synthesise(trial, next_packet)
            excitation = np.asarray(trial["concealment"]["history"])[:, -self._config.spec.hop :]
        with own_settings():
            state, y = self._decode_live(self._params, state, *given, excitation)
        return state, np.asarray(y)[0]

    def _fill_pause(self, state: dict, n: Integers) -> tuple[dict, np.ndarray]:
        """Return comfort noise with the side information of a packet."""
        M, side = self._config.order, one_batch(n.side)
        with own_settings():
            state, y = self._comfort_noise(self._params, state, side[..., :M], side[..., M:])
        return state, np.asarray(y)[0]


def _start_encoder(model):
    return cq.start_encoder(model, 1)


def _start_decoder(model):
    return cq.start_decoder(model, 1)


def _encode(model, state, x, lsf):
    ahead = model.config.spec.look_ahead
    state, side = cq.encode_side(model, state, x[:, :-ahead], lsf, 1.0)
    state, z = cq.encode_latents(model, state, side, x[:, ahead:])
    return state, jnp.concatenate([side["lsf"], side["gain"]], axis=-1), z


def _decode(model, state, n_lsf, n_gain, n_latents, step):
    """Decode received packets."""
    return _checked(model, *cq.decode(model, state, n_lsf, n_gain, n_latents, step))


def _decode_live(model, state, n_lsf, n_gain, n_latents, step, lost, distance, next_excitation):
    """Decode one packet, or conceal it if it is lost; a lost packet has the step index of the packet before.

    `distance` and `next_excitation` are those of `track_loss`.
    """
    spec = model.config.spec
    S, L = spec.n_subframes, spec.subframe
    concealment, loss = track_loss(state["concealment"], lost, lost, distance, next_excitation, S, L)
    step = jnp.where(lost, concealment["step"], step[:, 0])
    state = state | {"concealment": concealment | {"step": step}}
    return _checked(model, *cq.decode(model, state, n_lsf, n_gain, n_latents, step[:, None], loss))


def _comfort_noise(model, state, n_lsf, n_gain):
    return _checked(model, *comfort_noise(model, state, n_lsf, n_gain))


def _checked(model, after, y):
    """Return state and output; if the output is not valid, return silence and the initial state."""
    fresh = cq.start_decoder(model, y.shape[0]) | {"position": after["position"]}
    return jax.tree.map(partial(jnp.where, is_valid_output(y)), after, fresh), jnp.where(is_valid_output(y), y, 0.0)
