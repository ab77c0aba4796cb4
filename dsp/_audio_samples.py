"""Decode uncompressed and logarithmic samples of audio files: integers, floats, A-law and mu-law.

Place in the chain: after `_audio_headers`, which finds the samples and their encoding. Encodings are dtype strings of
NumPy, and in addition `<i3` and `>i3` for 24-bit integers, `alaw`, and `ulaw`. Delay: none.
"""

from collections.abc import Iterator

import numpy as np

BLOCK_SAMPLES = 1 << 17  # samples of a block, summed over all channels
WIDTHS = {name: 1 for name in ("u1", "i1", "alaw", "ulaw")} | {
    order + kind: int(kind[1]) for order in "<>" for kind in ("i2", "i3", "i4", "f4", "f8")
}
"""Bytes per sample of one channel for every encoding."""


def sample_blocks(data, start: int, n_bytes: int, encoding: str, channels: int) -> Iterator[np.ndarray]:
    """Yield float32 blocks (n, channels) of the samples in data[start : start + n_bytes], full scale 1.

    An incomplete sample at the end is ignored.
    """
    width = WIDTHS[encoding] * channels
    step = max(1, BLOCK_SAMPLES // channels) * width
    end = start + n_bytes // width * width
    for at in range(start, end, step):
        yield to_float(data[at : min(at + step, end)], encoding).reshape(-1, channels)


def to_float(raw: bytes, encoding: str) -> np.ndarray:
    """Return samples as float32, full scale 1.

    Examples
    --------
    >>> to_float(bytes([0, 128, 255]), "u1").tolist()
    [-1.0, 0.0, 0.9921875]
    """
    if encoding in ("alaw", "ulaw"):
        return (_alaw() if encoding == "alaw" else _ulaw())[np.frombuffer(raw, np.uint8)]
    if encoding[1:] == "i3":
        padded = np.zeros((len(raw) // 3, 4), np.uint8)
        lowest = int(encoding[0] == "<")  # the added byte is the least significant one
        padded[:, lowest : lowest + 3] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        x = padded.view(encoding[0] + "i4")[:, 0]
    else:
        x = np.frombuffer(raw, encoding)
    if x.dtype.kind == "f":
        with np.errstate(over="ignore"):
            y = x.astype(np.float32)
        # Finite values stay finite: the caller refuses them as too large.
        return np.where(np.isinf(y) & np.isfinite(x), np.copysign(np.finfo(np.float32).max, y), y)
    if encoding == "u1":
        return (x.astype(np.float32) - 128) / 128
    return (x / np.float64(2.0 ** (8 * x.dtype.itemsize - 1))).astype(np.float32)


def _ulaw() -> np.ndarray:
    """Return the values of the 256 codes of G.711 mu-law; full scale is 2^13."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(int)
    magnitude = ((2 * mantissa + 33) << exponent) - 33
    return (np.where(code & 128, -magnitude, magnitude) / 8192).astype(np.float32)


def _alaw() -> np.ndarray:
    """Return the values of the 256 codes of G.711 A-law; full scale is 2^12."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(int)
    magnitude = np.where(exponent, (2 * mantissa + 33) << np.maximum(exponent, 1) - 1, 2 * mantissa + 1)
    return (np.where(code & 128, magnitude, -magnitude) / 4096).astype(np.float32)
