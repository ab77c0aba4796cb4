"""Packets of frames: hard symbols, coded with static frequency tables and the range coder.

Place in the chain: last block of the encoder, first block of the decoder. A frame is one self-delimiting packet. It
contains the LSF symbols, with one table per LSF index, and then the codes, with one table per module. The model is of
order zero, as in the bit counts of the papers, but here the tables are fixed and the file contains all bits.

Letters: M order, n modules, K symbols of a frame.
"""

from collections.abc import Sequence

import numpy as np

from lpcnet_cq.bitstream.range_coder import TOTAL, RangeDecoder, RangeEncoder
from lpcnet_cq.published.config import SystemConfig

CODE, LSF = "code", "lsf"


def frequency_table(counts: np.ndarray) -> np.ndarray:
    """Return cumulative frequencies up to 2^16, int32 (n + 1,), proportional to counts (n,); no frequency is 0.

    Examples
    --------
    >>> frequency_table(np.array([3, 1, 0])).tolist()
    [0, 49151, 65535, 65536]
    """
    n = len(counts)
    share = counts / max(1, counts.sum())
    frequency = 1 + np.floor(share * (TOTAL - n)).astype(np.int64)
    frequency[np.argmax(frequency)] += TOTAL - frequency.sum()
    return np.concatenate([[0], np.cumsum(frequency)]).astype(np.int32)


def frequency_tables(s: np.ndarray, c: SystemConfig) -> dict[str, np.ndarray]:
    """Return frequency tables of the symbols s (T, K) of training frames: one per module and one per LSF index.

    Returns
    -------
    dict
        `code` (n, n_centroids + 1) and, with an LPC front end, `lsf` (M, n_lsf_centroids + 1), int32.
    """
    codes = np.split(s[:, c.n_lsf :], c.n_modules, axis=1)
    tables = {CODE: np.stack([frequency_table(np.bincount(v.ravel(), minlength=c.n_centroids)) for v in codes])}
    if c.n_lsf:
        lsf = s[:, : c.n_lsf].T
        tables[LSF] = np.stack([frequency_table(np.bincount(v, minlength=c.n_lsf_centroids)) for v in lsf])
    return tables


def layout(tables: dict[str, np.ndarray], c: SystemConfig) -> list[tuple[int, ...]]:
    """Return the tables of the K symbols of a frame, in the order of the packet."""
    lsf = [tuple(t) for t in tables[LSF].tolist()] if c.n_lsf else []
    return lsf + [tuple(t) for t in tables[CODE].tolist() for _ in range(c.n_code)]


def put_frame(places: Sequence[tuple[int, ...]], s: np.ndarray) -> bytes:
    """Return the packet of a frame's symbols (K,), given its `layout`."""
    encoder = RangeEncoder()
    for table, symbol in zip(places, s.tolist(), strict=True):
        encoder.encode(table[symbol], table[symbol + 1] - table[symbol])
    return encoder.finish()


def get_frame(places: Sequence[tuple[int, ...]], data: bytes, offset: int) -> tuple[np.ndarray, int]:
    """Return the symbols (K,) of the packet at `offset`, and the offset of the first byte after it.

    Raises
    ------
    BitstreamError
        If no encoder writes such bytes.
    """
    decoder = RangeDecoder(data, offset)
    s = np.array([decoder.decode(table) for table in places], np.int32)
    return s, decoder.finish()


def symbol_bits(tables: dict[str, np.ndarray], s: np.ndarray, c: SystemConfig) -> np.ndarray:
    """Return the ideal bits of every symbol of frames s (T, K), same shape."""
    bits = np.empty(s.shape)
    for k, table in enumerate(layout(tables, c)):
        bits[:, k] = np.log2(TOTAL / np.diff(table))[s[:, k]]
    return bits
