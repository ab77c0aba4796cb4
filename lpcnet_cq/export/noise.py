"""Uniform noise as ONNX nodes: exactly the values of `lpcnet_cq.light.noise`, in 64-bit integers."""

import numpy as np

from lpcnet_cq.export.graph import Tensor

FACTORS = (0x7FEB352D, 0x846CA68B - 2**32)  # modulo 2^32; products of 32 and 31 bits do not overflow


def uniform_noise(position: Tensor, n: int, channels: int) -> Tensor:
    """Return noise in [-1, 1), float32 (n, channels), for steps from an int64 position (1,) on, modulo 2^32."""
    h = (position * channels + np.arange(n * channels)) % 2**32
    for shift, factor in zip((16, 15), FACTORS, strict=True):
        h = h.op("BitwiseXor", h / 2**shift) * factor % 2**32
    h = h.op("BitwiseXor", h / 2**16) / 2**8
    return (h.astype(np.float32) * 2.0**-23 - 1).reshape(n, channels)
