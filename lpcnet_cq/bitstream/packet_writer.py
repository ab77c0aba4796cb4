"""Range encoder of many packets at once: the bytes of `range_coder.RangeEncoder`, with one NumPy call per symbol.

Place in the chain: last block of the encoder of files, behind `packet`. Packets are independent of each other, so that
the k-th symbols of all packets are coded together. The intervals begin at sums of up to thousands of bits; terms are
gathered by the bytes at which they begin, and carried at the end.

Letters: T packets, n symbols; R, low and m as in `range_coder`.
"""

import numpy as np

from lpcnet_cq.bitstream.range_coder import BOTTOM, TOP_BITS, TOTAL_BITS, shortest_within

HALF_BITS = TOP_BITS // 2  # sums of halves of terms are exact in doubles
TOP_BYTES = TOP_BITS // 8


def encode_packets(begin: np.ndarray, frequency: np.ndarray) -> list[bytes]:
    r"""Return the bytes of packets.

    Parameters
    ----------
    begin, frequency : int64 arrays (T, n)
        Slots of the symbols of each packet, as for `RangeEncoder.encode_run`.

    Examples
    --------
    >>> encode_packets(np.array([[16384], [0]]), np.array([[32768], [65536]]))
    [b'@', b'']
    """
    T, n = begin.shape
    R, m = np.full(T, 1 << TOP_BITS), np.zeros(T, np.int64)
    terms, places = np.empty((n, T), np.int64), np.empty((n, T), np.int64)
    for i, (first, width) in enumerate(zip(begin.T.copy(), frequency.T.copy(), strict=True)):
        R >>= TOTAL_BITS
        np.multiply(R, first, out=terms[i])
        places[i] = m
        R *= width
        shifts = (R < BOTTOM).view(np.int8) + (R < BOTTOM >> 8)  # r is at least 2^24, so that two are enough
        R <<= 8 * shifts
        m += shifts
    digits = _bytes_of_sums(terms, places, int(m.max(initial=0)) + TOP_BYTES)
    sizes = zip(digits, R.tolist(), m.tolist(), strict=True)
    return [shortest_within(int.from_bytes(row[: k + TOP_BYTES].tobytes(), "big"), r, k) for row, r, k in sizes]


def _bytes_of_sums(terms: np.ndarray, places: np.ndarray, n_bytes: int) -> np.ndarray:
    """Return the sum of the terms of each packet, uint8 (T, n_bytes), where a term's first byte is at its place."""
    T = terms.shape[1]
    at = (places + n_bytes * np.arange(T)).ravel()
    halves = terms >> HALF_BITS, terms & ((1 << HALF_BITS) - 1)
    high, low = (np.bincount(at, half.ravel(), T * n_bytes).astype(np.int64).reshape(T, n_bytes) for half in halves)
    sums, digits = (high << HALF_BITS) + low, np.zeros((n_bytes, T), np.int64)
    for i in range(TOP_BYTES):
        byte = sums >> (TOP_BITS - 8 * (i + 1))
        digits[i:] += (byte if i == 0 else byte & 0xFF)[:, : n_bytes - i].T
    for i in range(n_bytes - 1, 0, -1):
        digits[i - 1] += digits[i] >> 8
    return (digits & 0xFF).astype(np.uint8).T.copy()
