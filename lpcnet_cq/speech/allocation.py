"""How finely the latents of a subframe are rounded: learned from the decoded envelope and level.

Place in the chain: a factor on the latents' scales, after the noise shape of `lapped`; encoder and decoder compute it
alike from what is decoded, so that it costs no bits. W(z) alone asks for one noise-to-signal ratio everywhere; training
finds where more noise is not heard, in pauses behind loud speech for instance, and spends the bits elsewhere.

Letters: B batch, T packets, S subframes per packet, C conditions per subframe, D latents.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.nn.capture import multiply

HIDDEN = 128
DECAY = 0.005  # neper per subframe: the loudest level of the past is forgotten by 10 dB per second
LARGEST = 2.0  # neper: bounds of the factor
START_LEVEL = -10.0  # neper


class Allocation(nnx.Module):
    """Map envelopes and levels of a packet and the one before it to the log of a factor per latent."""

    def __init__(self, conditions: int, S: int, D: int, *, rngs: nnx.Rngs):
        C = S * (conditions + 1)
        self.S = S
        self.w1 = nnx.Param(jax.random.normal(rngs.params(), (2 * C, HIDDEN)) / (2 * C) ** 0.5)
        self.b1 = nnx.Param(jnp.zeros(HIDDEN))
        self.w2, self.b2 = nnx.Param(jnp.zeros((HIDDEN, S * D))), nnx.Param(jnp.zeros(S * D))

    def start(self, B: int) -> dict:
        """Return the state before the first packet."""
        return {"peak": jnp.full((B, 1), START_LEVEL), "seen": jnp.zeros((B, 1, len(self.w1[...]) // 2))}

    def __call__(self, state: dict, cond: jax.Array, log_gain: jax.Array) -> tuple[dict, jax.Array]:
        """Return the next state and the log of the factors, (B, T*S, D), neper.

        Parameters
        ----------
        state : dict
        cond : array (B, T*S, C)
            From `coder.conditions`.
        log_gain : array (B, T*S)
            Decoded log gains, neper.
        """
        B, N = log_gain.shape
        peak = recent_peak(state["peak"], log_gain)
        seen = jnp.concatenate([cond, (log_gain - peak)[..., None]], axis=-1).reshape(B, N // self.S, -1)
        before = jnp.concatenate([state["seen"], seen[:, :-1]], axis=1)
        h = jax.nn.silu(multiply(self, "w1", jnp.concatenate([before, seen], axis=-1)) + self.b1[...])
        y = (multiply(self, "w2", h) + self.b2[...]).reshape(B, N, -1)
        return {"peak": peak[:, -1:], "seen": seen[:, -1:]}, y.clip(-LARGEST, LARGEST)


def recent_peak(before: jax.Array, log_gain: jax.Array) -> jax.Array:
    """Return the largest of present and past levels, each lowered by `DECAY` per subframe of its age, (B, S).

    Parameters
    ----------
    before : array (B, 1)
        That of the subframe before the first.
    log_gain : array (B, S)
    """
    fall = DECAY * jnp.arange(log_gain.shape[1] + 1, dtype=log_gain.dtype)
    levels = jnp.concatenate([before, log_gain], axis=1) + fall
    return (jax.lax.cummax(levels, axis=1) - fall)[:, 1:]
