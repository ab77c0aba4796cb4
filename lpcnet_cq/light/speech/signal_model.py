"""Signal model of speech in NumPy and SciPy: fulfils `contract.SignalModel` as `lpcnet_cq.speech.runtime` does.

Place in the chain: between `codec` or live coders, which work on bytes and samples, and `light.speech.model`. Nothing
is compiled: the first call is as fast as the others, and every number of packets is allowed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.light.speech import model as cq
from lpcnet_cq.light.speech.comfort_noise import comfort_noise
from lpcnet_cq.nn.limits import MAX_OUTPUT
from lpcnet_cq.speech import front_end
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import VOICED
from lpcnet_cq.speech.substitute import gain_per_log_unit, substitute


class EncoderState(NamedTuple):
    """Hold the encoder's state between packets."""

    networks: cq.EncoderState
    front_end: front_end.FrontEndState


class LightSpeechModel:
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
        self._model = cq.Model(floats, config)
        self._gain_per_log_unit = gain_per_log_unit(floats)

    def start_encoder(self, ahead: np.ndarray) -> EncoderState:
        """Return the state before the first packet; `ahead` (n,) is the first `look_ahead` samples of the signal."""
        return EncoderState(self._model.start_encoder(), front_end.start(ahead, self._config))

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
        with np.errstate(over="ignore"):  # in `silu`
            networks, side, z = self._model.encode(state.networks, x, lsf)
        return EncoderState(networks, after), side.astype(np.int64), z.reshape(T, -1, z.shape[-1])

    def steady(self, state: EncoderState) -> Mapping[int, np.ndarray]:
        """Return the samples of steady packets: see `contract.SignalModel`."""
        return state.front_end.steady

    def start_decoder(self) -> cq.DecoderState:
        """Return the decoder's state before the first packet."""
        return self._model.start_decoder()

    def synthesise(self, state: cq.DecoderState, n: Integers) -> tuple[cq.DecoderState, np.ndarray]:
        """Decode the T packets of `n`: see `contract.SignalModel`; y is (T*hop,)."""
        live = self._config.concealment and len(n.step) == 1
        return self._decode(state, n, lost=False if live else None)

    def conceal(
        self,
        state: cq.DecoderState,
        last: Integers | None,
        lost: int,
        next_packet: Integers | None = None,
        distance: int = 1,
    ) -> tuple[cq.DecoderState, np.ndarray]:
        """Conceal a lost packet, see `contract.SignalModel`: by `speech.concealment` if trained, else by repetition."""
        n = substitute(last, lost, self._gain_per_log_unit, self._entropy, self._config)
        if lost == 0:
            return self._checked(*comfort_noise(self._model, state, n.side))
        if not self._config.concealment:
            return self.synthesise(state, n)
        if next_packet is None:
            return self._decode(state, n, lost=True)
        n = replace(n, side=next_packet.side)  # interpolated with that of the packet before
        trial, y = self._decode(state, n, True, distance=distance)
        assert trial.concealment is not None
        if trial.concealment.voicing <= VOICED:  # no period to stretch
            return trial, y
        concealment = self.synthesise(trial, next_packet)[0].concealment  # it holds the excitation of the next packet
        assert concealment is not None
        return self._decode(state, n, True, concealment.history[-self._config.spec.hop :], distance)

    def _decode(self, state, n, lost, next_excitation=None, distance=0):
        """Decode packets.

        `lost` is whether the one packet is lost, which then has the step index of the packet before; None for packets
        that are not those of a live stream with concealment. The other arguments are those of `track_loss`.
        """
        latents, step, loss = n.latents.reshape(-1, n.latents.shape[-1]).astype(np.float32), n.step, None
        if lost is not None:
            before = state.concealment, lost, int(step[0]), next_excitation, distance
            concealment, loss = self._model.concealment.track_loss(*before)
            state, step = state._replace(concealment=concealment), np.array([concealment.step])
        with np.errstate(over="ignore", invalid="ignore"):  # in `silu`, and where damaged streams make filters unstable
            return self._checked(*self._model.decode(state, n.side, latents, step, loss))

    def _checked(self, after: cq.DecoderState, y: np.ndarray) -> tuple[cq.DecoderState, np.ndarray]:
        """Return state and output; if it is not valid, silence and the initial state, which keeps the position."""
        if np.abs(y).max() < MAX_OUTPUT:  # False for NaN
            return after, y
        return self.start_decoder()._replace(position=after.position), np.zeros_like(y)
