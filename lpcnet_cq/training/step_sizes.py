"""Random step sizes of the latents in training, so that one weights file supports a range of bitrates.

Place in the chain: training only, between the target rates and the quantiser of the latents.

Letters: B batch, T packets, Q step sizes.
"""

import jax
import jax.numpy as jnp
import numpy as np

from lpcnet_cq.training.config import TrainConfig


def step_range(t: TrainConfig, notes: dict | None = None) -> tuple[float, float]:
    """Return the range of step indices from which a run draws, two real numbers from 0 to Q.

    Parameters
    ----------
    t : TrainConfig
    notes : dict, optional
        Notes of the initial weights. The centre of the range is the step index at which these weights have the target
        bitrates on average. Without notes, the centre is the middle step size.
    """
    width = t.span * t.codec.n_steps
    centre = t.codec.n_steps / 2
    if notes:
        mean_bps, steps = notes["mean_rates_bps"][::-1], np.arange(*notes["steps"])[::-1]
        centre = 0.5 + float(np.interp(np.mean(np.log(t.bitrates_bps)), np.log(mean_bps), steps))
        centre = min(max(centre, width / 2), t.codec.n_steps - width / 2)
    return centre - width / 2, centre + width / 2


def draw_steps(key: jax.Array, drawn: tuple[float, float], B: int, T: int) -> jax.Array:
    """Draw step indices (B, T) uniformly from a range, see `step_range`; a sequence changes its index at most once."""
    first, stop = drawn
    k1, k2 = jax.random.split(key)
    q = first + (stop - first) * jax.random.uniform(k1, (2, B))
    change = jax.random.randint(k2, (B, 1), 0, 2 * T)  # half of the sequences never change
    return jnp.where(jnp.arange(T)[None] < change, q[0][:, None], q[1][:, None]).astype(jnp.int32)
