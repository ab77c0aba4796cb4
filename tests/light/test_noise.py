"""Noise in NumPy: exactly that of JAX, also where positions wrap."""

import jax.numpy as jnp
import numpy as np
import pytest

from lpcnet_cq.light.noise import uniform_noise
from lpcnet_cq.nn import noise


@pytest.mark.parametrize("position", [0, 77, 2**30 + 5, 2**31 - 3, 2**32 - 2])
def test_noise_is_that_of_jax(position):
    expected = noise.uniform_noise(jnp.uint32(position), 50, 4)
    found = uniform_noise(position, 50, 4)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
