"""Entropy model of speech in training: predicts mean and scale of every integer of a packet.

Place in the chain: between the quantisers and the packet. Training uses this floating-point network. Streams use the
integer network that `speech.freeze` makes from it, so that every machine decodes the same symbols. Cost: about 7 MMAC
per second of audio. Delay: none, because the inputs are decoded integers of the past.

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
        h = activation(multiply(self, "ws", u) + self.step[...][step] + self.bs[...])
        h = (multiply(self, "wp", h) + self.bp[...]).reshape(B, T * self.S, -1)
        past = jnp.clip(jnp.concatenate([before, n], axis=1), -CLIP, CLIP)
        y = jnp.concatenate([past[:, i : i + T * self.S] for i in range(self.context)], axis=-1)
        h = activation(h + multiply(self, "wy", y))
        h = activation(multiply(self, "w2", h) + self.b2[...])
        m, s = jnp.split(multiply(self, "w3", h) + self.b3[...], 2, axis=-1)
        tm, ts = self.triangular(n, CLIP)
        return m + tm, s + ts


class EntropyModel(nnx.Module):
    """Hold the model of the side information and the model of the latents."""

    def __init__(self, c: SpeechConfig, *, rngs: nnx.Rngs):
        K = c.order + c.spec.n_subframes
        self.side = SideModel(K, 64, rngs=rngs)
        self.latent = LatentModel(c, K, rngs=rngs)
