"""Settings of a training run, and weights of the losses of speech and of music."""

import dataclasses
import math
from dataclasses import dataclass, field

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.speech.config import SpeechConfig

STEPS_PER_OCTAVE = 6  # approximate number of latent step sizes per doubling of the bitrate


@dataclass(frozen=True)
class Loss:
    """Hold the weights of the psychoacoustic terms, which are common to all codecs; a term with weight 0 is omitted."""

    priority: float = 0.0  # level differences, with larger weights for loud and unmasked lines
    modulation: float = 0.0  # maximum of the noise-to-mask ratio over lines
    audible: float = 0.0  # noise-to-mask ratio of critical bands

    @property
    def is_psychoacoustic(self) -> bool:
        """Whether a psychoacoustic term has a weight, so that batches need masking thresholds."""
        return max(self.priority, self.modulation, self.audible) > 0


@dataclass(frozen=True)
class SpeechLoss(Loss):
    """Hold the weights of the terms of the loss of speech; a term with weight 0 is omitted."""

    mel: float = 2.5  # log-mel distance (natural log)
    spectrum: float = 10.0  # distance of compressed amplitudes per bin
    nsr: float = 2.0  # log10 of the weighted noise-to-signal ratio
    pesq: float = 1.0  # natural logarithm of the PESQ-style loss
    pesq_from: float = 0.375  # share of the run after which the PESQ-style loss is added


@dataclass(frozen=True)
class MusicLoss(Loss):
    """Hold the weights of the terms of the loss of music; a term with weight 0 is omitted."""

    mel: float = 2.0  # log-mel distance (natural log)
    nsr: float = 0.5  # log10 of the noise-to-signal ratio
    priority: float = 1.0
    modulation: float = 1.0
    audible: float = 6.0


@dataclass(frozen=True)
class Stages:
    """Train all other parts of the model first, then groups of parts one after another, then all parts together."""

    groups: tuple[tuple[str, ...], ...]  # names of parts
    shares: tuple[float, float, float] = (2.0, 1.0, 1.0)  # of the run: other parts, each group, all parts together
    joint_rate: float = 0.25  # learning rate of joint training, relative to `TrainConfig.learning_rate`


@dataclass(frozen=True)
class TrainConfig:
    """Hold all settings of one training run, `train(config, workdir)`.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    codec: CodecConfig = field(default_factory=SpeechConfig)
    loss: Loss = field(default_factory=SpeechLoss)  # of the class that the training task of the codec requires
    data: str = ""  # folder of audio
    bitrates_bps: tuple[float, float] = (9000.0, 24000.0)  # range of bitrates, or one bitrate twice
    minutes: float = 60.0  # duration of the run, if `steps` is 0; also determines the learning-rate schedule
    steps: int = 0  # number of steps; 0: the run lasts `minutes`
    init: str = ""  # initial weights: a released name, a file or the folder of a run; empty: random weights
    lambda_start: float = 0.15  # initial Lagrange multiplier, loss per kbps; the rate control changes it
    rate_share: float = 1.08  # ratio of the code length in training to that of an encoder, which has RDOQ
    step_margin: float = 8.5  # step sizes drawn beyond those of the mean rates, for quiet and for noisy speech
    seed: int = 0  # of random weights, batches and step sizes
    batch: int = 16  # number of crops
    seconds: float = 1.0  # duration of a crop
    learning_rate: float = 4e-3  # peak of the schedule
    warmup_steps: int = 100  # steps over which the learning rate rises; divided among stages by their shares
    frozen: tuple[str, ...] = ()  # parts of the model that are not trained
    stages: Stages | None = None  # groups of parts that are trained later; None: all parts are trained together
    annealing: float = 0.05  # share of the run over which quantisers change from soft to hard; 0: always hard
    checkpoint_minutes: float = 5.0  # interval between checkpoints

    def __post_init__(self):
        low, high = self.bitrates_bps
        if not 0 < low <= high:
            raise ValueError(f"`bitrates_bps` is {self.bitrates_bps}, it must be a lower and a higher positive rate")
        if not (self.steps or self.minutes > 0):
            raise ValueError(f"`minutes` is {self.minutes}, it must be positive if `steps` is 0")
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
        """Mean of the bitrates, which is the target of the rate control."""
        return sum(self.bitrates_bps) / 2

    @property
    def span(self) -> float:
        """Share of all step sizes from which training draws."""
        octaves = math.log2(self.bitrates_bps[1] / self.bitrates_bps[0])
        return min(1.0, (self.step_margin + STEPS_PER_OCTAVE * octaves) / self.codec.n_steps)

    def as_dict(self) -> dict:
        """Return nested JSON values, which `tasks.config_from_dict` reads."""
        return {"kind": self.codec.kind} | dataclasses.asdict(self)
