"""Parts of the entropy model in training that are common to speech and music.

Each integer has a discretised logistic distribution. A small network predicts its mean and log-scale from earlier
vectors. A strictly triangular matrix adds the effect of the integers before it in the same vector.

Letters: B batch, T packets, K integers of a vector, H hidden width.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.bitstream.fixed_point import ACT_MAX, SIDE_CLIP, SIDE_SCALE
from lpcnet_cq.nn.capture import multiply


def activation(x: jax.Array) -> jax.Array:
    """Clip to 0..ACT_MAX."""
    return jnp.clip(x, 0.0, ACT_MAX)


def logistic_bits(n: jax.Array, mean: jax.Array, log_scale: jax.Array) -> jax.Array:
    """Return -log2 P(n) of the logistic distribution integrated over [n - 1/2, n + 1/2].

    Parameters
    ----------
    n, mean, log_scale : arrays of one shape
        Integers, means, natural logs of the scale s.

    References
    ----------
    T. Salimans et al., "PixelCNN++" (2017), eq. 2. Computed in the lower tail, which avoids cancellation.
    """
    inv = jnp.exp(-log_scale)
    d = -jnp.abs(n - mean)  # by symmetry: always the lower tail
    upper, lower = jax.nn.sigmoid((d + 0.5) * inv), jax.nn.sigmoid((d - 0.5) * inv)
    return -jnp.log2(jnp.maximum(upper - lower, 2.0**-15))


def dense(rngs, cin: int, cout: int, gain: float = 1.0) -> nnx.Param:
    """Make a weight matrix (cin, cout)."""
    return nnx.Param(gain / cin**0.5 * jax.random.normal(rngs.params(), (cin, cout)))


class Triangular(nnx.Module):
    """Triangular terms: each integer of a vector shifts mean and log-scale of the integers after it."""

    def __init__(self, K: int):
        self.mean = nnx.Param(jnp.zeros((K, K)))  # [from, to]
        self.scale = nnx.Param(jnp.zeros((K, K)))

    def __call__(self, n: jax.Array, clip: int) -> tuple[jax.Array, jax.Array]:
        """Return additions to mean and log-scale, shape (..., K)."""
        c = jnp.clip(n, -clip, clip)
        upper = jnp.triu(jnp.ones(self.mean.shape), 1)
        return c @ (self.mean[...] * upper), jnp.abs(c) @ (self.scale[...] * upper)


class SideModel(nnx.Module):
    """Predict the side integers of a packet from those of the two packets before, and from earlier ones of the packet.

    With `autoregressive`, the hidden layer also depends on the integers decoded before in the same packet.
    """

    def __init__(self, K: int, H: int, *, autoregressive: bool = False, rngs: nnx.Rngs):
        self.w1, self.b1 = dense(rngs, 2 * K, H), nnx.Param(jnp.zeros(H))
        self.w2, self.b2 = dense(rngs, H, 2 * K, 0.3), nnx.Param(jnp.zeros(2 * K))
        self.skip = nnx.Param(jnp.zeros((2 * K, K)))
        self.triangular = Triangular(K)
        self.autoregressive = autoregressive
        if autoregressive:
            self.within = dense(rngs, K, H)

    def __call__(self, before: jax.Array, n: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return means and log-scales (B, T, K) of n (B, T, K), given the two vectors `before` (B, 2, K)."""
        T = n.shape[1]
        past = jnp.concatenate([before, n], axis=1)
        return self.from_past(jnp.concatenate([past[:, 1 : T + 1], past[:, :T]], axis=-1), n)

    def from_past(self, u: jax.Array, n: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return means and log-scales of n (..., K), given the two vectors before, latest first, u (..., 2 K)."""
        K = n.shape[-1]
        u, c = (jnp.clip(v, -SIDE_CLIP, SIDE_CLIP) for v in (u, n))
        h = multiply(self, "w1", SIDE_SCALE * u) + self.b1[...]
        if self.autoregressive:
            terms = SIDE_SCALE * c[..., None] * self.within[...]
            h = activation(h[..., None, :] + jnp.cumsum(terms, axis=-2) - terms)
            w2, b2 = self.w2[...].reshape(-1, 2, K), self.b2[...].reshape(2, K)
            m, s = (jnp.einsum("...kh,hk->...k", h, w2[:, i]) + b2[i] for i in (0, 1))
        else:
            m, s = jnp.split(multiply(self, "w2", activation(h)) + self.b2[...], 2, axis=-1)
        tm, ts = self.triangular(n, SIDE_CLIP)
        return m + multiply(self, "skip", u) + tm, s + SIDE_SCALE * ts
