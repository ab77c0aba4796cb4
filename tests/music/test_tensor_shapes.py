"""The stated shapes are those of the model, and those that freezing gives."""

import jax
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.checkpoint.weights import flatten
from lpcnet_cq.checkpoint.weights_check import check_tensors
from lpcnet_cq.music.freeze import freeze
from lpcnet_cq.music.model import Model
from lpcnet_cq.music.tensor_shapes import tensor_shapes
from lpcnet_cq.training.presets import PRESETS


@pytest.mark.parametrize("preset", ["audio", "audio-tiny"])
def test_shapes_are_those_of_the_model(preset):
    config = PRESETS[preset].codec
    params = nnx.split(nnx.eval_shape(lambda: Model(config, rngs=nnx.Rngs(0))), nnx.Param)[1]
    values = jax.tree.map(lambda p: np.full(p.shape, 0.1, np.float32), nnx.to_pure_dict(params))
    integers = freeze(values, config)
    floats = {name: tensor for name, tensor in flatten(values).items() if not name.startswith("entropy/")}
    tensors = floats | {f"integer/{name}": tensor for name, tensor in integers.items()}
    assert tensors.keys() == tensor_shapes(config).keys()
    check_tensors(tensors, tensor_shapes(config))
