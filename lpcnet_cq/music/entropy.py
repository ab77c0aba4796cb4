"""Entropy model of spectral lines in training: predicts the scale of every line from its neighbours.

Place in the chain: as `lpcnet_cq.speech.entropy`; the model of side information is the same. One small network predicts
the lines of all frequencies. Its inputs are:

- magnitudes of neighbouring lines in the last two packets and in the other channel, in units of the line's step size;
- energies of the line's band and of the two neighbouring bands;
- magnitudes of the lines with indices lower by one, two and eight. With short blocks, the index lower by eight is the
  next lower line of the same short block.

Signs cannot be predicted, so all means are 0. The inputs are small integers in units of 1/8 octave, so that
`music.integer_model` computes identical inputs.

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
MAX_MAGNITUDE = 255  # larger magnitudes are clipped to this
RANGE = 32, 63  # features are clipped to -32..63, then shifted to 0..95
UNIT = 16  # features are divided by this; the unit is two octaves
LOG8_ZERO = -12  # value of 8 log2 that is used for 0, about that of 1/3
BELOW = (1, 2, 8)  # index differences of the lower lines that are inputs
LN2 = float(np.log(2))
ENERGY = 5  # index of the feature of the band's own energy, which gives the initial scale
SKIP = UNIT / PER_OCTAVE * LN2
START = -RANGE[0] / UNIT * SKIP - np.log(np.pi / 3**0.5)  # converts standard deviation to logistic scale


def unpack_side(side, b: int) -> tuple[Any, Any, Any]:
    """Return short-block flag (...), energies (..., 2, b) and prediction coefficients (..., b) of integers (..., K)."""
    xp = jnp if isinstance(side, jax.Array) else np  # training and packet reader use JAX, the encoder uses NumPy
    side = side.clip(-SIDE_CLIP, SIDE_CLIP)
    E = xp.stack([side[..., 1 : 1 + b], side[..., 1 + 2 * b :]], axis=-2)
    return side[..., 0].clip(0, 1), E, side[..., 1 + b : 1 + 2 * b]


def shift(xp, n, k: int):
    """Return for every line, (..., D), the line with an index lower by k; zero if there is none."""
    return xp.pad(n, [(0, 0)] * (n.ndim - 1) + [(k, 0)])[..., : n.shape[-1]]


def neighbour_sums(xp, n):
    """Return two sums of magnitudes per line: of three lines with weights 1, 2, 1, and of nine lines."""
    m = xp.pad(abs(n).clip(0, MAX_MAGNITUDE), [(0, 0)] * (n.ndim - 1) + [(4, 4)])
    D = n.shape[-1]
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
    level = PER_ENERGY * (E - bands.OFFSET)
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
    four, nine = 2 * PER_OCTAVE, round(PER_OCTAVE * np.log2(9))  # logarithms of the sums of weights
    values = [
        log8(near) - four + context.difference[0],
        log8(wide) - nine + context.difference[0],
        log8(near_2) - four + context.difference[1],
        log8(near_o) - four + context.difference[2],
        log8(wide_o) - nine + context.difference[2],
        *context.relative,
        *context.position,
    ]
    return [v.clip(-RANGE[0], RANGE[1]) + RANGE[0] for v in values]


class LatentModel(nnx.Module):
    """Predict the scale of every line."""

    def __init__(self, c: MusicConfig, *, rngs: nnx.Rngs):
        H = c.hidden
        self.c = c
        self.w1, self.bias1 = dense(rngs, F, H), nnx.Param(jnp.zeros((4, H)))  # biases by block type and channel
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
        kind = kind.reshape(-1).astype(jnp.int32)  # one per row of lines
        b1, b2, b3, skip = (p[...][kind].T[..., None] for p in (self.bias1, self.bias2, self.bias3, self.skip))
        rows = (len(kind), n.shape[-1])  # the last axis holds the lines; features or channels are the first axis

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
    """Return the rounded value of 8 log2 of integers stored as floats; `LOG8_ZERO` for 0."""
    return jnp.where(j > 0, jnp.round(PER_OCTAVE * jnp.log2(jnp.maximum(j, 1.0))), float(LOG8_ZERO))


def log8_plus(n: jax.Array) -> jax.Array:
    """Return the rounded value of 8 log2(1 + |n|)."""
    return log8(1 + jnp.abs(n).clip(0, MAX_MAGNITUDE))


class EntropyModel(nnx.Module):
    """Hold the model of the side information and the model of the lines."""

    def __init__(self, c: MusicConfig, *, rngs: nnx.Rngs):
        K = c.n_side
        self.side = SideModel(K, 64, rngs=rngs)
        # Initially, the prediction is 0.8 times the vector of the packet before.
        self.side.skip[...] = jnp.concatenate([0.8 * jnp.eye(K), jnp.zeros((K, K))])
        self.latent = LatentModel(c, rngs=rngs)
