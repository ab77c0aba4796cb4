"""Uniform noise for the decoder, which is the same in every decoder.

An integer hash computes the noise from the position in the stream. Therefore the noise costs no bits, and it does not
depend on chunk sizes or on the machine. The decoder network shapes it to replace noise-like details that are not coded.
"""

import jax
import jax.numpy as jnp


def uniform_noise(position: jax.Array, n: int, channels: int) -> jax.Array:
    """Return noise in [-1, 1), shape (n, channels), for steps `position` to `position + n - 1`.

    References
    ----------
    M. Jarzynski and M. Olano, "Hash functions for GPU rendering", JCGT 9 (2020); the finaliser is the 32-bit one of
    C. Wellons' hash-prospector (2018).
    """
    t = position.astype(jnp.uint32) + jnp.arange(n, dtype=jnp.uint32)
    h = t[:, None] * jnp.uint32(channels) + jnp.arange(channels, dtype=jnp.uint32)[None]
    h = (h ^ (h >> 16)) * jnp.uint32(0x7FEB352D)
    h = (h ^ (h >> 15)) * jnp.uint32(0x846CA68B)
    h = h ^ (h >> 16)
    return (h >> 8).astype(jnp.float32) * jnp.float32(2.0**-23) - 1.0
