"""Headers of RTP packets (RFC 3550), read and written by the package aiortc, which is imported with the first use.

Place in the chain: between payload and datagram. Cost: 12 bytes per packet.
"""

from functools import cache
from typing import TYPE_CHECKING

from lpcnet_cq.errors import BitstreamError

if TYPE_CHECKING:
    from aiortc.rtp import RtpPacket  # pyright: ignore[reportMissingImports]


@cache
def packet_class() -> "type[RtpPacket]":
    """Return the class of RTP packets.

    Raises
    ------
    ModuleNotFoundError
        If aiortc is not installed; the message says how to install it.
    """
    try:
        from aiortc.rtp import RtpPacket  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        text = f"RTP needs the package `{error.name}`; pip install 'lpcnet-cq[rtp]' brings it"
        raise ModuleNotFoundError(text, name=error.name) from error
    return RtpPacket


def parse(data: bytes) -> "RtpPacket":
    """Read a datagram.

    Raises
    ------
    BitstreamError
        If it is no RTP packet.
    """
    try:
        return packet_class().parse(data)
    except ValueError as error:
        raise BitstreamError(f"a datagram is no RTP packet: {error}") from error
