"""Range coder: codes symbols with integer frequencies into the bytes of one packet, and decodes them.

Place in the chain: last block of the encoder, first block of the decoder. All arithmetic is on integers, so that every
machine decodes the same symbols. Bits: the ideal code length to within 2**-23 bit per symbol, plus the rounding of a
packet to whole bytes (4.6 bits per packet on average). Delay: none.

The state of a packet is the interval [low, low + R) within [0, 1), both in units of 2**-(48 + 8m) after m bytes have
been shifted out. A symbol with frequency f of 2**16 and start c narrows the interval (Martin 1979; Python's integers
handle the carry):

    r = R >> 16,    low += r c,    R = r f,    then (low, R) *= 256 and m += 1 while R < 2**40.

The bytes of a packet are the shortest byte string for which every continuation lies within the final interval; among
several of this length, the smallest. Therefore packets need no length field: the decoder computes the same (low, R)
and, after the last symbol, the bytes that the encoder wrote. It compares them with the data, which detects some errors.

References
----------
G. N. N. Martin, "Range encoding: an algorithm for removing redundancy from a digitised message" (1979).
"""

from bisect import bisect_right
from collections.abc import Sequence

from lpcnet_cq.errors import BitstreamError

TOTAL_BITS = 16
TOTAL = 1 << TOTAL_BITS  # sum of the frequencies of every table
TOP_BITS = 48  # R <= 2**48, which is two digits of a Python integer
BOTTOM = 1 << (TOP_BITS - 8)


class RangeEncoder:
    """Encode the symbols of one packet.

    Examples
    --------
    >>> encoder = RangeEncoder()
    >>> encoder.encode(start=16384, freq=32768)
    >>> encoder.encode_bits(5, 3)
    >>> encoder.finish().hex()
    '90'
    """

    def __init__(self) -> None:
        self._low, self._range, self._shifted = 0, 1 << TOP_BITS, 0

    def encode(self, start: int, freq: int) -> None:
        """Add a symbol that occupies the slots [start, start + freq) of 65536.

        Parameters
        ----------
        start : int
            Sum of the frequencies of the symbols before it, 0..65535.
        freq : int
            Frequency of the symbol, 1..65536 - start.

        Raises
        ------
        ValueError
            If the slots are empty or lie outside 0..65536.
        """
        start, freq = int(start), int(freq)  # NumPy integers would overflow
        if not 0 <= start < start + freq <= TOTAL:
            raise ValueError(f"start {start} with freq {freq} must be one or more of the slots 0..{TOTAL - 1}")
        r = self._range >> TOTAL_BITS
        self._low += r * start
        R = r * freq
        while R < BOTTOM:
            self._low <<= 8
            R <<= 8
            self._shifted += 1
        self._range = R

    def encode_run(self, starts: Sequence[int], freqs: Sequence[int]) -> None:
        """Add several symbols as `encode` does, without its checks; lists of Python integers are fastest."""
        low, R, shifted = self._low, self._range, self._shifted
        for start, freq in zip(starts, freqs, strict=True):
            r = R >> TOTAL_BITS
            low += r * start
            R = r * freq
            while R < BOTTOM:
                low <<= 8
                R <<= 8
                shifted += 1
        self._low, self._range, self._shifted = low, R, shifted

    def encode_bits(self, value: int, n_bits: int) -> None:
        """Add an integer of n_bits equally likely bits, which costs exactly n_bits.

        Parameters
        ----------
        value : int
            0..2**n_bits - 1.
        n_bits : int
            0..16.

        Raises
        ------
        ValueError
            If value does not fit n_bits or n_bits is outside 0..16.
        """
        if not 0 <= n_bits <= TOTAL_BITS or not 0 <= value < 1 << n_bits:
            raise ValueError(f"value {value} must fit n_bits {n_bits}, and n_bits must be 0..{TOTAL_BITS}")
        self.encode(value << (TOTAL_BITS - n_bits), 1 << (TOTAL_BITS - n_bits))

    def finish(self) -> bytes:
        """Return the packet: the shortest byte string for which every continuation decodes to the symbols."""
        return shortest_within(self._low, self._range, self._shifted)


