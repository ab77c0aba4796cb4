"""The codec's dimensions and the training recipe: frozen dataclasses and the named presets.

`PRESETS` are our own, `PUBLISHED` those of the published systems (`published.config`, trained by `published.train`).
Every length in samples comes from `FrameSpec` (`dsp.frames`); nothing else in the project holds a sample rate.
"""

import dataclasses
import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

from dsp.frames import FrameSpec
from lpcnet_cq.published.config import PRESETS as PUBLISHED

__all__ = ["PRESETS", "PUBLISHED", "CodecConfig", "TrainConfig", "codec_config_from_dict"]

STEPS_PER_OCTAVE = 6  # latent step sizes between a rate and its double, about


@dataclass(frozen=True)
class Dimensions:
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


@dataclass(frozen=True)
class CodecConfig(Dimensions):
    """Hold the dimensions that a weights file of the speech codec is made for.

    Letters: M `order`, S `spec.n_subframes` per packet, D `n_latents` per subframe, Q `n_steps`.
    """

    order: int = 16  # M, LPC order
    step: int = 16  # samples per step of the fine network rate (1 ms)
    fine: int = 64  # channels at the fine rate
    coarse: int = 128  # channels at the subframe rate
    fine_blocks: int = 2
    coarse_blocks: int = 3
    noise: int = 4  # channels of noise the decoder receives at the fine rate
    context: int = 3  # subframes of decoded past the entropy model sees
    hidden: int = 128  # width of the entropy model

    @property
    def n_latents(self) -> int:
        """D, latents per subframe: one per sample, of which entropy coding makes most cost nothing."""
        return self.spec.subframe

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
        """Return which of the side integers are what."""
        return {"lsf": list(range(self.order)), "gain": list(range(self.order, self.n_side))}

    channels: ClassVar[int] = 1
    segment_packets: ClassVar[int] = 500  # of a file between two restarts: 10 s


@dataclass(frozen=True)
class MusicConfig(Dimensions):
    """Hold the dimensions that a weights file of the codec for music is made for.

    Letters: N `spec.hop`, D `n_latents` lines coded of N, b `bands`, Q `n_steps`.
    """

    spec: FrameSpec = field(
        default_factory=lambda: FrameSpec(44100, window=2048, hop=1024, look_ahead=1024, subframe=1024)
    )
    n_steps: int = 25
    n_latents: int = 928  # D: up to 20 kHz
    bands: int = 32  # b, see `music.bands`
    splits: int = 8  # short transforms in the place of a long one
    fine: int = 64  # channels of the network over lines
    fine_blocks: int = 2
    hidden: int = 32  # width of the entropy model
    context: ClassVar[int] = 4  # spectra the entropy model remembers: two packets of two channels

    @property
    def n_side(self) -> int:
        """K, integers of side information in a packet: split flag, energies, factors, energies."""
        return 1 + 3 * self.bands

    @property
    def n_vectors(self) -> int:
        """S, vectors of latents in a packet: one per channel."""
        return self.channels

    @property
    def side_parts(self) -> dict[str, list[int]]:
        """Return which of the side integers are what."""
        factors = range(1 + self.bands, 1 + 2 * self.bands)
        return {"energy": [k for k in range(self.n_side) if k not in factors], "factor": list(factors)}

    channels: ClassVar[int] = 2
    segment_packets: ClassVar[int] = 86  # 2 s: at any rate less than a segment's 64 KiB


