"""The dimensions every codec has: frames, step sizes, and what a packet holds.

Every length in samples comes from `FrameSpec` (`dsp.frames`); nothing else in the project holds a sample rate.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from dsp.frames import FrameSpec


@dataclass(frozen=True)
class CodecConfig:
    """Hold what all codecs have: frames, and Q = `n_steps` latent step sizes to choose from.

    Each codec's own class adds `kind`, name of the codec, `channels`, maximum number of coded channels, and what
    `PacketConfig` lists, as fields, properties or class attributes.
    """

    kind: ClassVar[str]
    channels: ClassVar[int]
    segment_packets: ClassVar[int]

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


class PacketConfig(Protocol):
    """List what entropy models must know of a codec's configuration."""

    segment_packets: ClassVar[int]

    @property
    def n_side(self) -> int:
        """K, integers of side information in a packet."""
        ...

    @property
    def n_vectors(self) -> int:
        """S, vectors of latents in a packet."""
        ...

    @property
    def n_latents(self) -> int:
        """D, latents per vector."""
        ...

    @property
    def context(self) -> int:
        """Vectors of latents that the entropy model remembers."""
        ...

    @property
    def n_steps(self) -> int:
        """Q, step sizes."""
        ...

    @property
    def nominal_step(self) -> int:
        """Index of the middle step size."""
        ...

    @property
    def layer_steps(self) -> int:
        """Indices from a step size to three times that."""
        ...

    @property
    def side_parts(self) -> dict[str, list[int]]:
        """Names of the parts of the side information, and which integers they are."""
        ...
