"""Network path of the residual coder: a small convolutional autoencoder of the excitation, in Flax NNX.

Place in the chain: the inputs of the encoder are the residual divided by its decoded gain, and the speech advanced by
the analysis look-ahead. Its output is D latents per subframe. The decoder converts decoded latents, envelope and gains
to the excitation of the previous subframe. This look-ahead of one subframe causes a delay of one subframe. All
convolutions are causal; look-ahead is obtained by shifting the input.

Letters: B batch, S subframes, L samples per subframe, P samples per fine step, F = L / P fine steps per subframe,
D latents, M order.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.nn.layers import Block, CausalConv, run_all, start_all
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import COARSE_DILATIONS, FINE_DILATIONS


def condition_size(config: SpeechConfig) -> int:
    """Return the number of values per subframe that `conditions` returns."""
    return config.order + 3


def conditions(lsf: jax.Array, mean_lsf: jax.Array, log_gain: jax.Array, before: jax.Array) -> jax.Array:
    """Return the decoded envelope and level as network inputs, shape (B, S, M + 3).

    Parameters
    ----------
    lsf : array (B, S, M)
        Decoded and interpolated LSFs, rad.
    mean_lsf : array (M,)
        Mean that is subtracted from the LSFs.
    log_gain : array (B, S)
        Decoded log gains (natural log).
    before : array (B, 2)
        Log gains of the two subframes before.
    """
    g = jnp.concatenate([before, log_gain], axis=1)
    level = jnp.stack([0.3 * (log_gain + 6), g[:, 2:] - g[:, 1:-1], g[:, 1:-1] - g[:, :-2]], axis=-1)
    return jnp.concatenate([5 * (lsf - mean_lsf), level], axis=-1)


def decoder_condition_size(config: SpeechConfig) -> int:
    """Return the number of conditions of the decoder per subframe: those of `conditions`, step size and packet loss."""
    return condition_size(config) + 1 + 2 * config.concealment


class Encoder(nnx.Module):
    """Map residual and speech to latents."""

    def __init__(self, c: SpeechConfig, *, rngs: nnx.Rngs):
        F = c.spec.subframe // c.step
        self.step = c.step
        self.fine = nnx.List(
            [CausalConv(2 * c.step, c.fine, 5, rngs=rngs)]
            + [Block(c.fine, 5, FINE_DILATIONS[i], rngs=rngs) for i in range(c.fine_blocks)]
        )
        self.down = CausalConv(c.fine, c.coarse, 2 * F, stride=F, rngs=rngs)
        self.condition = CausalConv(condition_size(c), c.coarse, 1, rngs=rngs)
        self.coarse = nnx.List(
            [Block(c.coarse, 3, COARSE_DILATIONS[i], rngs=rngs) for i in range(c.coarse_blocks)]
            + [CausalConv(c.coarse, c.n_latents, 1, gain=0.05, rngs=rngs)]
        )

    def start(self, B: int) -> dict:
        """Return the state before the first sample."""
        return {"fine": start_all(self.fine, B), "down": self.down.start(B), "coarse": start_all(self.coarse, B)}

    def __call__(self, state: dict, e: jax.Array, x: jax.Array, cond: jax.Array) -> tuple[dict, jax.Array]:
        """Return the next state and latents (B, S, D), before scaling and rounding.

        Parameters
        ----------
        state : dict
        e : array (B, N)
            Residual divided by its decoded gain.
        x : array (B, N)
            Speech divided by its level, advanced by the look-ahead relative to `e`.
        cond : array (B, S, M+3)
        """
        B = e.shape[0]
        u = jnp.concatenate([e.reshape(B, -1, self.step), x.reshape(B, -1, self.step)], axis=-1)
        fine, h = run_all(self.fine, state["fine"], u)
        down, h = self.down(state["down"], jax.nn.silu(h))
        h = h + self.condition(cond[:, :0], cond)[1]
        coarse, y = run_all(self.coarse, state["coarse"], h)
        return {"fine": fine, "down": down, "coarse": coarse}, y


class Decoder(nnx.Module):
    """Map decoded latents to the normalised excitation of the previous subframe."""

    def __init__(self, c: SpeechConfig, *, rngs: nnx.Rngs):
        self.F = c.spec.subframe // c.step
        self.step = c.step
        self.coarse = nnx.List(
            [CausalConv(c.n_latents + decoder_condition_size(c), c.coarse, 3, rngs=rngs)]
            + [Block(c.coarse, 3, COARSE_DILATIONS[i], rngs=rngs) for i in range(c.coarse_blocks)]
        )
        self.up = CausalConv(c.coarse, c.fine * self.F, 1, rngs=rngs)
        self.noise = CausalConv(c.noise, c.fine, 1, gain=0.1, rngs=rngs)
        self.fine = nnx.List(
            [Block(c.fine, 5, FINE_DILATIONS[i], rngs=rngs) for i in range(c.fine_blocks)]
            + [CausalConv(c.fine, c.step, 3, gain=0.05, rngs=rngs)]
        )

    def start(self, B: int) -> dict:
        """Return the state before the first packet."""
        return {"coarse": start_all(self.coarse, B), "fine": start_all(self.fine, B)}

    def __call__(self, state: dict, y: jax.Array, cond: jax.Array, noise: jax.Array) -> tuple[dict, jax.Array]:
        """Return the next state and the normalised excitation (B, N).

        Parameters
        ----------
        state : dict
        y : array (B, S, D)
            Decoded latents, multiplied by their step size.
        cond : array (B, S, M+4)
            Conditions and the log of the latent step size.
        noise : array (S*F, C)
            Uniform noise for the fine rate.
        """
        B, S, _ = y.shape
        coarse, h = run_all(self.coarse, state["coarse"], jnp.concatenate([y, cond], axis=-1))
        h = self.up(h[:, :0], jax.nn.silu(h))[1].reshape(B, S * self.F, -1)
        n = noise[None]
        h = h + self.noise(n[:, :0], n)[1]
        fine, e = run_all(self.fine, state["fine"], h)
        return {"coarse": coarse, "fine": fine}, e.reshape(B, -1)
