"""Uniform noise for decoders in NumPy: exactly the values of `lpcnet_cq.nn.noise`."""

import numpy as np

# arrays without axes: NumPy takes longer to convert a number than to combine it with the values of a packet
SHIFTS, FACTORS = ([np.array(n, np.uint32) for n in row] for row in ((16, 15, 8), (0x7FEB352D, 0x846CA68B)))
UNIT, ONE = np.array(2.0**-23, np.float32), np.array(1, np.float32)


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
    h ^= h >> SHIFTS[0]
    h *= FACTORS[0]
    h ^= h >> SHIFTS[1]
    h *= FACTORS[1]
    h ^= h >> SHIFTS[0]
    h >>= SHIFTS[2]
    noise = h.astype(np.float32)
    noise *= UNIT
    noise -= ONE
    return noise.reshape(n, channels)
