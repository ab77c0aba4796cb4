"""Noise of the decoder: uniform, the same for every chunking and on every machine."""

import jax.numpy as jnp
import numpy as np
from scipy.stats import kstest

from lpcnet_cq.nn.noise import uniform_noise


def noise(position, n, channels=4):
    return np.asarray(uniform_noise(jnp.uint32(position), n, channels))


def hashed(i):
    """Work the hash out with Python's integers."""
    h = i
    h = (h ^ h >> 16) * 0x7FEB352D % 2**32
    h = (h ^ h >> 15) * 0x846CA68B % 2**32
    h = h ^ h >> 16
    return (h >> 8) / 2**23 - 1


def test_values_are_those_of_the_hash():
    np.testing.assert_array_equal(noise(1000, 3), np.reshape([hashed(4000 + i) for i in range(12)], (3, 4)))


def test_pinned_values():
    """Any change here changes what old streams sound like."""
    pinned = [[0, 6850960, 13701921], [5501417, 14253662, 6047189]]  # in units of 2**-23, from -1 up
    np.testing.assert_array_equal((noise(0, 2, 3) + 1) * 2.0**23, pinned)


def test_uniform_and_white():
    x = noise(12345, 20000)
    assert x.dtype == np.float32 and x.min() >= -1 and x.max() < 1
    assert kstest(x.ravel(), "uniform", (-1, 2)).pvalue > 0.01
    assert np.abs(x.mean(axis=0)).max() < 4 * (1 / 3 / 20000) ** 0.5
    correlation = np.corrcoef(np.concatenate([x[1:], x[:-1]], axis=1).T)
    assert np.abs(correlation - np.eye(8)).max() < 4.5 / 20000**0.5


def test_chunks_are_the_whole():
    whole = noise(7, 60)
    parts = [noise(7, 20), noise(27, 1), noise(28, 39)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_position_wraps_around_without_a_jump():
    np.testing.assert_array_equal(noise(2**32 - 2, 4)[2:], noise(0, 2))
