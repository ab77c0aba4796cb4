"""Dimensions that all codecs have: frames, step sizes, and the content of a packet.

Every length in samples comes from `FrameSpec` (`dsp.frames`), which also holds the sample rate.
"""

import math
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, ClassVar, Protocol

from dsp.frames import FrameSpec

MAX_DIMENSION = 65535  # headers of streams have two bytes for the sample rate and the hop
MAX_STEP = 1e6  # ratio of the coarsest to the finest step size
LEAST = {"n_steps": 2, "fine_blocks": 0, "coarse_blocks": 0}  # of dimensions; others are at least 1
FRAMES = {"sample_rate_hz": 1000, "window": 1, "hop": 1, "look_ahead": 0, "subframe": 1}
TYPES: dict[Any, Any] = {float: Real}


@dataclass(frozen=True)
class CodecConfig:
    """Hold the dimensions that all codecs have: frames, and Q = `n_steps` latent step sizes.

    The class of each codec adds `kind` (the name of the codec), `channels` (the maximum number of coded channels) and
    the members of `PacketConfig`, as fields, properties or class attributes.
    """

    kind: ClassVar[str]
    channels: ClassVar[int]
    segment_packets: ClassVar[int]
    normalised: ClassVar[bool] = False  # whether the level of signals is normalised, see `lpcnet_cq.audio.level`

    spec: FrameSpec = field(default_factory=FrameSpec)
    n_steps: int = 17  # Q, latent step sizes; each packet has one of them
    step_ratio: float = 3 ** (1 / 8)  # ratio of neighbouring latent step sizes

    def __post_init__(self):
        for f in fields(self):
            value, least, kind = getattr(self, f.name), LEAST.get(f.name, 1), TYPES.get(f.type, f.type)
            if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):
                raise ValueError(f"`{f.name}` is {value!r}, it must be of type {kind.__name__}")
            if kind is int and not least <= value <= MAX_DIMENSION:
                raise ValueError(f"`{f.name}` is {value}, it must be from {least} to {MAX_DIMENSION}")
        if not 1.001 <= self.step_ratio <= 3:
            raise ValueError(f"`step_ratio` is {self.step_ratio}, it must be from 1.001 to 3")
        if self.n_steps * math.log(self.step_ratio) > math.log(MAX_STEP):
            raise ValueError(f"`n_steps` is {self.n_steps}, step sizes must differ by at most {MAX_STEP:g}")
        for name, least in FRAMES.items():
            if not least <= (value := getattr(self.spec, name)) <= MAX_DIMENSION:
                raise ValueError(f"`{name}` of the frames is {value}, it must be from {least} to {MAX_DIMENSION}")

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

    @property
    def begins_concealed(self) -> bool:
        """Whether the decoder of a file first conceals a packet, so that its networks do not begin with zeros."""
        return False


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
