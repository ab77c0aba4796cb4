r"""Level of packets and segments: the exponent L by which a decoder scales its output, see `lpcnet_cq.audio.level`.

Place in the chain: the segments of a file have it in their headers, the packets of a live stream in a byte behind the
packet. Only packets that reset the context can have this byte; it holds for the packets up to the next reset. Cost:
nothing where L is 0, else one byte per context reset of a live stream.
"""

MIN_LEVEL, MAX_LEVEL = -7, 7  # 42 dB below and above the nominal level
OFFSET = 8


def put_level(level: int) -> bytes:
    r"""Return the bytes behind a packet that resets the context: none for level 0.

    Examples
    --------
    >>> put_level(0), put_level(-3)
    (b'', b'\x05')
    """
    return bytes([level + OFFSET]) if level else b""


def take_level(rest: bytes) -> tuple[int, bytes]:
    r"""Return the level, and the rest, of the bytes behind a packet that resets the context.

    Neither padding nor a copy begins with a byte from 1 to 15; 8, which would be level 0, is not used.

    Examples
    --------
    >>> take_level(b"\x05\0\0"), take_level(b"\0\0"), take_level(b"")
    ((-3, b'\x00\x00'), (0, b'\x00\x00'), (0, b''))
    """
    if rest and MIN_LEVEL <= rest[0] - OFFSET <= MAX_LEVEL and rest[0] != OFFSET:
        return rest[0] - OFFSET, rest[1:]
    return 0, rest
