"""The settings of a training run, and apart from them the weights of the loss of speech and of music."""

import dataclasses
import math
from dataclasses import dataclass, field

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.speech.config import SpeechConfig

STEPS_PER_OCTAVE = 6  # latent step sizes between a rate and its double, about


@dataclass(frozen=True)
class Loss:
    """Hold the weights of the psychoacoustic terms, which all codecs share; 0 leaves a term out."""

    priority: float = 0.0  # level differences, loud and unmasked lines first
    modulation: float = 0.0  # the line whose noise stands highest above the masking threshold
    audible: float = 0.0  # noise above the masking threshold, by critical bands

    @property
    def is_psychoacoustic(self) -> bool:
        """Whether a psychoacoustic term counts, so that batches need masking thresholds."""
        return max(self.priority, self.modulation, self.audible) > 0


@dataclass(frozen=True)
class SpeechLoss(Loss):
    """Hold the weights of the terms of the loss of speech; 0 leaves a term out."""

    mel: float = 2.5  # log-mel distance, neper
    spectrum: float = 10.0  # distance of compressed amplitudes, bin by bin
    nsr: float = 2.0  # log10 of the weighted noise-to-signal ratio
    pesq: float = 1.0  # natural logarithm of the PESQ-style loss
    pesq_from: float = 0.375  # share of the run after which the PESQ-style loss counts


@dataclass(frozen=True)
class MusicLoss(Loss):
    """Hold the weights of the terms of the loss of music; 0 leaves a term out."""

    mel: float = 2.0  # log-mel distance, neper
    nsr: float = 0.5  # log10 of the noise-to-signal ratio
    priority: float = 1.0
    modulation: float = 1.0
    audible: float = 6.0


@dataclass(frozen=True)
class Stages:
    """Let groups of parts of the model learn after all others, one group after another, then all parts together."""

    groups: tuple[tuple[str, ...], ...]  # names of parts
    shares: tuple[float, float, float] = (2.0, 1.0, 1.0)  # of the run: all others, each group, all together
    joint_rate: float = 0.25  # learning rate of all together, relative to `TrainConfig.learning_rate`


@dataclass(frozen=True)
class TrainConfig:
    """Hold one training run; `train(config, workdir)` needs nothing else.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    codec: CodecConfig = field(default_factory=SpeechConfig)
    loss: Loss = field(default_factory=SpeechLoss)  # of the kind that the codec's training has
    data: str = ""  # folder of audio
    bitrates_bps: tuple[float, float] = (9000.0, 24000.0)  # the range of rates to serve, or one rate twice
    minutes: float = 60.0  # time to take, learning-rate schedule included, where `steps` is 0
    steps: int = 0  # number of steps; 0: as many as `minutes` hold
    init: str = ""  # weights to start from: a released name, a file or a run's folder; empty: new ones
    lambda_start: float = 0.15  # first Lagrange multiplier, loss per kbps; the rate control moves it
    rate_share: float = 1.08  # code length in training over that of an encoder, whose RDOQ spends fewer bits
    step_margin: float = 8.5  # step sizes drawn beyond the rates, so that quiet and noisy speech meet them as well
    seed: int = 0  # of new weights, batches and step sizes
    batch: int = 16  # crops
    seconds: float = 1.0  # of a crop
    learning_rate: float = 4e-3  # its peak
    warmup_steps: int = 100  # over which it rises; a stage has its share of them
    frozen: tuple[str, ...] = ()  # parts of the model that stay as they start
    stages: Stages | None = None  # groups of parts that learn later; None: all parts learn together
    annealing: float = 0.05  # share of the run over which quantisers turn from soft to hard; 0: they are hard
    checkpoint_minutes: float = 5.0  # between two checkpoints

    def __post_init__(self):
        low, high = self.bitrates_bps
        if not 0 < low <= high:
            raise ValueError(f"`bitrates_bps` is {self.bitrates_bps}, it must be a lower and a higher positive rate")
        if not (self.steps or self.minutes > 0):
            raise ValueError(f"`minutes` is {self.minutes}, it must be positive where `steps` is 0")
        for name in ("lambda_start", "rate_share", "batch", "seconds", "learning_rate", "warmup_steps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` is {getattr(self, name)}, it must be positive")
        for name in ("steps", "seed", "step_margin", "checkpoint_minutes"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` is {getattr(self, name)}, it must not be negative")
        if not 0 <= self.annealing <= 1:
            raise ValueError(f"`annealing` is {self.annealing}, it must be 0 to 1")
        for name, weight in vars(self.loss).items():
            if not 0 <= weight < math.inf:
                raise ValueError(f"`loss.{name}` is {weight}, it must be finite and not negative")

    @property
    def bitrate_bps(self) -> float:
        """Mean of the rates to serve, towards which the Lagrange multiplier is steered."""
        return sum(self.bitrates_bps) / 2

    @property
    def span(self) -> float:
        """Share of all step sizes that training draws from."""
        octaves = math.log2(self.bitrates_bps[1] / self.bitrates_bps[0])
        return min(1.0, (self.step_margin + STEPS_PER_OCTAVE * octaves) / self.codec.n_steps)

    def as_dict(self) -> dict:
        """Return nested plain values, ready for JSON; `tasks.config_from_dict` reads them back."""
        return {"kind": self.codec.kind} | dataclasses.asdict(self)
