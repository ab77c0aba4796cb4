"""What the training of a codec consists of; `tasks` has one for every codec.

Place in the chain: training only, so that coding needs no package of the training.
"""

from collections.abc import Callable
from typing import NamedTuple

from lpcnet_cq.training.config import Loss


class Task(NamedTuple):
    """Hold the parts of a codec that training asks for.

    Letters: B crops, T packets. A batch is a dict of arrays, t a `TrainConfig`.

    Attributes
    ----------
    preset : str
        Name of the codec's preset in `presets`.
    loss : type
        Weights of the loss, a dataclass.
    part : str
        Folder of corpora that hold both speech and audio.
    material : callable
        material(clips, cache_folder, spec) is what batches are cut from.
    batches : callable
        batches(material, t) has the method `batch(step)`.
    model : callable
        model(t, material) is a model to start from.
    shape : callable
        shape(batch) is (B, T).
    objective : callable
        objective(model, loss, batch, step, hardness, lam, progress) is the value to minimise, and its parts.
    quantise, rates : callables
        quantise(model, batch, step, hardness) gives the integers of a batch, rates(model, *integers, step) their ideal
        rates (B,) by name, `bps` in all.
    rate_share : float
        Share of crops that must be able to use the highest rate.
    dense : tuple of str
        Words in the names of parameters that are never pruned.
    """

    preset: str
    loss: type[Loss]
    part: str
    material: Callable
    batches: Callable
    model: Callable
    shape: Callable
    objective: Callable
    quantise: Callable
    rates: Callable
    rate_share: float
    dense: tuple[str, ...]
