"""The dimensions every codec has: frames, step sizes, and what a packet holds.

Every length in samples comes from `FrameSpec` (`dsp.frames`); nothing else in the project holds a sample rate.
"""

import math
from dataclasses import dataclass, field

from dsp.frames import FrameSpec


@dataclass(frozen=True)
class CodecConfig:
    """Hold what all codecs have: frames, and Q = `n_steps` latent step sizes to choose from."""

    spec: FrameSpec = field(default_factory=FrameSpec)
    n_steps: int = 17  # Q, latent step sizes to choose from, per packet
    step_ratio: float = 3 ** (1 / 8)  # ratio of neighbouring latent step sizes

    @property
    def layer_steps(self) -> int:
        """Indices from a step size to three times that: one layer of an embedded packet."""
        return round(math.log(3) / math.log(self.step_ratio))

    @property
    def decoder_delay(self) -> int:
        """Samples by which the decoder's output lags the packet: one subframe."""
        return self.spec.subframe

    @property
    def delay(self) -> int:
        """Algorithmic delay in samples: packet, analysis look-ahead, decoder look-ahead."""
        return self.spec.delay + self.decoder_delay

    @property
    def delay_ms(self) -> float:
        """Algorithmic delay in milliseconds."""
        return self.spec.ms(self.delay)

    @property
    def nominal_step(self) -> int:
        """Index of the step size the model is trained around."""
        return self.n_steps // 2
