"""Range decoder of whole vectors of integers, in plain Python.

Place in the chain: between the bytes of a packet and `packet_reader`. The arithmetic is that of `range_coder`, written
out in the loops, because a call per symbol would take most of the time. Most integers are zero. Therefore the reader
first tests whether the code is within the interval of zero, and searches the table only where it is not. `vector_sums`
has the sums that select the tables; they change only after an integer that is not zero.

Letters: n integers of a vector; R, low and code as in `range_coder`.
"""

from bisect import bisect_right

import numpy as np

from lpcnet_cq.bitstream.frequency_tables import ESCAPE, HALF_WIDTH, MEAN_BITS
from lpcnet_cq.bitstream.packet import LIMIT
from lpcnet_cq.bitstream.range_coder import BOTTOM, TOP_BITS, TOTAL, TOTAL_BITS
from lpcnet_cq.bitstream.symbol_tables import FRACTION_MASK, N_MEANS, SymbolTables
from lpcnet_cq.bitstream.vector_sums import FIRST_FLOOR, VectorSums
from lpcnet_cq.errors import BitstreamError

HEAD_BYTES = TOP_BITS // 8
NO_SYMBOL = "a packet is damaged: its code belongs to no symbol"
BEYOND = f"a packet is damaged: it holds an integer beyond {LIMIT}"
TRUNCATED = "a packet is truncated"
LAST_BYTES = "a packet is damaged: no encoder writes its last bytes"


