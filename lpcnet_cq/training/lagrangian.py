"""How the Lagrange multiplier lambda, the price of a bit in the loss, follows the rate.

Place in the chain: training only. Each step moves the logarithm of lambda by a gain times what `relative_excess` says.
"""

import jax
import jax.numpy as jnp

MAX_EXCESS = 0.5  # of one step, up or down


def relative_excess(bps: jax.Array, target_bps: float) -> jax.Array:
    """Return by which share of the target a step's rate exceeds it, limited; a rate that is not finite counts as 0.

    Examples
    --------
    >>> [float(relative_excess(jnp.float32(bps), 8000.0)) for bps in (9000, 2000, jnp.nan)]
    [0.125, -0.5, 0.0]
    """
    excess = jnp.clip(bps / target_bps - 1, -MAX_EXCESS, MAX_EXCESS)
    return jnp.where(jnp.isfinite(excess), excess, 0.0)