@dataclass(frozen=True)
class TrainConfig:
    """Hold one training run; `train(config, workdir)` needs nothing else."""

    codec: CodecConfig | MusicConfig = field(default_factory=CodecConfig)
    data: str = ""  # folder of audio; empty: the default corpus
    bitrates_bps: tuple[float, float] = (9000.0, 24000.0)  # the range of rates to serve, or one rate twice
    minutes: float = 60.0  # wall-clock budget, learning-rate schedule included
    steps: int = 0  # run exactly so many steps, whatever the clock says (0: by `minutes`)
    init: str = ""  # weights file or run folder to start from
    lambda_start: float = 0.15  # first price of 1 kbps; the rate control moves it
    rate_share: float = 1.08  # ideal code length of plainly rounded latents for a byte: an encoder rounds to fewer
    spare_steps: float = 8.5  # step sizes drawn beyond the rates, so that quiet and noisy speech meet them as well
    seed: int = 0
    batch: int = 16
    seconds: float = 1.0
    learning_rate: float = 4e-3
    warmup_steps: int = 100
    frozen: tuple[str, ...] = ()  # parts of the model that stay as they start, for `experiments/ablations.py`
    later: tuple[tuple[str, ...], ...] = ()  # groups of parts that learn after all others; then all together
    shares: tuple[float, float, float] = (2, 1, 1)  # of the run, where there are later groups: see `schedule`
    joint_rate: float = 0.25  # learning rate of all together, relative
    mel_weight: float = 2.5
    spectrum_weight: float = 10.0
    nsr_weight: float = 2.0
    centre: float = 0.5  # of the step sizes drawn, as a share of all: where the mean of the rates lies
    disturbance_weight: float = 1.0  # of its logarithm
    disturbance_from: float = 0.375  # share of the run after which the model of hearing joins the loss
    priority_weight: float = 0.0  # of the psychoacoustic terms, see `calibration`
    modulation_weight: float = 0.0
    audible_weight: float = 0.0
    soften: float = 0.05  # share of the run over which quantisers turn from soft to hard
    checkpoint_minutes: float = 5.0

    @property
    def bitrate_bps(self) -> float:
        """Mean of the rates to serve, towards which the price of bits is steered."""
        return sum(self.bitrates_bps) / 2

    @property
    def calibrated(self) -> bool:
        """Whether psychoacoustic terms count."""
        return max(self.priority_weight, self.modulation_weight, self.audible_weight) > 0

    @property
    def span(self) -> float:
        """Share of the step sizes that training draws from, around `centre`."""
        octaves = math.log2(self.bitrates_bps[1] / self.bitrates_bps[0])
        return min(1.0, (self.spare_steps + STEPS_PER_OCTAVE * octaves) / self.codec.n_steps)

    def as_dict(self) -> dict:
        """Return nested plain values, ready for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class PruneConfig(TrainConfig):
    """Hold one run that makes trained weights sparse; `prune(config, workdir)` needs nothing else."""

    init: str = "cq"
    learning_rate: float = 1e-3
    warmup_steps: int = 10
    lambda_start: float = 0.26  # what the released weights were trained with at last
    disturbance_from: float = 0.0
    method: str = "csp"  # a name in `sparsify.methods`
    sparsity: float = 0.8  # share of zeros in every matrix that is pruned
    pattern: str = "single"  # a name in `sparse_pattern.PATTERNS`
    shrink: float = 1e-3  # threshold of a proximal step, see `sparsify`
    until: float = 0.6  # share of the run after which nothing more is pruned
    events: int = 6  # prunings after the first, for methods with several


def codec_config_from_dict(values: dict) -> CodecConfig | MusicConfig:
    """Rebuild the configuration of a codec from the JSON of a weights file."""
    values = dict(values)
    return (MusicConfig if "bands" in values else CodecConfig)(spec=FrameSpec(**values.pop("spec")), **values)


AUDIO = TrainConfig(
    codec=MusicConfig(),
    bitrates_bps=(64000.0, 128000.0),
    batch=2,
    lambda_start=0.03,
    rate_share=0.6,  # the mean over single notes and whole pieces lies that far below what a whole piece needs
    spare_steps=18.0,
    learning_rate=3e-3,
    mel_weight=2.0,
    nsr_weight=0.5,
    disturbance_weight=1.0,
    disturbance_from=0.0,
    priority_weight=1.0,
    modulation_weight=1.0,
    audible_weight=6.0,
)

PRESETS = {
    "cq": TrainConfig(),
    "cq-continue": TrainConfig(learning_rate=2.5e-3, lambda_start=0.28, disturbance_from=0.0),  # from earlier weights
    "tiny": TrainConfig(
        codec=CodecConfig(fine=16, coarse=24, fine_blocks=1, coarse_blocks=1, hidden=24),
        batch=2,
        seconds=0.4,
        minutes=0.2,
    ),
    "audio": AUDIO,
    "audio-continue": replace(AUDIO, learning_rate=1e-3),
    "audio-tiny": replace(
        AUDIO,
        codec=MusicConfig(
            spec=FrameSpec(44100, window=256, hop=128, look_ahead=128, subframe=128),
            n_latents=116,
            splits=4,
            bands=8,
            fine=8,
            fine_blocks=1,
            hidden=8,
        ),
        seconds=0.1,
        minutes=0.2,
    ),
}
