"""The published losses, on frames: root mean square error in time, and in four mel resolutions.

Place in the chain: training only. Frames must be faded at both ends, because sharp edges would change their spectra.

Letters: B batch, T frames, W samples of a frame.

References
----------
S. Kankanahalli, arXiv 1710.09064 (2018), section 2.4; weights as in the released code of each system.
"""

import jax
import jax.numpy as jnp

from lpcnet_cq.training.mel import mel_bank

MEL_BANKS = (8, 16, 32, 128)
FLOOR = 1e-7  # added to mean squares and to band powers


def time_loss(x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the root mean square error of frames (B, T, W), averaged over frames."""
    return jnp.mean(jnp.sqrt(jnp.mean((x - y) ** 2, axis=-1) + FLOOR))


def mel_loss(x: jax.Array, y: jax.Array, sample_rate_hz: int) -> jax.Array:
    """Return the root mean square distance of log band powers (natural log), averaged over frames and filter banks."""
    W = x.shape[-1]
    X, Y = (jnp.abs(jnp.fft.rfft(v)) ** 2 / W for v in (x, y))
    distances = []
    for n in MEL_BANKS:
        bank = mel_bank(n, W, sample_rate_hz, "htk")
        d = jnp.log(X @ bank + FLOOR) - jnp.log(Y @ bank + FLOOR)
        distances.append(jnp.mean(jnp.sqrt(jnp.mean(d**2, axis=-1) + FLOOR)))
    return jnp.stack(distances).mean()
