"""Named presets of training runs, and the preset that fits given weights."""

from dataclasses import replace

from dsp.frames import FrameSpec
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.training.config import MusicLoss, SpeechLoss, TrainConfig
from lpcnet_cq.training.tasks import task_of

SPEECH = TrainConfig()
# For trained weights: quantisers are hard, and all terms of the loss are used from the first step on.
SPEECH_TRAINED = replace(SPEECH, loss=SpeechLoss(pesq_from=0.0), annealing=0.0)
MUSIC = TrainConfig(
    codec=MusicConfig(),
    loss=MusicLoss(),
    bitrates_bps=(64000.0, 128000.0),
    batch=2,
    lambda_start=0.03,
    rate_share=0.6,  # ratio of the mean rate of all crops, which include single notes, to that of whole pieces
    step_margin=18.0,
    learning_rate=3e-3,
)
MUSIC_TRAINED = replace(MUSIC, annealing=0.0)

# `cq` trains speech and `audio` music from random weights; `-continue` trains existing weights, `-prune` makes existing
# weights sparse, `tiny` and `audio-tiny` are for tests.
PRESETS = {
    "cq": SPEECH,
    "cq-continue": replace(SPEECH_TRAINED, learning_rate=2.5e-3, lambda_start=0.28),
    "cq-prune": replace(SPEECH_TRAINED, learning_rate=1e-3, lambda_start=0.26, warmup_steps=10, minutes=5.0),
    "tiny": replace(
        SPEECH,
        codec=SpeechConfig(fine=16, coarse=24, fine_blocks=1, coarse_blocks=1, hidden=24),
        batch=2,
        seconds=0.4,
        minutes=0.2,
    ),
    "audio": MUSIC,
    "audio-continue": replace(MUSIC_TRAINED, learning_rate=1e-3),
    "audio-prune": replace(MUSIC_TRAINED, learning_rate=1e-3, warmup_steps=10, minutes=5.0),
    "audio-tiny": replace(
        MUSIC,
        codec=MusicConfig(
            spec=FrameSpec(44100, window=256, hop=128, look_ahead=128, subframe=128),
            n_latents=116,
            short_blocks=4,
            bands=8,
            fine=8,
            fine_blocks=1,
            hidden=8,
        ),
        seconds=0.1,
        minutes=0.2,
    ),
}


def preset_for_weights(init: str, purpose: str = "continue") -> TrainConfig:
    """Return the preset that trains existing weights, with their codec and their dimensions.

    Parameters
    ----------
    init : str
        Released name, weights file, or folder of a run.
    purpose : str
        "continue" or "prune".

    Raises
    ------
    ValueError
        If no such weights exist.
    """
    config = load_weights(find_weights(init)).config
    return replace(PRESETS[f"{task_of(config).preset}-{purpose}"], codec=config, init=str(init))
