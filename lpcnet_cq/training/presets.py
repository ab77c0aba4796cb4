"""The settings of a training run, and the named presets."""

import dataclasses
import math
from dataclasses import dataclass, field, replace

from dsp.frames import FrameSpec
from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.speech.config import SpeechConfig

STEPS_PER_OCTAVE = 6  # latent step sizes between a rate and its double, about


@dataclass(frozen=True)
class TrainConfig:
    """Hold one training run; `train(config, workdir)` needs nothing else."""

    codec: CodecConfig = field(default_factory=SpeechConfig)
    data: str = ""  # folder of audio; empty: the default corpus
    bitrates_bps: tuple[float, float] = (9000.0, 24000.0)  # the range of rates to serve, or one rate twice
    minutes: float = 60.0  # wall-clock budget, learning-rate schedule included
    steps: int = 0  # run exactly so many steps, whatever the clock says (0: by `minutes`)
    init: str = ""  # weights file or run folder to start from
    lambda_start: float = 0.15  # first price of 1 kbps; the rate control moves it
    rate_share: float = 1.08  # ideal code length of plainly rounded latents for a byte: an encoder rounds to fewer
    step_margin: float = 8.5  # step sizes drawn beyond the rates, so that quiet and noisy speech meet them as well
    seed: int = 0
    batch: int = 16
    seconds: float = 1.0
    learning_rate: float = 4e-3
    warmup_steps: int = 100
    frozen: tuple[str, ...] = ()  # parts of the model that stay as they start, for `experiments/ablations.py`
    staged: tuple[tuple[str, ...], ...] = ()  # groups of parts that learn after all others; then all together
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
    annealing: float = 0.05  # share of the run over which quantisers turn from soft to hard
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
        return min(1.0, (self.step_margin + STEPS_PER_OCTAVE * octaves) / self.codec.n_steps)

    def as_dict(self) -> dict:
        """Return nested plain values, ready for JSON."""
        return dataclasses.asdict(self)


AUDIO = TrainConfig(
    codec=MusicConfig(),
    bitrates_bps=(64000.0, 128000.0),
    batch=2,
    lambda_start=0.03,
    rate_share=0.6,  # the mean over single notes and whole pieces lies that far below what a whole piece needs
    step_margin=18.0,
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
        codec=SpeechConfig(fine=16, coarse=24, fine_blocks=1, coarse_blocks=1, hidden=24),
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
