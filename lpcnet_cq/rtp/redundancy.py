"""Redundant audio data (RFC 2198): a payload travels with copies of earlier ones, which replace them if lost.

Place in the chain: around `payload`. Cost: four bytes per copy besides its own, and one byte. Delay: the receiver
waits as long as the oldest copy is old.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lpcnet_cq.errors import BitstreamError

MAX_OFFSET = (1 << 14) - 1  # timestamp units
MAX_BYTES = (1 << 10) - 1  # of a copy


@dataclass(frozen=True)
class Block:
    """Hold one payload of a redundant packet.

    Attributes
    ----------
    payload_type : int
        0..127.
    offset : int
        Timestamp units by which it is older than the packet; 0 of the packet's own payload.
    payload : bytes
    """

    payload_type: int
    offset: int
    payload: bytes


def fits(offset: int, payload: bytes) -> bool:
    """Say whether RFC 2198 can carry a copy of that age and size."""
    return offset <= MAX_OFFSET and len(payload) <= MAX_BYTES


def pack_redundant(payload_type: int, payload: bytes, copies: Sequence[tuple[int, bytes]]) -> bytes:
    """Return the payload of a redundant packet.

    Parameters
    ----------
    payload_type : int
        Of all blocks, 0..127.
    payload : bytes
        The packet's own.
    copies : sequence of (int, bytes)
        Timestamp units by which each is older, 1..16383, and its payload, 1023 bytes at most; oldest first.

    Raises
    ------
    ValueError
        If a copy is too old or too large.

    References
    ----------
    RFC 2198, section 3.

    Examples
    --------
    >>> pack_redundant(96, b"new", [(320, b"old")]).hex()
    'e0050003606f6c646e6577'
    """
    head = b""
    for offset, copy in copies:
        if not (offset > 0 and fits(offset, copy)):
            raise ValueError(
                f"a copy of {len(copy)} bytes and age {offset} must have {MAX_BYTES} and {MAX_OFFSET} at most"
            )
        head += (1 << 31 | payload_type << 24 | offset << 10 | len(copy)).to_bytes(4, "big")
    return head + bytes([payload_type]) + b"".join(copy for _, copy in copies) + payload


def unpack_redundant(data: bytes) -> list[Block]:
    """Return the blocks of a redundant packet, as they stand: copies first, the packet's own payload last.

    Raises
    ------
    BitstreamError
        If it is cut off.
    """
    heads, at = [], 0
    while data[at : at + 1] and data[at] >> 7:
        head = int.from_bytes(data[at : at + 4].ljust(4, b"\0"), "big")
        heads.append((head >> 24 & 127, head >> 10 & MAX_OFFSET, head & MAX_BYTES))
        at += 4
    if at >= len(data):
        raise BitstreamError("a redundant RTP packet ends within its header")
    own_type, at = data[at], at + 1
    blocks = []
    for payload_type, offset, length in heads:
        blocks.append(Block(payload_type, offset, data[at : at + length]))
        at += length
    if at > len(data):
        raise BitstreamError(f"a redundant RTP packet lacks {at - len(data)} bytes of its copies")
    return [*blocks, Block(own_type, 0, data[at:])]
