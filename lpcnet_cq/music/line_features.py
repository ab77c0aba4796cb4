"""Inputs of the entropy model of spectral lines: small integers that training and streams compute alike.

Place in the chain: part of `music.entropy` and of `music.integer_model`. Functions take the array library `xp`, NumPy
or `jax.numpy`, as their first argument. Features are logarithms in units of 1/8 octave.

Letters: B batch, T packets, D lines, b bands, F features.
"""

from typing import Any, NamedTuple

import numpy as np

from lpcnet_cq.bitstream.fixed_point import SIDE_CLIP
from lpcnet_cq.music.band_layout import OFFSET
from lpcnet_cq.music.step_exponents import PER_ENERGY, PER_OCTAVE

F = 10
MAX_MAGNITUDE = 255  # larger magnitudes are clipped to this
RANGE = 32, 63  # features are clipped to -32..63, then shifted to 0..95
UNIT = 16  # features are divided by this; the unit is two octaves
LOG8_ZERO = -12  # value of 8 log2 that is used for 0, about that of 1/3
BELOW = (1, 2, 8)  # index differences of the lower lines that are inputs
LOG8 = np.array([LOG8_ZERO, *(round(PER_OCTAVE * float(np.log2(j))) for j in range(1, 9 * MAX_MAGNITUDE + 1))])
NEAR_SUM, WIDE_SUM = (round(PER_OCTAVE * np.log2(v)) for v in (4, 9))  # logarithms of the weights of `neighbour_sums`
ENERGY = 5  # index of the feature of the band's own energy, which gives the initial scale


def unpack_side(xp, side, b: int) -> tuple[Any, Any, Any]:
    """Return short-block flag (...), energies (..., 2, b) and prediction coefficients (..., b) of integers (..., K)."""
    side = side.clip(-SIDE_CLIP, SIDE_CLIP)
    E = xp.stack([side[..., 1 : 1 + b], side[..., 1 + 2 * b :]], axis=-2)
    return side[..., 0].clip(0, 1), E, side[..., 1 + b : 1 + 2 * b]


def shift(xp, n, k: int):
    """Return for every line, (..., D), the line with an index lower by k; zero if there is none."""
    return xp.pad(n, [(0, 0)] * (n.ndim - 1) + [(k, 0)])[..., : n.shape[-1]]


def neighbour_sums(xp, n):
    """Return two sums of magnitudes per line: of three lines with weights 1, 2, 1, and of nine lines."""
    return padded_sums(xp.pad(abs(n).clip(0, MAX_MAGNITUDE), [(0, 0)] * (n.ndim - 1) + [(4, 4)]))


def padded_sums(m):
    """Return `neighbour_sums`, given magnitudes between four zeros on both sides."""
    D = m.shape[-1] - 8
    near = m[..., 3 : 3 + D] + 2 * m[..., 4 : 4 + D] + m[..., 5 : 5 + D]
    pairs = m[..., :-1] + m[..., 1:]
    fours = pairs[..., :-2] + pairs[..., 2:]
    return near, fours[..., :D] + fours[..., 4 : 4 + D] + m[..., 8:]


class Context(NamedTuple):
    """Hold the inputs that depend on step sizes and energies: integer arrays (..., 2, D) for the two channels.

    `difference`: step exponents one packet before, two packets before, and of the last spectrum of the other channel,
    each minus the line's own exponent. `relative`: levels of the line's band, the band below and the band above, each
    minus the line's own exponent. `position`: band and exponent themselves. `kind` (..., 2): index of the biases, which
    depend on block type and channel.
    """

    difference: tuple
    relative: tuple
    position: tuple
    kind: Any


def line_context(xp, is_short, E, s: list, q, spread: list) -> Context:
    """Return the context of the lines of packets.

    Parameters
    ----------
    xp : module
        numpy or jax.numpy.
    is_short : array (...)
        1 for packets with short blocks, 0 for others.
    E : array (..., 2, b)
        Band energies.
    s : list of 3 arrays (..., 2, b)
        Exponents of the step sizes: of these packets, one packet before, two packets before.
    q : array (...)
        Integer that the step index adds to the exponents.
    spread : list of 3 callables
        Each maps bands (..., 2, b) to lines (..., 2, D): for the present packet and for the two packets before.
    """
    now, first, second = (f(v) for f, v in zip(spread, s, strict=True))
    other = xp.stack([first[..., 1, :], now[..., 0, :]], axis=-2)
    level = PER_ENERGY * (E - OFFSET)
    low = xp.concatenate([level[..., :1], level[..., :-1]], axis=-1)
    high = xp.concatenate([level[..., 1:], level[..., -1:]], axis=-1)
    exponent = now + q[..., None, None]
    relative = tuple(spread[0](v) - exponent for v in (level, low, high))
    band = spread[0](0 * level + 3 * xp.arange(E.shape[-1]).astype(E.dtype) - RANGE[0])
    kind = 2 * is_short[..., None] + xp.arange(2).astype(is_short.dtype)
    return Context((first - now, second - now, other - now), relative, (band, exponent // 2), kind)


def features(xp, log8, own, older, other, context: Context) -> list:
    """Return the inputs of the network for each line: F arrays (..., D) of integers from 0 to 95.

    Parameters
    ----------
    xp : module
        numpy or jax.numpy.
    log8 : callable
        Returns the rounded value of 8 log2 of integers; `LOG8_ZERO` for 0.
    own, older, other : arrays (..., D)
        Lines of this channel one packet before and two packets before, and the last lines of the other channel.
    context : Context
    """
    near, wide = neighbour_sums(xp, own)
    near_2, _ = neighbour_sums(xp, older)
    near_o, wide_o = neighbour_sums(xp, other)
    values = [
        log8(near) - NEAR_SUM + context.difference[0],
        log8(wide) - WIDE_SUM + context.difference[0],
        log8(near_2) - NEAR_SUM + context.difference[1],
        log8(near_o) - NEAR_SUM + context.difference[2],
        log8(wide_o) - WIDE_SUM + context.difference[2],
        *context.relative,
        *context.position,
    ]
    return [v.clip(-RANGE[0], RANGE[1]) + RANGE[0] for v in values]
