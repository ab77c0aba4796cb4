"""Bit allocation: a trained factor on the scale of every latent, computed from decoded envelopes and gains.

Place in the chain: after the noise shape of `lapped`. Encoder and decoder compute the same factor from decoded values,
so that it costs no bits. With W(z) alone, the noise-to-signal ratio is constant over time. Training learns where more
noise is inaudible, for instance in pauses after loud speech, and spends the bits elsewhere.

Letters: B batch, T packets, S subframes per packet, C conditions per subframe, D latents.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.nn.capture import multiply
from lpcnet_cq.nn.running_max import running_max
from lpcnet_cq.speech.constants import MAX_LOG_FACTOR, PEAK_DECAY, START_LEVEL

HIDDEN = 128


class Allocation(nnx.Module):
    """Map envelopes and levels of this packet and the previous packet to the log of a factor per latent."""

    def __init__(self, conditions: int, S: int, D: int, *, rngs: nnx.Rngs):
        C = S * (conditions + 1)
        self.S = S
        self.w1 = nnx.Param(jax.random.normal(rngs.params(), (2 * C, HIDDEN)) / (2 * C) ** 0.5)
        self.b1 = nnx.Param(jnp.zeros(HIDDEN))
        self.w2, self.b2 = nnx.Param(jnp.zeros((HIDDEN, S * D))), nnx.Param(jnp.zeros(S * D))

    def start(self, B: int) -> dict:
        """Return the state before the first packet."""
        return {"peak": jnp.full((B, 1), START_LEVEL, jnp.float32), "seen": jnp.zeros((B, 1, len(self.w1[...]) // 2))}

    def __call__(self, state: dict, cond: jax.Array, log_gain: jax.Array) -> tuple[dict, jax.Array]:
        """Return the next state and the natural log of the factors, (B, T*S, D).

        Parameters
        ----------
        state : dict
        cond : array (B, T*S, C)
            From `residual_coder.conditions`.
        log_gain : array (B, T*S)
            Decoded log gains (natural log).
        """
        B, N = log_gain.shape
        peak = recent_peak(state["peak"], log_gain)
        seen = jnp.concatenate([cond, (log_gain - peak)[..., None]], axis=-1).reshape(B, N // self.S, -1)
        before = jnp.concatenate([state["seen"], seen[:, :-1]], axis=1)
        h = jax.nn.silu(multiply(self, "w1", jnp.concatenate([before, seen], axis=-1)) + self.b1[...])
        y = (multiply(self, "w2", h) + self.b2[...]).reshape(B, N, -1)
        return {"peak": peak[:, -1:], "seen": seen[:, -1:]}, y.clip(-MAX_LOG_FACTOR, MAX_LOG_FACTOR)


def recent_peak(before: jax.Array, log_gain: jax.Array) -> jax.Array:
    """Return the decaying peak level of each subframe, (B, S).

    It is the maximum of the present level and of all past levels, each reduced by `PEAK_DECAY` per subframe since then.

    Parameters
    ----------
    before : array (B, 1)
        Peak level of the subframe before the first.
    log_gain : array (B, S)
    """
    fall = PEAK_DECAY * jnp.arange(log_gain.shape[1] + 1, dtype=log_gain.dtype)
    levels = jnp.concatenate([before, log_gain], axis=1) + fall
    return (running_max(levels) - fall)[:, 1:]
