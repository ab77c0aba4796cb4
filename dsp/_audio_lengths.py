"""Read the length of a file in the headers of formats that libsndfile decodes, of which it takes what there is.

Place in the chain: beside libsndfile, which does not say that the end of a file is missing. IRCAM, PVF and PAF have no
length in their headers: nothing tells that their end is missing. All positions and lengths are in bytes.
"""

import struct
from collections.abc import Callable

_MAT4_WIDTHS = (8, 4, 4, 2, 2, 1)  # by the tens of the type


def stated_bytes(kind: str, data, at: int) -> int | None:
    """Return the length of the file that begins at `at` according to its header; None if it states none.

    `kind` is the name that libsndfile gives to the format. Some headers are not read to their end: what is missing
    there is not known, and libsndfile refuses it.
    """
    try:
        if kind in _WALKS:
            return _WALKS[kind](data, at) - at
        if kind in _FIELDS:
            layout, length = _FIELDS[kind]
            return length(*struct.unpack_from(layout, data, at))
    except (struct.error, IndexError):
        pass
    return None


def whole_sds_samples(data, at: int) -> int:
    """Return the number of samples in the whole packets of an SDS file; libsndfile repeats the last one at the end."""
    return (len(data) - at - 21) // 127 * _sds_packet(data[at + 6])


def _sds_packet(bits: int) -> int:
    """Return the number of samples in a packet; each takes 7 bits of a byte, and 120 bytes are samples."""
    return 120 // max(-(-bits // 7), 2)


def _sds_bytes(bits: int, low: int, middle: int, high: int) -> int:
    return 21 + 127 * -(-(low | middle << 7 | high << 14) // _sds_packet(bits))


def _after_mat4(data, at: int) -> int:
    """Return the position after both matrices, the sample rate and the samples."""
    order = ">" if data[at : at + 4] == b"\0\0\x03\xe8" else "<"
    for _ in range(2):
        kind, rows, columns, _, name = struct.unpack_from(order + "5I", data, at)
        at += 20 + name + rows * columns * _MAT4_WIDTHS[kind // 10 % 10]
    return at


def _after_mat5(data, at: int) -> int:
    """Return the position after the samples, in the second matrix; libsndfile writes a wrong length for it."""
    order = "<" if data[at + 126 : at + 128] == b"IM" else ">"
    at += 136 + struct.unpack_from(order + "I", data, at + 132)[0] + 8 + 32  # flags and dimensions have 16 bytes each
    at += 8 + -(-struct.unpack_from(order + "4xI", data, at)[0] // 8) * 8  # the name, padded
    return at + 8 + struct.unpack_from(order + "4xI", data, at)[0]


def _after_xi(data, at: int) -> int:
    """Return the position after the samples; libsndfile writes lengths of 0."""
    (n,) = struct.unpack_from("<H", data, at + 296)
    sizes = [struct.unpack_from("<I", data, at + 298 + 40 * i)[0] for i in range(n)]
    return at + (298 + 40 * n + sum(sizes) if all(sizes) else 0)


_FIELDS: dict[str, tuple[str, Callable[..., int]]] = {
    "AVR": (">12xHH10xI", lambda stereo, bits, n: 128 + n * (1 + (stereo > 0)) * bits // 8),
    "SVX": (">4xI", lambda n: 8 + n),
    "WVE": (">18xI", lambda n: 32 + n),
    "MPC2K": ("<21xB8xI", lambda stereo, n: 42 + 2 * n * (1 + stereo)),
    "SDS": ("<6xB3x3B", _sds_bytes),
}
_WALKS = {"MAT4": _after_mat4, "MAT5": _after_mat5, "XI": _after_xi}
