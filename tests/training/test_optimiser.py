"""The optimiser: orthogonal steps for matrices, Adam's for tables, one learning rate for both."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpcnet_cq.training.optimiser import make_optimiser, weight_dimensions


@pytest.fixture(scope="module")
def first_step():
    """Return the first updates of a matrix, a kernel, a bias and a table, all of unit learning rate."""
    random = np.random.default_rng(1)
    shapes = {"w1": (24, 8), "kernel": (3, 8, 16), "bias": (8,), "basis": (5, 5)}
    params = {k: jnp.asarray(random.standard_normal(s), jnp.float32) for k, s in shapes.items()}
    gradient = {k: jnp.asarray(1e-3 * random.standard_normal(s), jnp.float32) for k, s in shapes.items()}
    optimiser = make_optimiser()
    with jax.numpy_dtype_promotion("standard"):
        return gradient, jax.jit(lambda g, p: optimiser.update(g, optimiser.init(p), p)[0])(gradient, params)


def test_matrices_are_told_from_tables():
    zeros = {"w1": jnp.zeros((4, 2)), "kernel": jnp.zeros((3, 4, 2)), "bias": jnp.zeros(2), "skip": jnp.zeros((4, 2))}
    found = weight_dimensions(zeros | {"triangular": {"mean": jnp.zeros((2, 2))}})
    assert found["w1"].reduction_axis == (0,) and found["w1"].output_axis == 1
    assert found["kernel"].reduction_axis == (0, 1) and found["kernel"].output_axis == 2
    assert found["bias"] is None and found["skip"] is None and found["triangular"]["mean"] is None


@pytest.mark.parametrize("name", ["bias", "basis"])
def test_tables_take_adams_first_step(first_step, name):
    """With Nesterov's look ahead, b1 (1 - b1) / (1 - b1^2) more than the sign: T. Dozat (2016)."""
    gradient, update = first_step
    np.testing.assert_allclose(update[name], -(1 + 0.09 / 0.19) * np.sign(gradient[name]), rtol=1e-3)


@pytest.mark.parametrize("name", ["w1", "kernel"])
def test_matrices_take_steps_of_one_size_in_all_directions(first_step, name):
    """All singular values are about alike, the root mean square about 0.2, and it goes downhill."""
    gradient, update = (np.asarray(tree[name]).reshape(-1, tree[name].shape[-1]) for tree in first_step)
    singular = np.linalg.svd(update, compute_uv=False)
    assert singular.max() / singular.min() < 2
    assert 0.1 < np.sqrt(np.mean(update**2)) < 0.25
    assert np.sum(gradient * update) < 0
