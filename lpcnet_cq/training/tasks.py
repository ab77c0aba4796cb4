"""The two codecs, for speech and for music, by what training asks of both; `codec` chooses what runs them.

Place in the chain: training only, so that coding needs no package of the training.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from flax import nnx

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.music import model as music_model
from lpcnet_cq.music.freeze import freeze as freeze_music
from lpcnet_cq.registry import record_of
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.freeze import freeze as freeze_speech
from lpcnet_cq.speech.model import Model
from lpcnet_cq.training import music_objective as music
from lpcnet_cq.training import speech_objective as speech
from lpcnet_cq.training.data import Batches, build_shards
from lpcnet_cq.training.music_data import MusicBatches, build_recordings
from lpcnet_cq.training.presets import TrainConfig


class Task(NamedTuple):
    """Hold the parts of a codec that training asks for.

    Attributes
    ----------
    material : callable
        Clips, cache folder and frames to what batches are cut from.
    part : str
        Folder of corpora that hold speech and audio.
    batches : callable
        That and the training configuration to an object whose `batch(step)` is a dict of arrays.
    model : callable
        Training configuration and material to a model to start from.
    shape : callable
        Batch to its numbers of crops and of packets.
    objective, quantise, rates : callable
        See `objective`.
    reach : float
        Share of crops that must be able to use the highest rate: of speech nine of ten; of music the busiest tenth, as
        a single note never needs as much.
    freeze : callable
        Nested float parameters and configuration to the integers of a weights file.
    """

    material: Callable
    part: str
    batches: Callable
    model: Callable
    shape: Callable
    objective: Callable
    quantise: Callable
    rates: Callable
    reach: float
    freeze: Callable


def speech_model(t: TrainConfig, shards) -> Model:
    """Build a model whose LSF lattice starts on the principal axes of the training set's LSF vectors."""
    assert isinstance(t.codec, SpeechConfig)
    lsf = np.asarray(shards.lsf)
    mean, axes = lsf.mean(axis=0), np.linalg.eigh(np.cov(lsf.T))[1][:, ::-1]
    return Model(t.codec, rngs=nnx.Rngs(t.seed), lsf_mean=mean, lsf_axes=axes)


SPEECH = Task(
    material=build_shards,
    part="speech/",
    batches=lambda shards, t: Batches(shards, t.batch, t.seconds, t.seed, masks=t.calibrated),
    model=speech_model,
    shape=lambda batch: (batch["lsf"].shape[0], batch["lsf"].shape[1] - 1),
    objective=speech.objective,
    quantise=speech.quantise,
    rates=speech.rates,
    reach=0.9,
    freeze=lambda floats, c: freeze_speech(floats["entropy"], c),
)

MUSIC = Task(
    material=build_recordings,
    part="audio/",
    batches=lambda recordings, t: MusicBatches(recordings, t.batch, t.seconds, t.seed, t.codec),
    model=lambda t, recordings: music_model.Model(t.codec, rngs=nnx.Rngs(t.seed)),
    shape=lambda batch: (batch["split"].shape[0], batch["split"].shape[1] - 2),
    objective=music.objective,
    quantise=music.quantise,
    rates=music.rates,
    reach=0.1,
    freeze=freeze_music,
)


def task_of(config: CodecConfig) -> Task:
    """Return the training task of the codec that a configuration describes."""
    return record_of(config).task
