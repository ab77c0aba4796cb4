"""Quantisers: soft in training, the nearest centroid otherwise, bits by tables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpcnet_cq.published.quantiser import (
    RARE,
    Centroids,
    Relaxation,
    cluster_centres,
    frame_bits,
    penalty,
    quantise,
    symbols,
)


def relaxation(on=1.0, sharpness=1.0, hard=0.0):
    return Relaxation(*(jnp.float32(v) for v in (on, sharpness, hard)))


B = np.array([-1.0, -0.2, 0.3, 1.0], np.float32)


def random(*shape):
    return np.random.default_rng(0).uniform(-1.2, 1.2, shape).astype(np.float32)


def test_hard_is_the_nearest_centroid():
    x, q = random(50), Centroids(B, 300.0)
    value, log_p = quantise(q, x, None)
    nearest = np.abs(x[:, None] - B).argmin(axis=1)
    np.testing.assert_array_equal(symbols(log_p), nearest)
    np.testing.assert_array_equal(value, B[nearest])


def test_soft_is_the_mean_of_centroids_and_becomes_hard_with_alpha():
    x = random(50)
    p = np.exp(-3 * np.abs(x[:, None] - B))
    soft = (p / p.sum(axis=1, keepdims=True)) @ B
    np.testing.assert_allclose(quantise(Centroids(B, 3.0), x, relaxation())[0], soft, atol=1e-5)
    np.testing.assert_allclose(quantise(Centroids(B, 1.5), x, relaxation(sharpness=2.0))[0], soft, atol=1e-5)
    hard = quantise(Centroids(B, 3.0), x, None)[0]
    np.testing.assert_allclose(quantise(Centroids(B, 1e6), x, relaxation())[0], hard, atol=1e-4)


def test_before_it_acts_it_lets_x_through():
    np.testing.assert_array_equal(quantise(Centroids(B, 300.0), random(20), relaxation(on=0.0))[0], random(20))


def gradients(how):
    def total(b, x):
        return quantise(Centroids(b, 5.0), x, how)[0].sum()

    return jax.grad(total, argnums=(0, 1))(jnp.asarray(B), jnp.asarray(random(20)))


@pytest.mark.parametrize("how", [None, relaxation()])
def test_only_acting_quantisers_pass_gradients(how):
    for gradient in gradients(how):
        assert bool((jnp.abs(gradient) > 0).all()) is (how is not None)


def test_hard_symbols_pass_gradients_straight_to_x_and_to_the_chosen_centroids():
    x, q = random(20), Centroids(B, 5.0)
    value, log_p = quantise(q, x, relaxation(hard=1.0))
    np.testing.assert_allclose(value, quantise(q, x, None)[0], atol=1e-6)
    for_b, for_x = gradients(relaxation(hard=1.0))
    np.testing.assert_allclose(for_x, np.ones(20), atol=1e-6)
    np.testing.assert_allclose(for_b, np.bincount(symbols(log_p), minlength=len(B)), atol=1e-5)


def test_hard_symbols_have_no_gradient_for_alpha():
    def total(alpha):
        return quantise(Centroids(B, alpha), jnp.asarray(random(20)), relaxation(hard=1.0))[0].sum()

    assert float(jax.grad(total)(5.0)) == 0


@pytest.mark.parametrize("hard", [0.0, 1.0])
def test_values_beyond_all_centroids_are_led_back(hard):
    """Their assignments are hard and do not move; without a gradient of their own they would stay out for good."""
    q = Centroids(B, 300.0)
    x = jnp.array([-3.0, -1.5, 1.01, 7.0])
    gradient = jax.grad(lambda x: quantise(q, x, relaxation(hard=hard))[0] @ jnp.array([1.0, 2.0, 3.0, 4.0]))(x)
    np.testing.assert_allclose(gradient, [1, 2, 3, 4], atol=1e-3)
    np.testing.assert_allclose(quantise(q, x, relaxation(hard=hard))[0], [-1, -1, 1, 1], atol=1e-5)


def test_penalty_is_nothing_for_hard_and_most_for_even_assignments():
    assert float(penalty(jnp.log(jnp.full((3, 4), 0.25)))) == pytest.approx(4 * 0.5 - 1)
    assert float(penalty(jnp.array([[0.0, -1e4, -1e4]]))) == 0
    gradient = jax.grad(lambda x: penalty(Centroids(B, 300.0).log_assignment(x)))(jnp.asarray(random(20)))
    assert np.isfinite(gradient).all()


def test_bits_are_counted_by_a_table_for_all_positions_or_one_for_each():
    """Position n of every frame has symbol n: two bits each by even shares, none by a table per position."""
    log_p = jnp.log(jnp.broadcast_to(jnp.eye(4) + 1e-30, (2, 5, 4, 4)))
    soft, hard, shares = frame_bits(log_p, jnp.full(4, 0.25))
    assert [float(soft), float(hard), *shares.tolist()] == pytest.approx([8, 8] + 4 * [0.25], abs=1e-3)
    soft, hard, shares = frame_bits(log_p, jnp.eye(4))
    assert [float(soft), float(hard)] == pytest.approx([0, 0], abs=1e-3)
    np.testing.assert_array_equal(shares, np.eye(4))


def test_soft_bits_count_every_assignment_and_hard_ones_the_likeliest():
    log_p, table = jnp.log(jnp.broadcast_to(jnp.array([0.6, 0.4]), (1, 3, 2, 2))), jnp.array([0.5, 0.125])
    soft, hard, _ = frame_bits(log_p, table)
    assert [float(soft), float(hard)] == pytest.approx([2 * (0.6 * 1 + 0.4 * 3), 2 * 1], abs=1e-5)


def test_a_symbol_never_seen_costs_bits():
    _, hard, _ = frame_bits(jnp.log(jnp.broadcast_to(jnp.array([0.0, 1.0]) + 1e-30, (1, 1, 1, 2))), jnp.array([1.0, 0]))
    assert float(hard) == pytest.approx(-np.log2(RARE), rel=1e-5)


def test_every_centroid_is_the_mean_of_the_values_nearest_to_it():
    z = np.random.default_rng(1).laplace(size=800)
    found = cluster_centres(z, 6, rounds=100)
    nearest = np.abs(z[:, None] - found).argmin(axis=1)
    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose([z[nearest == k].mean() for k in range(6)], found, rtol=1e-12)


def test_clusters_of_one_value_stay():
    assert cluster_centres(np.ones(10), 3).tolist() == [1, 1, 1]
