"""The dimensions of the codec for speech."""

from dataclasses import dataclass
from typing import ClassVar

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.speech.constants import COARSE_DILATIONS, FINE_DILATIONS


@dataclass(frozen=True)
class SpeechConfig(CodecConfig):
    """Hold the dimensions of the codec for speech; every weights file contains its dimensions.

    Letters: M `order`, S `spec.n_subframes` per packet, D `n_latents` per subframe, Q `n_steps`.
    """

    order: int = 16  # M, LPC order
    step: int = 16  # samples per step of the fine network rate (1 ms)
    fine: int = 64  # channels at the fine rate
    coarse: int = 128  # channels at the subframe rate
    fine_blocks: int = 2
    coarse_blocks: int = 3
    noise: int = 4  # channels of noise at the input of the decoder, at the fine rate
    context: int = 3  # earlier subframes in the context of the entropy model
    hidden: int = 128  # width of the entropy model
    context_resets: bool = False  # whether the entropy model has separate parts for packets after a context reset
    concealment: bool = False  # whether the decoder was trained with lost packets

    def __post_init__(self):
        super().__post_init__()
        if self.order % 2 or self.order > 64:
            raise ValueError(f"`order` is {self.order}, it must be even and at most 64")
        if self.spec.subframe % self.step:
            raise ValueError(f"`step` is {self.step}, it must divide `subframe` ({self.spec.subframe})")
        for name, most in (("fine_blocks", len(FINE_DILATIONS)), ("coarse_blocks", len(COARSE_DILATIONS))):
            if (value := getattr(self, name)) > most:
                raise ValueError(f"`{name}` is {value}, it must be at most {most}")

    @property
    def n_latents(self) -> int:
        """D, latents per subframe: one per sample. Most are zero and cost almost no bits."""
        return self.spec.subframe

    @property
    def begins_concealed(self) -> bool:
        """Whether the weights were trained without the first packets: white noise would begin with a click of 18 dB."""
        return self.concealment

    @property
    def n_side(self) -> int:
        """K, integers of side information in a packet."""
        return self.order + self.spec.n_subframes

    @property
    def n_vectors(self) -> int:
        """S, vectors of latents in a packet: one per subframe."""
        return self.spec.n_subframes

    @property
    def side_parts(self) -> dict[str, list[int]]:
        """Return the indices of the side integers of each part, by the part's name."""
        return {"lsf": list(range(self.order)), "gain": list(range(self.order, self.n_side))}

    kind: ClassVar[str] = "speech"
    channels: ClassVar[int] = 1
    normalised: ClassVar[bool] = True
    segment_packets: ClassVar[int] = 500  # packets of a file between two context resets: 10 s
