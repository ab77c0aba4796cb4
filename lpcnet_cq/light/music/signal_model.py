"""Signal model of music in NumPy: fulfils `contract.SignalModel` as `lpcnet_cq.music.runtime` does.

Place in the chain: between `codec` or live coders, which work on bytes and samples, and `light.music.model`. Nothing is
compiled: the first call is as fast as the others, and every number of packets is allowed.
"""

from collections.abc import Mapping

import numpy as np

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.light.music.model import Model, State
from lpcnet_cq.music import front_end
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.step_exponents import PER_OCTAVE
from lpcnet_cq.music.substitute import substitute
from lpcnet_cq.nn.limits import MAX_OUTPUT


class LightMusicModel:
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
        self._model = Model(floats, config)

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
        side, X = self._model.encode(blocks, is_short.astype(np.int64))
        sizes = np.exp2(-self._entropy.exponents(side) / PER_OCTAVE)
        X *= self._model.bands.lines(sizes, side[:, 0])
        return state, side, X.astype(np.float32)

    def steady(self, state: front_end.EncoderState) -> Mapping[int, np.ndarray]:
        """Return no packets: see `contract.SignalModel`; music is coded as a spectrum, which keeps levels."""
        return {}

    def start_decoder(self) -> State:
        """Return the decoder's state before the first packet."""
        return self._model.start_decoder()

    def synthesise(self, state: State, n: Integers) -> tuple[State, np.ndarray]:
        """Decode the T packets of `n`: see `contract.SignalModel`; y is (T*hop, 2).

        If the output is not valid, it is silence, and the state is the initial one, which keeps the position.
        """
        s = self._entropy.exponents(n.side)
        with np.errstate(over="ignore", invalid="ignore"):  # in `silu`, and where damaged streams have absurd levels
            after, y = self._model.decode(state, n.side, s, n.latents.astype(np.float32), n.step)
        if np.abs(y).max() < MAX_OUTPUT:  # False for NaN
            return after, y
        return self.start_decoder()._replace(position=after.position), np.zeros_like(y)

    def conceal(
        self, state: State, last: Integers | None, lost: int, next_packet: Integers | None = None, distance: int = 1
    ) -> tuple[State, np.ndarray]:
        """Synthesise the last packet again at a decreasing level: see `contract.SignalModel`."""
        return self.synthesise(state, substitute(last, lost, self._entropy, self._config))
