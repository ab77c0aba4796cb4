"""Quantisers: soft at one end, hard at the other, and a lattice whose two ways undo each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpcnet_cq.nn.quantize import TransformQuantiser, latent_steps, soft_to_hard

V = jnp.asarray([[-1.7, -0.2, 0.4, 2.6]])


def lattice(M=5, scale=0.02):
    random = np.random.default_rng(1)
    mean, basis = random.standard_normal(M), np.eye(M) + 0.2 * random.standard_normal((M, M))
    return TransformQuantiser(mean, basis, scale), random


def test_hardness_leads_from_the_value_to_the_integer():
    np.testing.assert_array_equal(soft_to_hard(V, 0.0), V)
    np.testing.assert_array_equal(soft_to_hard(V, 1.0), [[-2, 0, 0, 3]])
    np.testing.assert_allclose(soft_to_hard(V, 0.5), [[-1.85, -0.1, 0.2, 2.8]], atol=1e-6)


@pytest.mark.parametrize("hardness", [0.0, 0.5, 1.0])
def test_gradient_passes_straight_through(hardness):
    gradient = jax.grad(lambda v: jnp.sum(soft_to_hard(v, hardness) ** 2))(V)
    np.testing.assert_allclose(gradient, 2 * soft_to_hard(V, hardness), rtol=1e-6)


def test_lattice_ways_undo_each_other():
    q, random = lattice()
    w = random.standard_normal((2, 3, 5)).astype(np.float32)
    np.testing.assert_allclose(q.synthesise(q.analyse(w)), w, atol=1e-5)
    n = random.integers(-20, 20, (2, 3, 5)).astype(np.float32)
    np.testing.assert_allclose(q.analyse(q.synthesise(n)), n, atol=1e-4)


def test_codeword_is_mean_plus_columns_of_the_basis():
    q, _ = lattice()
    basis = np.asarray(q.basis[...]) * 0.02
    n = np.asarray([[[1.0, 0, -2, 0, 0]]], np.float32)
    np.testing.assert_allclose(
        q.synthesise(n)[0, 0], np.asarray(q.mean[...]) + basis[:, 0] - 2 * basis[:, 2], atol=1e-5
    )


def test_rounding_error_of_a_diagonal_lattice_is_half_a_step_at_most():
    random = np.random.default_rng(2)
    steps = np.asarray([0.5, 0.1, 2.0])
    q = TransformQuantiser(np.zeros(3), np.diag(steps), 0.1)
    w = random.standard_normal((1, 200, 3)).astype(np.float32)
    error = np.abs(q.synthesise(jnp.round(q.analyse(w))) - w)
    assert (error <= 0.5 * steps + 1e-5).all() and (error.max(axis=(0, 1)) > 0.45 * steps).all()


def test_basis_is_stored_in_its_unit():
    """A basis of 0.06 in units of 0.02 is 3: relative learning steps do not hang on the size of the basis."""
    quantiser = TransformQuantiser(np.zeros(2), 0.06 * np.eye(2), 0.02)
    np.testing.assert_allclose(quantiser.basis[...], 3 * np.eye(2), rtol=1e-6)


def test_latent_steps_are_geometric_with_one_in_the_middle():
    np.testing.assert_allclose(latent_steps(11, 1.15), 1.15 ** np.arange(-5.0, 6.0), rtol=1e-5)
