"""Entropy model of speech in training: predicts mean and scale of every integer of a packet.

Place in the chain: between the quantisers and the packet. Training uses this floating-point network. Streams use the
integer network that `speech.freeze` computes from it, so that every machine decodes the same symbols. Cost: about
7 MMAC per second of audio. Delay: none, because the inputs are integers that were decoded before.

Each integer has a discretised logistic distribution. A small network predicts its mean and log-scale: side information
from earlier packets, latents from side information and earlier subframes. A strictly triangular matrix adds the effect
of the integers before it in the same vector.

Letters: B batch, T packets, S subframes per packet, K integers of a vector, H hidden width.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.bitstream.fixed_point import CLIP, SIDE_CLIP, SIDE_SCALE
from lpcnet_cq.nn.capture import multiply
from lpcnet_cq.nn.entropy import SideModel, Triangular, activation, dense
from lpcnet_cq.speech.config import SpeechConfig

LOG_SCALE = -1.0  # initial log-scale of latents, most of which are 0


class LatentModel(nnx.Module):
    """Predict the latents of a subframe from the side information and the latents of earlier subframes."""

    def __init__(self, c: SpeechConfig, K: int, *, rngs: nnx.Rngs):
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
        if c.context_resets:
            self.reset_ws, self.reset_bs = dense(rngs, K, 64), nnx.Param(jnp.zeros(64))
            self.reset_bp = nnx.Param(jnp.zeros(S * H))

    def __call__(self, side_before, side, step, before, n, reset=None) -> tuple[jax.Array, jax.Array]:
        """Return means and log-scales (B, T*S, D) of the latents n (B, T*S, D).

        Parameters
        ----------
        side_before : array (B, 1, K)
        side : array (B, T, K)
        step : integer array (B, T)
            Index of the latent step size.
        before : array (B, context, D)
        n : array (B, T*S, D)
        reset : bool array (B, T), optional
            True for packets that reset the context; by default no packet does.
        """
        B, T, _ = side.shape
        past_side = jnp.concatenate([side_before, side[:, :-1]], axis=1)
        u = SIDE_SCALE * jnp.clip(jnp.concatenate([side, past_side], axis=-1), -SIDE_CLIP, SIDE_CLIP)
        h, offset = multiply(self, "ws", u) + self.bs[...], self.bp[...]
        past = jnp.clip(jnp.concatenate([before, n], axis=1), -CLIP, CLIP)
        y = jnp.stack([past[:, i : i + T * self.S] for i in range(self.context)], axis=2)
        if reset is not None:
            is_reset = reset[..., None]
            without_past = multiply(self, "reset_ws", u[..., : side.shape[-1]]) + self.reset_bs[...]
            h = jnp.where(is_reset, without_past, h)
            offset = jnp.where(is_reset, self.reset_bp[...], offset)
            y = y * self._known(reset)
        h = activation(h + self.step[...][step])
        h = (multiply(self, "wp", h) + offset).reshape(B, T * self.S, -1)
        y = y.reshape(B, T * self.S, -1)
        h = activation(h + multiply(self, "wy", y))
        h = activation(multiply(self, "w2", h) + self.b2[...])
        m, s = jnp.split(multiply(self, "w3", h) + self.b3[...], 2, axis=-1)
        tm, ts = self.triangular(n, CLIP)
        return m + tm, s + ts

    def _known(self, reset):
        """Return 0 for earlier vectors of latents that are unknown because of a reset, else 1: (B, T*S, context, 1)."""
        before = jnp.arange(self.S)[:, None] < self.context - jnp.arange(self.context)
        hidden = reset[:, :, None, None] & before
        return jnp.where(hidden.reshape(len(reset), -1, self.context, 1), 0.0, 1.0)


class EntropyModel(nnx.Module):
    """Hold the models of side information and latents.

    With `context_resets` there are three models of side information, for 0, 1, and 2 or more known packets before.
    """

    def __init__(self, c: SpeechConfig, *, rngs: nnx.Rngs):
        K = c.order + c.spec.n_subframes
        self.side = SideModel(K, 64, autoregressive=c.context_resets, rngs=rngs)
        if c.context_resets:
            self.side_reset = SideModel(K, 64, autoregressive=True, rngs=rngs)
            self.side_second = SideModel(K, 64, autoregressive=True, rngs=rngs)
        self.latent = LatentModel(c, K, rngs=rngs)

    def predict_side(self, before: jax.Array, n: jax.Array, reset: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return means and log-scales (B, T, K) of side integers, if some packets reset the context.

        Parameters
        ----------
        before : array (B, 2, K)
            Side integers of the two packets before, which are known.
        n : array (B, T, K)
        reset : bool array (B, T)
            True for packets that reset the context.
        """
        T = n.shape[1]
        past = jnp.concatenate([before, n], axis=1)
        second = jnp.pad(reset[:, :-1], ((0, 0), (1, 0)))[..., None] & ~reset[..., None]
        u = [past[:, 1 : T + 1], past[:, :T]]
        outs = [
            self.side.from_past(jnp.concatenate(u, axis=-1), n),
            self.side_second.from_past(jnp.concatenate([u[0], 0 * u[1]], axis=-1), n),
            self.side_reset.from_past(jnp.concatenate([0 * u[0], 0 * u[1]], axis=-1), n),
        ]
        m, s = (
            jnp.where(reset[..., None], third, jnp.where(second, two, one))
            for one, two, third in zip(*outs, strict=True)
        )
        return m, s
