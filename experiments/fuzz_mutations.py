"""Mutations of streams, packets and datagrams, all drawn from one random generator.

`STREAM` mutates whole `.cq` files and live streams, `BYTES` any bytes. A mutation takes the generator, the bytes and
the bytes of another seed, and returns bytes.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from fuzz_format import FIELDS, Parts, repaired, take_apart

MOST_BYTES = 1 << 17  # of a case
REPAIRED = 0.75  # share of the cases whose CRCs are computed again
Mutation = Callable[[Random, bytes, bytes], bytes]


def flip_bits(random: Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def set_bytes(random: Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        if changed:
            at, n = random.randrange(len(changed)), random.choice((1, 1, 2, 16))
            value = random.choice((0, 255, None))
            for i in range(at, min(at + n, len(changed))):
                changed[i] = random.randrange(256) if value is None else value
    return bytes(changed)


def truncate(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def insert(random: Random, data: bytes, other: bytes) -> bytes:
    at = random.choice((random.randrange(len(data) + 1), len(data)))
    return data[:at] + random.randbytes(random.choice((1, 2, 4, 40))) + data[at:]


def delete(random: Random, data: bytes, other: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.choice((1, 2, 8, 60)) :]


def splice(random: Random, data: bytes, other: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + other[random.choice((at, random.randrange(len(other) + 1))) :]


def random_bytes(random: Random, data: bytes, other: bytes) -> bytes:
    keep = random.choice((0, 6, 36, 44, 47, 52))
    return data[:keep] + random.randbytes(random.choice((0, 1, 20, 200, 2000)))


def edit_header(random: Random, data: bytes, other: bytes) -> bytes:
    changed = data
    for _ in range(random.choice((1, 1, 2))):
        at, n = random.choice(list(FIELDS.values()))
        most = (1 << 8 * n) - 1
        old = int.from_bytes(changed[at : at + n], "big")
        near = old + random.choice((-1, 1)) * random.choice((1, 1, 2, 320, 65536))
        value = random.choice((0, 1, 2, most, most // 2, near & most, near & most, random.randint(0, most)))
        value = random.choice((value, 8000, 48000, 44100)) & most if n > 1 else value
        changed = changed[:at] + value.to_bytes(n, "big") + changed[at + n :]
    return changed


def resize_header(random: Random, data: bytes, other: bytes) -> bytes:
    """Append extras or drop some, with a length that fits."""
    parts = take_apart(data)
    end = random.choice((len(parts.header), random.randint(6, 60)))
    header = parts.header[:end].ljust(6, b"\0") + random.randbytes(random.choice((0, 0, 1, 3, 10)))
    return replace(parts, header=header[:5] + bytes([min(len(header) + 4, 255)]) + header[6:]).join()


def rearrange(random: Random, data: bytes, other: bytes) -> bytes:
    """Swap, double, drop or replace segments or records."""
    parts = take_apart(data)
    units, own = list(parts.units), take_apart(other)
    for _ in range(random.choice((1, 1, 3))):
        if not units:
            break
        i, j = random.randrange(len(units)), random.randrange(len(units))
        kind = random.randrange(5)
        if kind == 0:
            units[i], units[j] = units[j], units[i]
        elif kind == 1:
            units.insert(i, units[j])
        elif kind == 2:
            del units[i]
        elif kind == 3 and own.live == parts.live and own.units:
            units[i] = random.choice(own.units)
        else:
            units[i] = _edited_unit(random, units[i], parts)
    return replace(parts, units=units).join()


def _edited_unit(random: Random, unit: bytes, parts: Parts) -> bytes:
    """Return a segment with other counts or flags, or a record of another content, with the size that fits."""
    if not parts.live:
        bits = random.choice((1, 2, 1 << 9, 1 << 14, 1 << 15, random.randrange(1 << 16)))
        count = int.from_bytes(unit[:2], "big") ^ bits
        body = random.choice((unit[4:], unit[4:], flip_bits(random, unit[4:], b"")))
        return count.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
    if unit[:1] == b"\0":
        return b"\0" + random.choice((random.randbytes(5), bytes(5), b"\xff" * 5, flip_bits(random, unit[1:], b"")))
    body = BYTES[random.choice(list(BYTES))](random, unit[1 if unit[0] < 0x40 else 2 :], b"")[: 1 << 13]
    n = len(body) + 1
    return (bytes([n]) if n < 0x40 else (n | 0x4000).to_bytes(2, "big")) + body


def none(random: Random, data: bytes, other: bytes) -> bytes:
    return data


BYTES: dict[str, Mutation] = {
    "bit flips": flip_bits,
    "set bytes": set_bytes,
    "truncation": truncate,
    "insertion": insert,
    "deletion": delete,
    "splice": splice,
    "random bytes": random_bytes,
}
STREAM: dict[str, Mutation] = BYTES | {
    "header fields": edit_header,
    "header size": resize_header,
    "segments and records": rearrange,
    "none": none,
}


def mutate(random: Random, data: bytes, other: bytes, table: dict[str, Mutation], repair: bool) -> tuple[str, bytes]:
    """Apply one to three mutations; return the name of the first and the bytes.

    `repair`: compute CRCs again, for most cases.
    """
    names = [random.choice(list(table)) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    for name in names:
        data = table[name](random, data, other)[:MOST_BYTES]
    if repair and names[0] != "none" and random.random() < REPAIRED:
        data = repaired(data)
    return names[0], data