class RangeDecoder:
    """Decode the symbols of the packet that starts at an offset of data.

    Parameters
    ----------
    data : bytes
        One or more concatenated packets.
    offset : int
        Index of the packet's first byte, 0..len(data).

    Examples
    --------
    >>> decoder = RangeDecoder(bytes.fromhex("90 ff"))
    >>> decoder.decode((0, 16384, 49152, 65536)), decoder.decode_bits(3)
    (1, 5)
    >>> decoder.finish()
    1
    """

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self._data, self._start = data, offset
        self._position = offset + TOP_BITS // 8  # index of the next byte to read
        self._range = 1 << TOP_BITS
        head = data[offset : self._position]
        self._above = int.from_bytes(head, "big") << (TOP_BITS - 8 * len(head))  # code - low

    def decode(self, cumulative: Sequence[int]) -> int:
        """Return the next symbol, an index 0..len(cumulative) - 2.

        Parameters
        ----------
        cumulative : sequence of int
            Starts of all symbols, ascending from 0, followed by 65536. The values are not checked; a tuple of Python
            integers is fastest.

        Raises
        ------
        BitstreamError
            If no encoder writes such bytes.
        """
        r = self._range >> TOTAL_BITS
        slot = self._above // r
        if slot >= TOTAL:  # the remainder of R / 2**16 belongs to no symbol
            raise BitstreamError(f"the packet at byte {self._start} is damaged: its code belongs to no symbol")
        symbol = bisect_right(cumulative, slot) - 1
        start = cumulative[symbol]
        above = self._above - r * start
        R = r * (cumulative[symbol + 1] - start)
        while R < BOTTOM:
            R <<= 8
            p = self._position
            above = above << 8 | (self._data[p] if p < len(self._data) else 0)
            self._position = p + 1
        self._above, self._range = above, R
        return symbol

    def decode_bits(self, n_bits: int) -> int:
        """Return the next integer written by `encode_bits`; n_bits is 0..16.

        Raises
        ------
        BitstreamError
            If no encoder writes such bytes.
        ValueError
            If n_bits is outside 0..16.
        """
        if not 0 <= n_bits <= TOTAL_BITS:
            raise ValueError(f"n_bits {n_bits} must be 0..{TOTAL_BITS}")
        return self.decode(range(0, TOTAL + 1, 1 << (TOTAL_BITS - n_bits)))

    def finish(self) -> int:
        """Return the offset of the first byte after this packet; to be called after the last symbol.

        Raises
        ------
        BitstreamError
            If the data end before the packet, or no encoder writes such bytes.
        """
        taken = self._data[self._start : self._position]
        n_bytes = self._position - self._start
        low = (int.from_bytes(taken, "big") << 8 * (n_bytes - len(taken))) - self._above
        packet = shortest_within(low, self._range, n_bytes - TOP_BITS // 8)
        end = self._start + len(packet)
        if end > len(self._data):
            have = max(0, len(self._data) - self._start)
            raise BitstreamError(f"the packet at byte {self._start} ends after {have} of {len(packet)} bytes")
        if packet != self._data[self._start : end]:
            raise BitstreamError(f"the packet at byte {self._start} is damaged: no encoder writes its last bytes")
        return end


def shortest_within(low: int, R: int, shifted: int) -> bytes:
    r"""Return the shortest (then smallest) byte string for which every continuation lies in [low, low + R).

    Parameters
    ----------
    low, R : int
        Start and width of the interval in units of 2**-(48 + 8 shifted).
    shifted : int
        Number of bytes shifted out.

    Examples
    --------
    >>> shortest_within(1 << 40, 1 << 41, 0)
    b'\x01'
    """
    for extra in (0, 1, 2):  # R is in 2**40..2**48: two bytes more than were shifted out are always sufficient
        unit_bits = TOP_BITS - 8 * extra
        code = -(-low >> unit_bits)  # rounded up
        if (code + 1) << unit_bits <= low + R:
            break
    return code.to_bytes(shifted + extra, "big")
