"""The codec's dimensions and the training recipe: frozen dataclasses and the named presets.

`PRESETS` are our own, `PUBLISHED` those of the published systems (`published.config`, trained by `published.train`).
Every length in samples comes from `FrameSpec` (`dsp.frames`); nothing else in the project holds a sample rate.
"""

import dataclasses
import math
from dataclasses import dataclass, field

from dsp.frames import FrameSpec
from lpcnet_cq.published.config import PRESETS as PUBLISHED

__all__ = ["PRESETS", "PUBLISHED", "CodecConfig", "TrainConfig", "codec_config_from_dict"]

STEPS_PER_OCTAVE = 6  # latent step sizes between a rate and its double, about
SPARE_STEPS = 8.5  # drawn beyond those, so that quiet and noisy speech meet their rate as well


@dataclass(frozen=True)
class CodecConfig:
    """Hold the dimensions that a weights file is made for.

    Letters: M `order`, S `spec.n_subframes` per packet, D `n_latents` per subframe, Q `n_steps`.
    """

    spec: FrameSpec = field(default_factory=FrameSpec)
    order: int = 16  # M, LPC order
    step: int = 16  # samples per step of the fine network rate (1 ms)
    fine: int = 64  # channels at the fine rate
    coarse: int = 128  # channels at the subframe rate
    fine_blocks: int = 2
    coarse_blocks: int = 3
    n_steps: int = 17  # Q, latent step sizes to choose from, per packet
    step_ratio: float = 3 ** (1 / 8)  # ratio of neighbouring latent step sizes
    noise: int = 4  # channels of noise the decoder receives at the fine rate
    context: int = 3  # subframes of decoded past the entropy model sees
    hidden: int = 128  # width of the entropy model

    @property
    def n_latents(self) -> int:
        """D, latents per subframe: one per sample, of which entropy coding makes most cost nothing."""
        return self.spec.subframe

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
class TrainConfig:
    """Hold one training run; `train(config, workdir)` needs nothing else."""

    codec: CodecConfig = field(default_factory=CodecConfig)
    data: str = ""  # folder of audio; empty: the default corpus
    bitrates_bps: tuple[float, float] = (9000.0, 24000.0)  # the range of rates to serve, or one rate twice
    minutes: float = 60.0  # wall-clock budget, learning-rate schedule included
    steps: int = 0  # run exactly so many steps, whatever the clock says (0: by `minutes`)
    init: str = ""  # weights file or run folder to start from
    lambda_start: float = 0.15  # first price of 1 kbps; the rate control moves it
    seed: int = 0
    batch: int = 16
    seconds: float = 1.0
    learning_rate: float = 4e-3
    warmup_steps: int = 100
    frozen: tuple[str, ...] = ()  # parts of the model that stay as they start, for `experiments/ablations.py`
    mel_weight: float = 2.5
    spectrum_weight: float = 10.0
    nsr_weight: float = 2.0
    centre: float = 0.5  # of the step sizes drawn, as a share of all: where the mean of the rates lies
    disturbance_weight: float = 1.0  # of its logarithm
    disturbance_from: float = 0.375  # share of the run after which the model of hearing joins the loss
    soften: float = 0.05  # share of the run over which quantisers turn from soft to hard
    checkpoint_minutes: float = 5.0

    @property
    def bitrate_bps(self) -> float:
        """Mean of the rates to serve, towards which the price of bits is steered."""
        return sum(self.bitrates_bps) / 2

    @property
    def span(self) -> float:
        """Share of the step sizes that training draws from, around `centre`."""
        octaves = math.log2(self.bitrates_bps[1] / self.bitrates_bps[0])
        return min(1.0, (SPARE_STEPS + STEPS_PER_OCTAVE * octaves) / self.codec.n_steps)

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


def codec_config_from_dict(values: dict) -> CodecConfig:
    """Rebuild a `CodecConfig` from the JSON of a weights file."""
    values = dict(values)
    return CodecConfig(spec=FrameSpec(**values.pop("spec")), **values)


PRESETS = {
    "cq": TrainConfig(),
    "cq-continue": TrainConfig(learning_rate=2.5e-3, lambda_start=0.28, disturbance_from=0.0),  # from earlier weights
    "tiny": TrainConfig(
        codec=CodecConfig(fine=16, coarse=24, fine_blocks=1, coarse_blocks=1, hidden=24),
        batch=2,
        seconds=0.4,
        minutes=0.2,
    ),
}
