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

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.line_features import BELOW, ENERGY, LOG8_ZERO, MAX_MAGNITUDE, RANGE, UNIT, F, shift
from lpcnet_cq.music.step_exponents import PER_OCTAVE
from lpcnet_cq.nn.capture import sow_input
from lpcnet_cq.nn.entropy import SideModel, activation, dense

LN2 = float(np.log(2))
SKIP = UNIT / PER_OCTAVE * LN2
START = -RANGE[0] / UNIT * SKIP - np.log(np.pi / 3**0.5)  # converts standard deviation to logistic scale


class LatentModel(nnx.Module):
    """Predict the scale of every line."""

    def __init__(self, c: MusicConfig, *, rngs: nnx.Rngs):
        H = c.hidden
        self.c = c
        self.w1, self.bias1 = dense(rngs, F, H), nnx.Param(jnp.zeros((4, H)))  # biases by block type and channel
        self.w2, self.bias2 = dense(rngs, H, H // 2), nnx.Param(jnp.zeros((4, H // 2)))
        self.below = nnx.Param(0.3 * jax.random.normal(rngs.params(), (len(BELOW), H // 2)))
        self.w3 = nnx.Param(0.1 * jax.random.normal(rngs.params(), (H // 2, 1)))
        self.skip = nnx.Param(jnp.full((4,), SKIP, jnp.float32))
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
