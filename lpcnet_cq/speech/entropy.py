"""The entropy model as it is trained: a mean and a scale for every integer of a packet.

Place in the chain: between the quantisers and the packet. In training it is this float network; in a stream it is
the integer network that `tables.freeze` makes of it, so that every machine decodes the same symbols. Cost: about
7 MMAC per second of audio. Delay: none, it sees decoded past only.

Each integer has a discretised logistic distribution. Its mean and log-scale come from a small network of the
decoded past (packets before for the side information; side information and subframes before for the latents), plus
strictly triangular terms in the integers decoded before it in the same vector.

Letters: B batch, T packets, S subframes per packet, K integers of a vector, H hidden width.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.config import CodecConfig

CLIP = 7  # decoded latents enter a context clipped to +-CLIP
SIDE_CLIP = 31
ACT_MAX = 8.0  # activations are clipped ReLUs, 0..ACT_MAX, so that they fit integers
SIDE_SCALE = 1 / 8  # side integers are larger than latents
LOG_SCALE = -1.0  # of latents, to start from: most are 0


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
    T. Salimans et al., "PixelCNN++" (2017), eq. 2. Written for the tail that n lies in, so that nothing cancels.
    """
    inv = jnp.exp(-log_scale)
    d = -jnp.abs(n - mean)  # by symmetry: always the lower tail
    upper, lower = jax.nn.sigmoid((d + 0.5) * inv), jax.nn.sigmoid((d - 0.5) * inv)
    return -jnp.log2(jnp.maximum(upper - lower, 2.0**-15))


def dense(rngs, cin: int, cout: int, gain: float = 1.0) -> nnx.Param:
    """Make a weight matrix (cin, cout)."""
    return nnx.Param(gain / cin**0.5 * jax.random.normal(rngs.params(), (cin, cout)))


class Triangular(nnx.Module):
    """Let integer k of a vector shift mean and scale of the integers after it."""

    def __init__(self, K: int):
        self.mean = nnx.Param(jnp.zeros((K, K)))  # [from, to]
        self.scale = nnx.Param(jnp.zeros((K, K)))

    def __call__(self, n: jax.Array, clip: int) -> tuple[jax.Array, jax.Array]:
        """Return additions to mean and log-scale, shape (..., K)."""
        c = jnp.clip(n, -clip, clip)
        upper = jnp.triu(jnp.ones(self.mean.shape), 1)
        return c @ (self.mean[...] * upper), jnp.abs(c) @ (self.scale[...] * upper)


class SideModel(nnx.Module):
    """Predict LSF and gain integers of a packet from those of the two packets before."""

    def __init__(self, K: int, H: int, *, rngs: nnx.Rngs):
        self.w1, self.b1 = dense(rngs, 2 * K, H), nnx.Param(jnp.zeros(H))
        self.w2, self.b2 = dense(rngs, H, 2 * K, 0.3), nnx.Param(jnp.zeros(2 * K))
        self.skip = nnx.Param(jnp.zeros((2 * K, K)))
        self.triangular = Triangular(K)

    def __call__(self, before: jax.Array, n: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return means and log-scales (B, T, K) of n (B, T, K), given the two vectors `before` (B, 2, K)."""
        T = n.shape[1]
        past = jnp.clip(jnp.concatenate([before, n], axis=1), -SIDE_CLIP, SIDE_CLIP)
        u = jnp.concatenate([past[:, 1 : T + 1], past[:, :T]], axis=-1)
        h = activation(SIDE_SCALE * u @ self.w1[...] + self.b1[...])
        m, s = jnp.split(h @ self.w2[...] + self.b2[...], 2, axis=-1)
        tm, ts = self.triangular(n, SIDE_CLIP)
        return m + u @ self.skip[...] + tm, s + SIDE_SCALE * ts


class LatentModel(nnx.Module):
    """Predict the latents of a subframe from the side information and the latents of the subframes before."""

    def __init__(self, c: CodecConfig, K: int, *, rngs: nnx.Rngs):
        D, H, S = c.n_latents, c.hidden, c.spec.n_subframes
        self.S = S
        self.context = c.context
        self.ws, self.bs = dense(rngs, 2 * K, 64), nnx.Param(jnp.zeros(64))
        self.step = nnx.Param(jnp.zeros((c.n_steps, 64)))
        self.wp, self.bp = nnx.Param(0.1 * jax.random.normal(rngs.params(), (64, S * H))), nnx.Param(jnp.zeros(S * H))
        self.wy = dense(rngs, self.context * D, H)
        self.w2, self.b2 = dense(rngs, H, H), nnx.Param(jnp.zeros(H))
        self.w3 = dense(rngs, H, 2 * D, 0.3)
        self.b3 = nnx.Param(jnp.concatenate([jnp.zeros(D), jnp.full(D, LOG_SCALE)]))
        self.triangular = Triangular(D)

    def __call__(self, side_before, side, step, before, n) -> tuple[jax.Array, jax.Array]:
        """Return means and log-scales (B, T*S, D) of the latents n (B, T*S, D).

        Parameters
        ----------
        side_before : array (B, 1, K)
        side : array (B, T, K)
        step : integer array (B, T)
            Index of the latent step size.
        before : array (B, context, D)
        n : array (B, T*S, D)
        """
        B, T, _ = side.shape
        past_side = jnp.concatenate([side_before, side[:, :-1]], axis=1)
        u = SIDE_SCALE * jnp.clip(jnp.concatenate([side, past_side], axis=-1), -SIDE_CLIP, SIDE_CLIP)
        h = activation(u @ self.ws[...] + self.step[...][step] + self.bs[...])
        h = (h @ self.wp[...] + self.bp[...]).reshape(B, T * self.S, -1)
        past = jnp.clip(jnp.concatenate([before, n], axis=1), -CLIP, CLIP)
        y = jnp.concatenate([past[:, i : i + T * self.S] for i in range(self.context)], axis=-1)
        h = activation(h + y @ self.wy[...])
        h = activation(h @ self.w2[...] + self.b2[...])
        m, s = jnp.split(h @ self.w3[...] + self.b3[...], 2, axis=-1)
        tm, ts = self.triangular(n, CLIP)
        return m + tm, s + ts


class EntropyModel(nnx.Module):
    """Hold the two models of a packet."""

    def __init__(self, c: CodecConfig, *, rngs: nnx.Rngs):
        K = c.order + c.spec.n_subframes
        self.side = SideModel(K, 64, rngs=rngs)
        self.latent = LatentModel(c, K, rngs=rngs)
