"""Quantisers: soft in training, the nearest centroid otherwise, entropies by SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans
from scipy.stats import entropy

from lpcnet_cq.published.quantiser import (
    Centroids,
    clusters,
    entropy_bits,
    frame_bits,
    penalty,
    quantise,
    symbols,
)

ON, OFF = jnp.float32(1), jnp.float32(0)
B = np.array([-1.0, -0.2, 0.3, 1.0], np.float32)


def random(*shape):
    return np.random.default_rng(0).uniform(-1.2, 1.2, shape).astype(np.float32)


def test_hard_is_the_nearest_centroid():
    x, q = random(50), Centroids(B, 300.0)
    value, log_p = quantise(q, x, False, ON)
    nearest = np.abs(x[:, None] - B).argmin(axis=1)
    np.testing.assert_array_equal(symbols(log_p), nearest)
    np.testing.assert_array_equal(value, B[nearest])


def test_soft_is_the_mean_of_centroids_and_becomes_hard_with_alpha():
    x = random(50)
    p = np.exp(-3 * np.abs(x[:, None] - B))
    soft = (p / p.sum(axis=1, keepdims=True)) @ B
    np.testing.assert_allclose(quantise(Centroids(B, 3.0), x, True, ON)[0], soft, atol=1e-5)
    hard = quantise(Centroids(B, 3.0), x, False, ON)[0]
    np.testing.assert_allclose(quantise(Centroids(B, 1e6), x, True, ON)[0], hard, atol=1e-4)


def test_before_it_acts_it_lets_x_through():
    np.testing.assert_array_equal(quantise(Centroids(B, 300.0), random(20), True, OFF)[0], random(20))


@pytest.mark.parametrize("soft", [True, False])
def test_only_soft_assignments_pass_gradients(soft):
    def total(b, x):
        return quantise(Centroids(b, 5.0), x, soft, ON)[0].sum()

    of_b, of_x = jax.grad(total, argnums=(0, 1))(jnp.asarray(B), jnp.asarray(random(20)))
    assert bool((jnp.abs(of_b) > 0).all()) is soft
    assert bool((jnp.abs(of_x) > 0).any()) is soft


def test_penalty_is_nothing_for_hard_and_most_for_even_assignments():
    assert float(penalty(jnp.log(jnp.full((3, 4), 0.25)))) == pytest.approx(4 * 0.5 - 1)
    assert float(penalty(jnp.array([[0.0, -1e4, -1e4]]))) == 0
    gradient = jax.grad(lambda x: penalty(Centroids(B, 300.0).log_assignment(x)))(jnp.asarray(random(20)))
    assert np.isfinite(gradient).all()


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any))
def test_entropy_is_scipys(counts):
    p = np.array(counts, np.float32) / sum(counts)
    assert float(entropy_bits(p)) == pytest.approx(entropy(p, base=2), abs=1e-4)


def test_frame_bits_pool_codes_and_tell_lsfs_apart():
    """Position n of every frame has symbol n: two bits each when pooled, none by a table per position."""
    log_p = jnp.log(jnp.broadcast_to(jnp.eye(4) + 1e-30, (2, 5, 4, 4)))
    assert [float(v) for v in frame_bits(log_p, pooled=True)] == pytest.approx([8, 8], abs=1e-3)
    assert [float(v) for v in frame_bits(log_p, pooled=False)] == pytest.approx([0, 0], abs=1e-3)


def test_soft_and_hard_rates_differ_by_the_spread():
    log_p = jnp.log(jnp.broadcast_to(jnp.array([0.6, 0.4]), (1, 3, 2, 2)))
    soft, hard = frame_bits(log_p, pooled=True)
    assert float(soft) == pytest.approx(2 * entropy([0.6, 0.4], base=2), abs=1e-4)
    assert float(hard) == 0


def test_clusters_are_hardly_worse_than_the_best_of_scipys_twenty():
    z = np.concatenate([np.random.default_rng(1).normal(m, 0.3, 200) for m in (-4, 0, 1, 7)])
    ours = np.abs(z[:, None] - clusters(z, 6)).min(axis=1)
    _, theirs = kmeans(z, 6, seed=0)  # their mean distance
    assert ours.mean() < 1.2 * theirs
    assert (np.diff(clusters(z, 6)) > 0).all()


def test_clusters_of_one_value_stay():
    assert clusters(np.ones(10), 3).tolist() == [1, 1, 1]
