"""Dimensions that all codecs have: frames, step sizes, and the content of a packet.

Every length in samples comes from `FrameSpec` (`dsp.frames`), which also holds the sample rate.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from dsp.frames import FrameSpec


@dataclass(frozen=True)
class CodecConfig:
    """Hold the dimensions that all codecs have: frames, and Q = `n_steps` latent step sizes.

    The class of each codec adds `kind` (the name of the codec), `channels` (the maximum number of coded channels) and
    the members of `PacketConfig`, as fields, properties or class attributes.
    """

    kind: ClassVar[str]
    channels: ClassVar[int]
    segment_packets: ClassVar[int]

    spec: FrameSpec = field(default_factory=FrameSpec)
    n_steps: int = 17  # Q, latent step sizes; each packet has one of them
    step_ratio: float = 3 ** (1 / 8)  # ratio of neighbouring latent step sizes

    @property
    def layer_steps(self) -> int:
        """Number of step indices from one step size to another three times as large: one enhancement layer."""
        return round(math.log(3) / math.log(self.step_ratio))

    @property
    def decoder_delay(self) -> int:
        """Delay of the decoder's output relative to the packet, in samples: one subframe."""
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
        """Index of the middle step size."""
        return self.n_steps // 2


class PacketConfig(Protocol):
    """List the members of a codec's configuration that entropy models use."""

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
        """Number of earlier vectors of latents in the context of the entropy model."""
        ...

    @property
    def n_steps(self) -> int:
        """Q, number of step sizes."""
        ...

    @property
    def nominal_step(self) -> int:
        """Index of the middle step size."""
        ...

    @property
    def layer_steps(self) -> int:
        """Difference of step indices for a step size three times as large."""
        ...

    @property
    def side_parts(self) -> dict[str, list[int]]:
        """Indices of the side integers of each part, by the part's name."""
        ...
