"""Narrowed blocks: the same outputs from fewer channels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.checkpoint.weight_groups import INPUTS
from lpcnet_cq.nn.layers import Block
from lpcnet_cq.pruning.channels import has_prunable_inputs, prune_channels
from lpcnet_cq.pruning.schedule import Schedule
from lpcnet_cq.pruning.sparsify import sparsify


def drawn_block():
    """Return a block of eight channels with drawn biases, split."""
    graph, params = nnx.split(Block(8, 3, 2, rngs=nnx.Rngs(0)), nnx.Param)
    random = np.random.default_rng(0)
    return graph, jax.tree.map(lambda p: jnp.asarray(random.standard_normal(p.shape), jnp.float32), params)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.875])
def test_outputs_stay_what_they_are(share):
    graph, params = drawn_block()
    pruning = sparsify("one-shot", Schedule(0, 0, final=share), pattern=INPUTS, which=has_prunable_inputs)
    updates, _ = pruning.update(jax.tree.map(jnp.zeros_like, params), pruning.init(params), params)
    params = jax.tree.map(jnp.add, params, updates)
    pruned = jax.tree.map(lambda p: p, params)
    nnx.replace_by_pure_dict(pruned, prune_channels(nnx.to_pure_dict(params)))
    left = round(8 * (1 - share))
    assert pruned["conv"]["kernel"][...].shape == (3, 8, left)
    assert pruned["point"]["kernel"][...].shape == (1, left, 8)
    x = jnp.asarray(np.random.default_rng(1).standard_normal((2, 20, 8)), jnp.float32)
    wide, thin = (nnx.merge(graph, p) for p in (params, pruned))
    np.testing.assert_allclose(thin(thin.start(2), x)[1], wide(wide.start(2), x)[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(thin(thin.start(2), x)[0], wide(wide.start(2), x)[0], rtol=1e-5)


def test_all_else_is_left_alone():
    tree = {"encoder": {"fine": {0: {"kernel": np.zeros((1, 2, 3))}}, "condition": {"kernel": np.zeros((1, 2, 2))}}}
    assert prune_channels(tree) == tree and not has_prunable_inputs("encoder/condition/kernel", tree)
