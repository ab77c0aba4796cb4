"""The dimensions of the codec for music."""

from dataclasses import dataclass, field
from typing import ClassVar

from dsp.frames import FrameSpec
from lpcnet_cq.bitstream.codec_config import CodecConfig


@dataclass(frozen=True)
class MusicConfig(CodecConfig):
    """Hold the dimensions of the codec for music; every weights file contains its dimensions.

    Letters: N `spec.hop` lines of a packet, D `n_latents` coded lines, b `bands`, Q `n_steps`.
    """

    spec: FrameSpec = field(
        default_factory=lambda: FrameSpec(44100, window=2048, hop=1024, look_ahead=1024, subframe=1024)
    )
    n_steps: int = 25
    n_latents: int = 928  # D, coded lines: up to 20 kHz
    bands: int = 32  # b, number of bands, see `music.bands`
    short_blocks: int = 8  # number of short blocks that replace a long block
    fine: int = 64  # channels of the network over lines
    fine_blocks: int = 2
    hidden: int = 32  # width of the entropy model

    def __post_init__(self):
        super().__post_init__()
        N, J = self.spec.hop, self.short_blocks
        if (self.spec.window, self.spec.look_ahead, self.spec.subframe) != (2 * N, N, N):
            raise ValueError(f"`hop` is {N}, `window` must be twice that, `look_ahead` and `subframe` the same")
        if J % 4 or N % (2 * J) or self.n_latents % J or self.n_latents > N:
            raise ValueError(f"`short_blocks` is {J}, it must divide {self.n_latents} lines and half of {N} samples")
        if self.bands % 4 or self.bands * J > 4 * self.n_latents:
            raise ValueError(f"`bands` is {self.bands}, it must be a multiple of 4, at most {4 * self.n_latents // J}")

    @property
    def n_side(self) -> int:
        """K, integers of side information: short-block flag, mid energies, prediction coefficients, side energies."""
        return 1 + 3 * self.bands

    @property
    def n_vectors(self) -> int:
        """S, vectors of latents in a packet: one per channel."""
        return self.channels

    @property
    def context(self) -> int:
        """Number of earlier spectra in the context of the entropy model: two packets of all channels."""
        return 2 * self.channels

    @property
    def side_parts(self) -> dict[str, list[int]]:
        """Return the indices of the side integers of each part, by the part's name."""
        prediction = range(1 + self.bands, 1 + 2 * self.bands)
        return {"energy": [k for k in range(self.n_side) if k not in prediction], "prediction": list(prediction)}

    kind: ClassVar[str] = "music"
    channels: ClassVar[int] = 2
    segment_packets: ClassVar[int] = 86  # 2 s: below the segment limit of 64 KiB at every rate
