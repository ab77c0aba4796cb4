"""Closed loop in the encoder that keeps the level of steady sounds: tones, several tones at once, pulses.

Place in the chain: beside both encoders, for the packets that `SignalModel.steady` names, hence almost never for speech
or music. Networks that never saw such sounds decode them with a wrong level, which depends on frequency and step size.
The encoder decodes these packets as they are written, compares energies, and multiplies the latents of the following
packets by a gain: the decoded level follows the latents. Every run of steady packets begins with a gain of 1.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.contract import SignalModel

SPAN = 2  # packets over which energies are compared, with a Hann window
SETTLED = 3  # packets of a run after which the state of its decoder is that of other decoders
MAX_GAIN = 4.0  # 12 dB; the least gain is its inverse
FIRST_SPEED, LEAST_SPEED = 0.6, 0.08  # of the error in dB that the first and the last corrections of a run remove


class Decodes(Protocol):
    """Hold what decodes packets, as `parts.CodecParts` does, which pickling stores by name."""

    @property
    def signal(self) -> SignalModel:
        """The signal model."""
        ...

    @property
    def config(self) -> CodecConfig:
        """The dimensions of the codec."""
        ...


@dataclass(frozen=True)
class LevelLoop:
    """Hold the loop's state in a run of steady packets.

    Parameters
    ----------
    parts : Decodes
    gain : float
        Factor on the latents of the next packet.
    count : int
        Packets of the run so far.
    decoder : Any
        State of the decoder; None before the run.
    x, y : float32 arrays (n,) or (n, C)
        Last samples that were encoded and decoded.
    """

    parts: Decodes
    gain: float = 1.0
    count: int = 0
    decoder: Any = None
    x: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    y: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    def scaled(self, z: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
        """Return the latents of the next packet times the gain, or unchanged without a reference."""
        return z if reference is None else z * np.float32(self.gain)

    def follow(self, n: Integers, reference: np.ndarray | None) -> "LevelLoop":
        """Return the loop after a packet.

        Parameters
        ----------
        n : Integers
            What is written of one packet.
        reference : array (hop,) or (hop, C), or None
            What it should sound like; None ends the run.
        """
        if reference is None:
            return LevelLoop(self.parts) if self.count else self
        signal, delay = self.parts.signal, self.parts.config.decoder_delay
        decoder, y = signal.synthesise(self.decoder if self.count else signal.start_decoder(), n)
        size = SPAN * len(y)
        x = np.concatenate([self.x, reference])[-size - delay :] if self.count else reference
        y = np.concatenate([self.y, y])[-size:] if self.count else y
        after = replace(self, count=self.count + 1, decoder=decoder, x=x, y=y)
        return after._corrected(x[:size], y) if after.count >= SETTLED else after

    def _corrected(self, x: np.ndarray, y: np.ndarray) -> "LevelLoop":
        """Return the loop with a gain that brings the energy of y closer to that of x."""
        weights = np.hanning(len(x) + 2)[1:-1]
        wanted, found = (np.sum(weights * np.square(v, dtype=np.float64).T) for v in (x, y))
        if not wanted or not found:
            return self
        speed = max(FIRST_SPEED / (1 + (self.count - SETTLED) / 2), LEAST_SPEED)
        gain = self.gain * (wanted / found) ** (speed / 2)
        return replace(self, gain=float(np.clip(gain, 1 / MAX_GAIN, MAX_GAIN)))
