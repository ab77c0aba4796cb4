"""Signal model of speech on NumPy arrays: high-pass filter, LPC analysis, and the JAX functions of the model.

Place in the chain: between `codec` or `stream`, which work on bytes and NumPy arrays, and `model`. A call for a file
codes many packets, a call for a live stream codes one. The state is passed from call to call, so that both run the same
code.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.nn.runtime import is_valid_output, one_batch, own_settings, with_values
from lpcnet_cq.speech import model as cq
from lpcnet_cq.speech.analysis import analyse_windows
from lpcnet_cq.speech.concealment import track_loss
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.highpass import highpass, start_highpass

FADE = 0.7  # attenuation per concealed packet, natural log units (6 dB): silent after about ten packets
REPEATED = 2  # number of concealed packets that repeat the latents of the last packet


class EncoderState(NamedTuple):
    """Hold the encoder's state between packets.

    Attributes
    ----------
    networks : dict
        State of `model.start_encoder`.
    highpass : float64 array (1, 2)
    buffer : float32 array (n,)
        Last filtered samples, which the next analysis window and the next packet include.
    """

    networks: dict
    highpass: np.ndarray
    buffer: np.ndarray


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
        graph, self._params = with_values(cq.Model, floats, config)
        self._start_encoder = jax.jit(lambda params: cq.start_encoder(nnx.merge(graph, params), 1))
        self._start_decoder = jax.jit(lambda params: cq.start_decoder(nnx.merge(graph, params), 1))
        self._encode = jax.jit(partial(_encode, graph))
        self._decode = jax.jit(partial(_decode, graph))
        self._decode_live = jax.jit(partial(_decode_live, graph))
        basis = np.asarray(self._params["gain"]["basis"][...], np.float64) * cq.GAIN_UNIT
        self._gain_per_log_unit = np.linalg.solve(basis, np.ones(len(basis)))  # real-valued gain integers (S,)

    def start_encoder(self, ahead: np.ndarray) -> EncoderState:
        """Return the state before the first packet; `ahead` (n,) is the first `look_ahead` samples of the signal."""
        spec = self._config.spec
        size = max(spec.window + 1 - spec.hop, spec.look_ahead)
        state, x = highpass(start_highpass(), ahead, spec.sample_rate_hz)
        buffer = np.zeros(size + spec.look_ahead, np.float32)
        buffer[size : size + len(x)] = x
        with own_settings():
            return EncoderState(self._start_encoder(self._params), state, buffer[-size:])

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
        c, spec = self._config, self._config.spec
        filter_state, x = highpass(state.highpass, x, spec.sample_rate_hz)
        x = np.concatenate([state.buffer, x, np.zeros(T * spec.hop - len(x), np.float32)])
        first = len(x) - (T - 1) * spec.hop - spec.window - 1
        windows = np.lib.stride_tricks.sliding_window_view(x, spec.window + 1)[first :: spec.hop]
        lsf = one_batch(analyse_windows(windows, spec, c.order))
        with own_settings():
            networks, side, z = self._encode(
                self._params, state.networks, one_batch(x[-T * spec.hop - spec.look_ahead :]), lsf
            )
        side, z = np.asarray(side)[0].astype(np.int64), np.asarray(z)[0]
        after = EncoderState(networks, filter_state, x[len(x) - len(state.buffer) :])
        return after, side, z.reshape(T, -1, z.shape[-1])

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
                state, y = self._decode_live(self._params, state, *given, np.array([False]))
            else:
                state, y = self._decode(self._params, state, *given)
        return state, np.asarray(y)[0]

    def conceal(self, state: dict, last: Integers | None, lost: int) -> tuple[dict, np.ndarray]:
        """Conceal a lost packet, see `contract.SignalModel`: by `speech.concealment` if trained, else by repetition."""
        n = self.substitute(last, lost)
        if not self._config.concealment:
            return self.synthesise(state, n)
        M = self._config.order
        side, latents = one_batch(n.side), one_batch(n.latents.reshape(-1, n.latents.shape[-1]))
        given = side[..., :M], side[..., M:], latents, one_batch(n.step, np.int32), np.array([True])
        with own_settings():
            state, y = self._decode_live(self._params, state, *given)
        return state, np.asarray(y)[0]

    def substitute(self, last: Integers | None, lost: int) -> Integers:
        """Return integers for a lost packet: envelope of the last packet, its gains attenuated by 6 dB per lost packet.

        The first `REPEATED` lost packets also repeat the latents of the last packet; the latents of others are zero.
        """
        c, entropy = self._config, self._entropy
        if last is None:
            latents = np.zeros((1, entropy.S, entropy.D), np.int64)
            return Integers(np.array([c.nominal_step]), np.zeros((1, entropy.K), np.int64), latents)
        gain = last.side[:, c.order :] - FADE * lost * self._gain_per_log_unit
        side = np.concatenate([last.side[:, : c.order], np.rint(gain).astype(np.int64)], axis=1)
        return Integers(last.step, side, last.latents if lost <= REPEATED else 0 * last.latents)


def _encode(graph, params, state, x, lsf):
    model = nnx.merge(graph, params)
    ahead = model.config.spec.look_ahead
    state, side = cq.encode_side(model, state, x[:, :-ahead], lsf, 1.0)
    state, z = cq.encode_latents(model, state, side, x[:, ahead:])
    return state, jnp.concatenate([side["lsf"], side["gain"]], axis=-1), z


def _decode(graph, params, state, n_lsf, n_gain, n_latents, step):
    """Decode received packets."""
    model = nnx.merge(graph, params)
    return _checked(model, *cq.decode(model, state, n_lsf, n_gain, n_latents, step))


def _decode_live(graph, params, state, n_lsf, n_gain, n_latents, step, lost):
    """Decode one packet, or conceal it if it is lost; a lost packet has the step index of the packet before."""
    model = nnx.merge(graph, params)
    spec = model.config.spec
    concealment, loss = track_loss(state["concealment"], lost, lost, spec.n_subframes, spec.subframe)
    step = jnp.where(lost, concealment["step"], step[:, 0])
    state = state | {"concealment": concealment | {"step": step}}
    return _checked(model, *cq.decode(model, state, n_lsf, n_gain, n_latents, step[:, None], loss))


def _checked(model, after, y):
    """Return state and output; if the output is not valid, return silence and the initial state."""
    fresh = cq.start_decoder(model, y.shape[0]) | {"position": after["position"]}
    return jax.tree.map(partial(jnp.where, is_valid_output(y)), after, fresh), jnp.where(is_valid_output(y), y, 0.0)
