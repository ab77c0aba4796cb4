"""The entropy model for lines of spectra as it is trained: a scale for every line, from what lies around it.

Place in the chain: as `lpcnet_cq.speech.entropy`, whose model of side information it shares. One small network serves
all lines of all frequencies: it sees how large the lines around were in the last two packets and in the other channel,
measured in steps of the line it speaks of, and the energies of the bands around; and last, the two lines below and the
one eight below, which in a split block is the short block's own neighbour. The sign of a line and its mean nobody
knows: all means are 0. Inputs are small integers, eighths of octaves, so that `tables` can repeat it exactly.

Letters: B batch, T packets, D lines, b bands, H hidden width, F features.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.bitstream.fixed_point import SIDE_CLIP
from lpcnet_cq.music import bands
from lpcnet_cq.music.allocation import PER_ENERGY, PER_OCTAVE
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.nn.capture import sow_input
from lpcnet_cq.nn.entropy import SideModel, activation, dense

F = 10
MOST = 255  # larger lines count as this
RANGE = 32, 63  # features are clipped to -32..63 and counted from 0
UNIT = 16  # a feature of 16 is 1 for the network: two octaves
NOTHING = -12  # the logarithm of 0, as if it were 1/3
BELOW = (1, 2, 8)  # distances of the lines below
LN2 = float(np.log(2))
ENERGY = 5  # feature of the band's own energy, from which the scale starts
SKIP = UNIT / PER_OCTAVE * LN2
START = -RANGE[0] / UNIT * SKIP - np.log(np.pi / 3**0.5)  # a logistic distribution of that deviation


def parts(side, b: int) -> tuple[Any, Any, Any]:
    """Return split flag (...), energies (..., 2, b) of both channels, and factors (..., b) from (..., K) integers."""
    xp = jnp if isinstance(side, jax.Array) else np  # of training and of the reader, or of the encoder
    side = side.clip(-SIDE_CLIP, SIDE_CLIP)
    E = xp.stack([side[..., 1 : 1 + b], side[..., 1 + 2 * b :]], axis=-2)
    return side[..., 0].clip(0, 1), E, side[..., 1 + b : 1 + 2 * b]


def shift(xp, n, k: int):
    """Return lines k below, (..., D): zeros below the first."""
    return xp.pad(n, [(0, 0)] * (n.ndim - 1) + [(k, 0)])[..., : n.shape[-1]]


def around(xp, n):
    """Return weighted sums of magnitudes: of a line and its neighbours (weights 1, 2, 1), and of nine lines."""
    m = xp.pad(abs(n).clip(0, MOST), [(0, 0)] * (n.ndim - 1) + [(4, 4)])
    D = n.shape[-1]
    near = m[..., 3 : 3 + D] + 2 * m[..., 4 : 4 + D] + m[..., 5 : 5 + D]
    pairs = m[..., :-1] + m[..., 1:]
    fours = pairs[..., :-2] + pairs[..., 2:]
    return near, fours[..., :D] + fours[..., 4 : 4 + D] + m[..., 8:]


class Context(NamedTuple):
    """Hold what steps and energies tell of lines, arrays of integers (..., 2, D) for the two channels.

    `difference`: exponents of the steps one and two packets before, and of the other channel's last spectrum, less the
    line's own. `relative`: levels of the line's band, of the band below and of the one above, less the line's own
    exponent. `place`: band and exponent as they are. `kind` (..., 2): which biases hold.
    """

    difference: tuple
    relative: tuple
    place: tuple
    kind: Any


def describe(xp, split, E, s: list, q, spread: list) -> Context:
    """Return the context of packets.

    Parameters
    ----------
    xp : module
        numpy or jax.numpy.
    split : array (...)
    E : array (..., 2, b)
    s : list of 3 arrays (..., 2, b)
        Exponents of the steps of these packets, of those before, and of those before these.
    q : array (...)
        What the step index adds to the exponents.
    spread : list of 3 callables
        Bands (..., 2, b) to lines (..., 2, D) as now and as in the two packets before.
    """
    now, first, second = (f(v) for f, v in zip(spread, s, strict=True))
    other = xp.stack([first[..., 1, :], now[..., 0, :]], axis=-2)
    level = PER_ENERGY * (E - bands.OFFSET)
    low = xp.concatenate([level[..., :1], level[..., :-1]], axis=-1)
    high = xp.concatenate([level[..., 1:], level[..., -1:]], axis=-1)
    exponent = now + q[..., None, None]
    relative = tuple(spread[0](v) - exponent for v in (level, low, high))
    band = spread[0](0 * level + 3 * xp.arange(E.shape[-1]).astype(E.dtype) - RANGE[0])
    kind = 2 * split[..., None] + xp.arange(2).astype(split.dtype)
    return Context((first - now, second - now, other - now), relative, (band, exponent // 2), kind)


def features(xp, log8, own, older, other, context: Context) -> list:
    """Describe what surrounds each line: F arrays (..., D) of integers from 0 to 95.

    Parameters
    ----------
    xp : module
        numpy or jax.numpy.
    log8 : callable
        Eight times the binary logarithm, rounded, of integers; `NOTHING` of 0.
    own, older, other : arrays (..., D)
        Lines of this channel one and two packets before, and the last ones of the other channel.
    context : Context
    """
    near, wide = around(xp, own)
    near_2, _ = around(xp, older)
    near_o, wide_o = around(xp, other)
    four, nine = 2 * PER_OCTAVE, round(PER_OCTAVE * np.log2(9))  # the sums' weights
    values = [
        log8(near) - four + context.difference[0],
        log8(wide) - nine + context.difference[0],
        log8(near_2) - four + context.difference[1],
        log8(near_o) - four + context.difference[2],
        log8(wide_o) - nine + context.difference[2],
        *context.relative,
        *context.place,
    ]
    return [v.clip(-RANGE[0], RANGE[1]) + RANGE[0] for v in values]


class LatentModel(nnx.Module):
    """Predict the scale of every line."""

    def __init__(self, c: MusicConfig, *, rngs: nnx.Rngs):
        H = c.hidden
        self.c = c
        self.w1, self.bias1 = dense(rngs, F, H), nnx.Param(jnp.zeros((4, H)))  # biases by split and channel
        self.w2, self.bias2 = dense(rngs, H, H // 2), nnx.Param(jnp.zeros((4, H // 2)))
        self.below = nnx.Param(0.3 * jax.random.normal(rngs.params(), (len(BELOW), H // 2)))
        self.w3 = nnx.Param(0.1 * jax.random.normal(rngs.params(), (H // 2, 1)))
        self.skip = nnx.Param(jnp.full((4,), SKIP))
        self.bias3 = nnx.Param(jnp.full((4,), START))

    def __call__(self, kind: jax.Array, f: list[jax.Array], n: jax.Array) -> jax.Array:
        """Return log-scales (B, T, 2, D).

        Parameters
        ----------
        kind : array (B, T, 2)
        f : list of F arrays (B, T, 2, D)
            From `features`.
        n : array (B, T, 2, D)
        """
        kind = kind.reshape(-1).astype(jnp.int32)  # of every row of lines
        b1, b2, b3, skip = (p[...][kind].T[..., None] for p in (self.bias1, self.bias2, self.bias3, self.skip))
        rows = (len(kind), n.shape[-1])  # lines run fastest: features and channels come first

        def layer(name, v):
            columns = v.reshape(len(v), -1)
            sow_input(self, name, lambda: columns.T)
            return (getattr(self, name)[...].T @ columns).reshape(-1, *rows)

        u = jnp.stack(f) / UNIT
        h = activation(layer("w1", u) + b1)
        below = jnp.stack([log8_plus(shift(jnp, n, k)) for k in BELOW]) / UNIT
        h = activation(layer("w2", h) + b2 + layer("below", below))
        log_scale = layer("w3", h)[0] + b3 + skip * u[ENERGY].reshape(rows)
        return log_scale.reshape(n.shape)


def log8(j: jax.Array) -> jax.Array:
    """Return eight times the binary logarithm of integers in floats, rounded; `NOTHING` of 0."""
    return jnp.where(j > 0, jnp.round(PER_OCTAVE * jnp.log2(jnp.maximum(j, 1.0))), float(NOTHING))


def log8_plus(n: jax.Array) -> jax.Array:
    """Return eight times log2(1 + |n|), rounded."""
    return log8(1 + jnp.abs(n).clip(0, MOST))


class EntropyModel(nnx.Module):
    """Hold the two models of a packet."""

    def __init__(self, c: MusicConfig, *, rngs: nnx.Rngs):
        K = c.n_side
        self.side = SideModel(K, 64, rngs=rngs)
        self.side.skip[...] = jnp.concatenate([0.8 * jnp.eye(K), jnp.zeros((K, K))])  # much as in the packet before
        self.latent = LatentModel(c, rngs=rngs)