class VectorReader:
    """Read the symbols of packets.

    Parameters
    ----------
    tables : SymbolTables
    data : bytes
        One or more packets, and behind them zero bytes, more than a packet can read.
    offset : int
        Index of the first byte of the packet.
    """

    def __init__(self, tables: SymbolTables, data: bytes, offset: int):
        self._tables, self._data = tables, data
        self.open(offset)

    def open(self, offset: int) -> None:
        """Start with the packet or layer at an offset."""
        self._position = offset + HEAD_BYTES
        self._above, self._R = int.from_bytes(self._data[offset : self._position], "big"), 1 << TOP_BITS

    def symbol(self, cumulative: list[int]) -> int:
        """Return the next symbol; `cumulative` holds the starts of all symbols, followed by 65536.

        Raises
        ------
        BitstreamError
            If no encoder writes such bytes.
        """
        slot = self._above // (self._R >> TOTAL_BITS)
        if slot >= TOTAL:
            raise BitstreamError(NO_SYMBOL)
        symbol = bisect_right(cumulative, slot) - 1
        self._narrow(cumulative[symbol], cumulative[symbol + 1] - cumulative[symbol])
        return symbol

    def _bits(self, n_bits: int) -> int:
        """Return the next integer of n_bits (0..15) equally likely bits."""
        slot = self._above // (self._R >> TOTAL_BITS)
        if slot >= TOTAL:
            raise BitstreamError(NO_SYMBOL)
        shift = TOTAL_BITS - n_bits
        self._narrow(slot >> shift << shift, 1 << shift)
        return slot >> shift

    def _narrow(self, begin: int, frequency: int) -> None:
        r = self._R >> TOTAL_BITS
        above, R = self._above - r * begin, r * frequency
        while R < BOTTOM:
            above, R = above << 8 | self._data[self._position], R << 8
            self._position += 1
        self._above, self._R = above, R

    def vector(self, sums: VectorSums, values: np.ndarray) -> None:
        """Read the next integers; those that are not zero are written to `values` (n,).

        Raises
        ------
        BitstreamError
            If no encoder writes such bytes.
        """
        zeros, rows, data, k, n = self._tables.zeros, self._tables.rows, self._data, 0, len(values)
        above, R, position = self._above, self._R, self._position
        while k < n:
            means, scales = sums.ahead(k)
            try:
                for mean, scale in zip(means, scales):  # noqa: B905 - strict takes longer
                    begin, frequency = zeros[scale][mean]
                    r = R >> TOTAL_BITS
                    rest, width = above - r * begin, r * frequency
                    if not 0 <= rest < width:
                        break
                    k += 1
                    above = rest
                    R = width
                    while R < BOTTOM:
                        above, R, position = above << 8 | data[position], R << 8, position + 1
                else:
                    continue
            except LookupError:
                if self._tables.add_zeros(scale):
                    continue
                r = R >> TOTAL_BITS
            slot = above // r
            if slot >= TOTAL:
                raise BitstreamError(NO_SYMBOL)
            row = rows[scale][mean & FRACTION_MASK]
            symbol = bisect_right(row, slot) - 1
            above, R = above - r * row[symbol], r * (row[symbol + 1] - row[symbol])
            while R < BOTTOM:
                above, R, position = above << 8 | data[position], R << 8, position + 1
            distance = symbol - HALF_WIDTH
            if symbol == ESCAPE:
                distance, above, R, position = self._escape(above, R, position)
            values[k] = value = (mean >> MEAN_BITS) + FIRST_FLOOR + distance
            if not -LIMIT <= value <= LIMIT:
                raise BitstreamError(BEYOND)
            sums.put(k, value)
            k += 1
        self._above, self._R, self._position = above, R, position

    def _escape(self, above: int, R: int, position: int) -> tuple[int, int, int, int]:
        """Read a distance that is outside the tables, in the format of `packet`; return it and the next state."""
        self._above, self._R, self._position = above, R, position
        head = self._bits(5)
        beyond = (1 << (head >> 1)) + self._bits(head >> 1) + HALF_WIDTH
        return -beyond if head & 1 else beyond, self._above, self._R, self._position

    def refined(self, sums: VectorSums, coarse: list[int]) -> list[int]:
        """Return the integers 3 m + (-1, 0 or 1) of an enhancement layer, given the coarser integers m.

        Raises
        ------
        BitstreamError
            If no encoder writes such bytes.
        """
        middles, rows, values, k = self._tables.middles, self._tables.rows, [0] * len(coarse), 0
        while k < len(coarse):
            for mean, scale in zip(*sums.ahead(k), strict=True):
                m = coarse[k]
                if m or not 0 <= mean < N_MEANS or not self._takes(*middles[scale][mean]):
                    break
                k += 1
            else:
                continue
            row = rows[scale][mean & FRACTION_MASK]
            first = 3 * m - 1 - (mean >> MEAN_BITS) - FIRST_FLOOR + HALF_WIDTH
            f = [row[i + 1] - row[i] if 0 <= i < ESCAPE else 1 for i in (first, first + 1, first + 2)]
            low, high = (1 + v * (TOTAL - 3) // sum(f) for v in (f[0], f[2]))
            values[k] = value = 3 * m - 1 + self.symbol([0, low, TOTAL - high, TOTAL])
            if not -LIMIT <= value <= LIMIT:
                raise BitstreamError(BEYOND)
            sums.put(k, value)
            k += 1
        return values

    def _takes(self, begin: int, frequency: int) -> bool:
        """Read the next symbol if it is the one with this begin and frequency."""
        r = self._R >> TOTAL_BITS
        if not 0 <= self._above - r * begin < r * frequency:
            return False
        self._narrow(begin, frequency)
        return True

    def close(self, n_bytes: int) -> int:
        """Return the offset of the first byte after the packet or layer, see `range_coder.shortest_within`.

        Raises
        ------
        BitstreamError
            If it ends after `n_bytes`, or no encoder writes its last bytes.
        """
        start = self._position - HEAD_BYTES
        code = int.from_bytes(self._data[start : self._position], "big")
        low = (code - self._above) & ((1 << TOP_BITS) - 1)
        for extra in (0, 1, 2):
            unit = 1 << (TOP_BITS - 8 * extra)
            up = -low & (unit - 1)
            if up + unit <= self._R:
                break
        if start + extra > n_bytes:
            raise BitstreamError(TRUNCATED)
        if self._above - (code & (unit - 1)) != up:
            raise BitstreamError(LAST_BYTES)
        return start + extra
