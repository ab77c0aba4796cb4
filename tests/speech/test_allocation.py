"""The allocation of noise: no change to start from, the peak by its recursion, chunks, bounds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.speech.allocation import Allocation, recent_peak
from lpcnet_cq.speech.constants import MAX_LOG_FACTOR, PEAK_DECAY, START_LEVEL

S, D, C = 5, 8, 3


@pytest.fixture(scope="module")
def material():
    random = np.random.default_rng(1)
    cond = jnp.asarray(random.standard_normal((2, 4 * S, C)), jnp.float32)
    return cond, jnp.asarray(random.uniform(-9, -2, (2, 4 * S)), jnp.float32)


@pytest.fixture
def trained():
    """Return a module whose second matrix is not the zeros that training starts from."""
    module = Allocation(C, S, D, rngs=nnx.Rngs(0))
    module.w2[...] = 0.2 * jax.random.normal(jax.random.key(1), module.w2.shape)
    return module


def test_starts_from_w_alone(material):
    module = Allocation(C, S, D, rngs=nnx.Rngs(0))
    _, y = module(module.start(2), *material)
    assert y.shape == (2, 4 * S, D)
    np.testing.assert_array_equal(y, 0)


def test_peak_is_its_recursion(material):
    _, g = material
    expected, before = [], np.full(2, START_LEVEL)
    for t in range(g.shape[1]):
        before = np.maximum(g[:, t], before - PEAK_DECAY)
        expected.append(before)
    np.testing.assert_allclose(recent_peak(jnp.full((2, 1), START_LEVEL), g), np.stack(expected, 1), atol=1e-5)


def test_peak_is_forgotten_by_ten_decibels_a_second():
    silence = jnp.full((1, 250), -16.0)  # one second of subframes
    peak = recent_peak(jnp.zeros((1, 1)), silence)
    assert 20 * np.log10(np.e) * float(peak[0, -1]) == pytest.approx(-10, abs=1)


def test_chunks_are_the_whole(material, trained):
    cond, g = material
    _, whole = trained(trained.start(2), cond, g)
    state, first = trained(trained.start(2), cond[:, :S], g[:, :S])
    _, second = trained(state, cond[:, S:], g[:, S:])
    np.testing.assert_allclose(jnp.concatenate([first, second], axis=1), whole, atol=1e-5)


def test_sees_its_packet_and_the_one_before(material, trained):
    cond, g = material
    _, y = trained(trained.start(2), cond, g)
    _, other = trained(trained.start(2), cond.at[:, 2 * S].add(1.0), g)
    changed = np.abs(other - y).max(axis=(0, 2)).reshape(4, S) > 1e-6
    np.testing.assert_array_equal(changed.any(axis=1), [False, False, True, True])
    assert changed[2].all()  # what a packet says of its first subframe is known to all of it


def test_factors_are_bounded(material, trained):
    cond, g = material
    _, y = trained(trained.start(2), 1e3 * cond, g)
    assert float(jnp.abs(y).max()) == MAX_LOG_FACTOR


def test_level_is_told_against_the_peak(trained):
    """In a pause the level below the peak is what differs from a soft voice: same gains, another past."""
    cond, g = jnp.zeros((1, S, C)), jnp.full((1, S), -8.0)
    start = trained.start(1)
    _, soft = trained(start | {"peak": jnp.full((1, 1), -8.0)}, cond, g)
    _, pause = trained(start | {"peak": jnp.full((1, 1), -3.0)}, cond, g)
    assert np.abs(soft - pause).max() > 1e-3
