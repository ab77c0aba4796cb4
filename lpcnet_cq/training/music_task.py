"""Training task of the codec for music."""

from flax import nnx

from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.model import Model
from lpcnet_cq.training.config import MusicLoss, TrainConfig
from lpcnet_cq.training.music_data import MusicBatches, Recordings, build_recordings, read_shard
from lpcnet_cq.training.music_objective import objective, quantise, rates
from lpcnet_cq.training.task import Task


def batches(recordings: Recordings, t: TrainConfig) -> MusicBatches:
    """Return the batches of a run."""
    assert isinstance(t.codec, MusicConfig)
    return MusicBatches(recordings, t.batch, t.seconds, t.seed, t.codec)


def model(t: TrainConfig, recordings: Recordings) -> Model:
    """Return a new model; its initialisation does not depend on the recordings."""
    assert isinstance(t.codec, MusicConfig)
    return Model(t.codec, rngs=nnx.Rngs(t.seed))


MUSIC = Task(
    preset="audio",
    loss=MusicLoss,
    part="audio/",
    material=build_recordings,
    read_shard=read_shard,
    batches=batches,
    model=model,
    shape=lambda batch: (batch["is_short"].shape[0], batch["is_short"].shape[1] - 2),
    objective=objective,
    quantise=quantise,
    rates=rates,
    rate_share=0.1,  # a tenth of the crops, because single notes never need the highest bitrates
    dense=(),
)
