"""The stated shapes are those of the model, and those that freezing gives."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.checkpoint.weights import flatten
from lpcnet_cq.checkpoint.weights_check import check_tensors
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.speech.model import Model
from lpcnet_cq.speech.tensor_shapes import tensor_shapes

SMALL = SpeechConfig(fine=16, coarse=24, fine_blocks=1, coarse_blocks=2, hidden=20, noise=3)


@pytest.mark.parametrize(
    "config",
    [SpeechConfig(), SMALL, replace(SMALL, context_resets=True, concealment=True), replace(SMALL, context_resets=True)],
    ids=["cq", "small", "live", "resets"],
)
def test_shapes_are_those_of_the_model(config):
    params = nnx.split(nnx.eval_shape(lambda: Model(config, rngs=nnx.Rngs(0))), nnx.Param)[1]
    values = jax.tree.map(lambda p: np.full(p.shape, 0.1, np.float32), nnx.to_pure_dict(params))
    integers = freeze(values["entropy"], config)
    floats = {name: tensor for name, tensor in flatten(values).items() if not name.startswith("entropy/")}
    tensors = floats | {f"integer/{name}": tensor for name, tensor in integers.items()}
    assert tensors.keys() == tensor_shapes(config).keys()
    check_tensors(tensors, tensor_shapes(config))
