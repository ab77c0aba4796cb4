"""The RTP payload: one packet of the codec or several consecutive ones, each with its length but the last.

Place in the chain: between the codec's packets and RTP; `docs/rtp.md` specifies the bytes. Cost: one byte per payload,
and one (from 128 bytes on two) per packet but the last. A packet of 0 bytes stands for one that is not sent; no packet
of the codec is empty.
"""

from collections.abc import Sequence

from lpcnet_cq.errors import BitstreamError

MAX_PACKETS = 16  # of one payload: its first byte has four bits for their number
MAX_BYTES = (1 << 15) - 1  # of a packet: two bytes hold 15 bits
VERSION_SHIFT = 6  # bits of the first byte: version (2), reserved (2), number of packets - 1 (4)


def pack(packets: Sequence[bytes]) -> bytes:
    """Join consecutive packets to a payload.

    Parameters
    ----------
    packets : sequence of bytes
        1 to 16 packets of 0 to 32767 bytes.

    Raises
    ------
    ValueError
        If there are more or fewer packets, or one is larger.

    Examples
    --------
    >>> pack([b"ab", b"cde"]).hex()
    '01026162636465'
    """
    if not 1 <= len(packets) <= MAX_PACKETS:
        raise ValueError(f"`packets` has {len(packets)} packets, it must have 1 to {MAX_PACKETS}")
    if (largest := max(map(len, packets))) > MAX_BYTES:
        raise ValueError(f"`packets` has a packet of {largest} bytes, {MAX_BYTES} are the most")
    lengths = b"".join(_pack_length(len(data)) for data in packets[:-1])
    return bytes([len(packets) - 1]) + lengths + b"".join(packets)


def unpack(payload: bytes) -> list[bytes]:
    """Return the packets of a payload.

    Raises
    ------
    BitstreamError
        If the payload is of another version, is cut off, or writes a length with more bytes than it needs.

    Examples
    --------
    >>> unpack(bytes.fromhex("01026162636465"))
    [b'ab', b'cde']
    """
    if not payload:
        raise BitstreamError("an RTP payload has no bytes")
    if version := payload[0] >> VERSION_SHIFT:
        raise BitstreamError(f"an RTP payload is of version {version}, only version 0 is known")
    lengths, at = [], 1
    for _ in range(payload[0] % MAX_PACKETS):
        length, at = _unpack_length(payload, at)
        lengths.append(length)
    rest = len(payload) - at - sum(lengths)
    if rest < 0:
        raise BitstreamError(f"an RTP payload lacks {-rest} bytes of its packets")
    packets = []
    for length in (*lengths, rest):
        packets.append(payload[at : at + length])
        at += length
    return packets


def _pack_length(n: int) -> bytes:
    return bytes([n]) if n < 128 else (n | 1 << 15).to_bytes(2, "big")


def _unpack_length(payload: bytes, at: int) -> tuple[int, int]:
    """Return the length that begins at a byte, and where the next begins."""
    first = payload[at : at + 1]
    if first and first[0] < 128:
        return first[0], at + 1
    if len(payload) < at + 2:
        raise BitstreamError("an RTP payload ends within the lengths of its packets")
    n = int.from_bytes(payload[at : at + 2], "big") & MAX_BYTES
    if n < 128:
        raise BitstreamError(f"an RTP payload writes the length {n} with two bytes, it must have one")
    return n, at + 2
