"""Rate control of training: the Lagrange multiplier lambda is the weight of the rate in the loss.

Place in the chain: training only. After each step, log lambda changes by a gain times the relative excess of the rate.
"""

import jax
import jax.numpy as jnp

MAX_EXCESS = 0.5


def relative_excess(bps: jax.Array, target_bps: jax.Array | float) -> jax.Array:
    """Return (bps - target_bps) / target_bps, limited to +-`MAX_EXCESS`; 0 if the rate is not finite.

    Examples
    --------
    >>> [float(relative_excess(jnp.float32(bps), 8000.0)) for bps in (9000, 2000, jnp.nan)]
    [0.125, -0.5, 0.0]
    """
    excess = jnp.clip(bps / target_bps - 1, -MAX_EXCESS, MAX_EXCESS)
    return jnp.where(jnp.isfinite(excess), excess, 0.0)
