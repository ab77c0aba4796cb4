"""Configuration of the published systems: dimensions of the decoder, training recipe, and presets.

Frames have 512 samples and overlap by 32. In `FrameSpec` this is a window of 512, a hop of 480, and a look-ahead equal
to the overlap. The subframe also equals the overlap, so that filters can change at the border of two frames.

References
----------
K-Net: S. Kankanahalli, arXiv 1710.09064 (2018). CMRL and LPC-CMRL: K. Zhen et al., arXiv 1906.07769 (2019).
CQ: K. Zhen et al., arXiv 2002.05604 (2020). NWC: K. Zhen et al., arXiv 2103.14776 (2021).
"""

import dataclasses
from dataclasses import dataclass, replace
from typing import Any, Literal

from dsp.frames import FrameSpec

FRAMES = FrameSpec(window=512, hop=480, look_ahead=32, subframe=32)


@dataclass(frozen=True)
class AutoencoderConfig:
    """Hold the type of the blocks and the widths of one autoencoder."""

    kind: Literal["knet", "bottleneck", "gated"]
    channels: int = 100
    hidden: int = 20  # channels inside a block; K-Net's blocks have no bottleneck


@dataclass(frozen=True)
class SystemConfig:
    """Hold the dimensions of a system; every weights file contains its dimensions."""

    autoencoder: AutoencoderConfig
    n_modules: int = 1  # autoencoders of the cascade
    lpc: Literal["none", "fixed", "trained"] = "none"  # LSF codebook; "none": no LPC front end
    level: float = 0.1  # active level of the scaled speech; about the level of files with a peak of 1
    window_at: Literal["analysis", "synthesis"] = "synthesis"  # where the fades are applied to frames
    zero_state: bool = False  # as in the released code: LPC filters start from zero in every frame, see `zero_state`
    spec: FrameSpec = FRAMES
    order: int = 16  # M, LPC order
    n_centroids: int = 32  # per code
    n_lsf_centroids: int = 256  # shared by all LSFs
    temperature: float = 300.0  # initial alpha of the soft assignments

    def __post_init__(self):
        if self.n_modules < 1:
            raise ValueError(f"`n_modules` is {self.n_modules}, it must be at least 1")
        if self.spec.look_ahead != self.spec.window - self.spec.hop or self.spec.subframe != self.spec.look_ahead:
            raise ValueError(f"`spec` is {self.spec}, look_ahead and subframe must both be the overlap, window - hop")
        if self.zero_state and (self.lpc == "none" or self.window_at == "analysis"):
            raise ValueError("`zero_state` is set, it needs an LPC front end and frames that are faded at synthesis")
        if self.n_lsf_centroids % self.order:
            raise ValueError(f"`n_lsf_centroids` is {self.n_lsf_centroids}, it must be a multiple of {self.order}")

    @property
    def n_code(self) -> int:
        """Code samples per frame and module: half as many as the frame has."""
        return self.spec.window // 2

    @property
    def n_lsf(self) -> int:
        """LSF symbols per frame."""
        return 0 if self.lpc == "none" else self.order

    @property
    def lpc_spec(self) -> FrameSpec:
        """Frames of the LPC analysis: windows of twice the length, centred on the frames."""
        return replace(self.spec, window=2 * self.spec.window, look_ahead=self.spec.window // 2)

    @property
    def frames_per_second(self) -> float:
        """Number of frames per second."""
        return self.spec.sample_rate_hz / self.spec.hop

    @property
    def delay_ms(self) -> float:
        """Algorithmic delay: one frame, and the part of the LPC window after it."""
        return self.spec.ms(self.spec.window + (self.lpc_spec.look_ahead if self.n_lsf else 0))


@dataclass(frozen=True)
class Recipe:
    """Hold all settings of one training run, `train(recipe, workdir)`."""

    system: SystemConfig
    bitrates_bps: tuple[float, ...]  # targets with one module, two modules, ...; the last is the system's
    time_weight: float = 60.0
    mel_weight: float = 10.0
    quantisation_weight: float = 10.0  # of the penalty on soft assignments, if `hard` is False
    tau: float = 0.3  # initial Lagrange multiplier per bit of a code sample, a low one; the rate control raises it
    learning_rates: tuple[float, float, float] = (3e-4, 3e-4, 3e-5)  # peaks: first module, each further module, all
    shares: tuple[float, float, float] = (2, 1, 1)  # of the run, for the same phases; (.., .., 0): greedy only
    warmup_steps: int = 50  # over which the learning rate of a phase rises; afterwards it decreases as a cosine
    unquantised: float = 0.03  # share of the phase of a new module before its quantiser is used
    multiplier_ramp: float = 0.3  # share of a further module's phase in which its Lagrange multiplier rises from 0
    start_bps: float = 18e3  # target at the start of the first module's phase, if it is above that of the module
    descent: float = 0.2  # share of that phase over which the target decreases
    hard: bool = True  # then decoders receive hard symbols, gradients pass straight through; False: as published
    softness: float = 0.2  # factor of alpha in soft assignments; if `hard` is False, only at the start
    loss_on: Literal["speech", "residual"] = "speech"  # "residual": as released, the loss before the synthesis filter
    data: str = ""  # folder of audio; empty: the default corpus
    minutes: float = 60.0  # processor time of all cores together
    wall_clock: bool = False  # then minutes are those of a clock, as for accelerators
    steps: int = 0  # exact number of steps, independent of `minutes`; 0: use `minutes`
    seed: int = 0
    batch: int = 2  # crops
    frames: int = 16  # of a crop
    checkpoint_minutes: float = 2.0

    def __post_init__(self):
        rates = self.bitrates_bps
        if len(rates) != self.system.n_modules or list(rates) != sorted(rates) or min(rates) <= 0:
            raise ValueError(f"`bitrates_bps` is {rates}, it must be {self.system.n_modules} rising positive rates")
        if self.loss_on == "residual" and self.system.lpc == "none":
            raise ValueError("`loss_on` is 'residual', it must be 'speech' where there is no LPC front end")

    @property
    def bitrate_bps(self) -> float:
        """Bitrate of the whole system."""
        return self.bitrates_bps[-1]

    def as_dict(self) -> dict:
        """Return nested JSON values."""
        return dataclasses.asdict(self)


def at_rates(recipe: Recipe, *bitrates_bps: float) -> Recipe:
    """Return the recipe for other rates, with as many modules as there are rates.

    Examples
    --------
    >>> at_rates(PRESETS["cq-2020"], 9000.0, 24000.0).system.n_modules
    2
    """
    system = replace(recipe.system, n_modules=len(bitrates_bps))
    return replace(recipe, system=system, bitrates_bps=bitrates_bps)


def system_from_dict(values: dict) -> SystemConfig:
    """Rebuild a `SystemConfig` from the JSON of a weights file."""
    values = dict(values)
    autoencoder, spec = AutoencoderConfig(**values.pop("autoencoder")), FrameSpec(**values.pop("spec"))
    return SystemConfig(autoencoder=autoencoder, spec=spec, **values)


def recipe_from_dict(values: dict) -> Recipe:
    """Return the recipe of values from `Recipe.as_dict`, also after JSON, which has lists instead of tuples."""
    fields: dict[str, Any] = dict(values)
    fields |= {name: tuple(values[name]) for name in ("bitrates_bps", "learning_rates", "shares")}
    fields["system"] = system_from_dict(values["system"])
    return Recipe(**fields)


K_NET = AutoencoderConfig("knet", channels=64)
BOTTLENECK, GATED = AutoencoderConfig("bottleneck"), AutoencoderConfig("gated")

PRESETS = {
    # A step of K-Net needs twice the computation of the others; with half the batch it takes the same time.
    "knet": Recipe(SystemConfig(K_NET, window_at="analysis"), bitrates_bps=(9000.0,), mel_weight=5.0, batch=1),
    # Loss and scale are those of K-Net; the codes share the rate 1.5 : 2.5, as the targets of the released fine-tuning.
    "cmrl": Recipe(SystemConfig(BOTTLENECK, n_modules=2), bitrates_bps=(3375.0, 9000.0), mel_weight=5.0),
    # Systems with an LPC front end scale files to a standard deviation of 1.
    "lpc-cmrl": Recipe(SystemConfig(BOTTLENECK, lpc="fixed", level=1.0), bitrates_bps=(9000.0,), tau=2.0),
    "cq-2020": Recipe(SystemConfig(BOTTLENECK, lpc="trained", level=1.0), bitrates_bps=(9000.0,), tau=2.0),
    "nwc-2021": Recipe(SystemConfig(GATED, lpc="trained", level=1.0), bitrates_bps=(12000.0,), tau=2.0),
}
