"""Interface of training tasks: the parts of a codec that only training needs.

Place in the chain: training only; `speech_task` and `music_task` define tasks, and the record of each codec names its
task.
"""

from collections.abc import Callable
from typing import NamedTuple

from lpcnet_cq.training.config import Loss


class Task(NamedTuple):
    """Hold the parts of a codec that training needs.

    Letters: B crops, T packets. A batch is a dict of arrays, t a `TrainConfig`.

    Attributes
    ----------
    preset : str
        Name of the codec's preset in `presets`.
    loss : type
        Class of the weights of the loss.
    part : str
        Folder that is used of corpora that contain both speech and audio.
    material : callable
        material(clips, cache_folder, spec) returns the recordings from which batches are drawn.
    read_shard : callable
        read_shard(path, spec) returns those of a tar shard.
    batches : callable
        batches(material, t) returns an object with the method `batch(step, rows)`.
    model : callable
        model(t, material) returns a new model.
    shape : callable
        shape(batch) returns (B, T).
    objective : callable
        objective(model, loss, batch, step, hardness, lam, progress) returns the value to minimise and its parts.
    quantise, rates : callables
        quantise(model, batch, step, hardness) returns the integers of a batch; rates(model, *integers, step) returns
        their ideal rates (B,) by name, with the total as `bps`.
    rate_share : float
        Share of crops that must reach the highest supported bitrate.
    dense : tuple of str
        Words in the names of parameters that are never pruned.
    """

    preset: str
    loss: type[Loss]
    part: str
    material: Callable
    read_shard: Callable
    batches: Callable
    model: Callable
    shape: Callable
    objective: Callable
    quantise: Callable
    rates: Callable
    rate_share: float
    dense: tuple[str, ...]
