"""Uniform noise for decoders in NumPy: exactly the values of `lpcnet_cq.nn.noise`."""

import numpy as np


def uniform_noise(position: int, n: int, channels: int) -> np.ndarray:
    """Return noise in [-1, 1), float32 (n, channels), for steps `position` to `position + n - 1`, modulo 2^32.

    References
    ----------
    M. Jarzynski and M. Olano, "Hash functions for GPU rendering", JCGT 9 (2020); the finaliser is the 32-bit one of
    C. Wellons' hash-prospector (2018).

    Examples
    --------
    >>> bool(np.array_equal(uniform_noise(2, 3, 4), uniform_noise(0, 5, 4)[2:]))
    True
    """
    first = np.uint32(position * channels % 2**32)
    h = first + np.arange(n * channels, dtype=np.uint32)
    h ^= h >> 16
    h *= np.uint32(0x7FEB352D)
    h ^= h >> 15
    h *= np.uint32(0x846CA68B)
    h ^= h >> 16
    h >>= 8
    noise = h.astype(np.float32)
    noise *= np.float32(2.0**-23)
    noise -= np.float32(1)
    return noise.reshape(n, channels)
