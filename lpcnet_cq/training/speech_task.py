"""Training task of the codec for speech."""

import numpy as np
from flax import nnx

from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.model import Model
from lpcnet_cq.training.config import SpeechLoss, TrainConfig
from lpcnet_cq.training.speech_data import Batches, Shards, build_shards, read_shard
from lpcnet_cq.training.speech_objective import objective, quantise, rates
from lpcnet_cq.training.task import Task


def batches(shards: Shards, t: TrainConfig) -> Batches:
    """Return the batches of a run."""
    return Batches(shards, t.batch, t.seconds, t.seed, masks=t.loss.is_psychoacoustic)


def model(t: TrainConfig, shards: Shards) -> Model:
    """Return a model whose LSF quantiser is initialised with the principal axes of the LSF vectors of the corpus."""
    assert isinstance(t.codec, SpeechConfig)
    lsf = np.asarray(shards.lsf)
    mean, axes = lsf.mean(axis=0), np.linalg.eigh(np.cov(lsf.T))[1][:, ::-1]
    return Model(t.codec, rngs=nnx.Rngs(t.seed), lsf_mean=mean, lsf_axes=axes)


SPEECH = Task(
    preset="cq",
    loss=SpeechLoss,
    part="speech/",
    material=build_shards,
    read_shard=read_shard,
    batches=batches,
    model=model,
    shape=lambda batch: (batch["lsf"].shape[0], batch["lsf"].shape[1] - 1),
    objective=objective,
    quantise=quantise,
    rates=rates,
    rate_share=0.9,
    dense=("lapped",),  # the transform needs all of its weights for reconstruction
)
