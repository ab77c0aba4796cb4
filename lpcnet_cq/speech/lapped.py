"""Transform path of the residual coder: a lapped transform, and the shape of its quantisation noise.

Place in the chain: in parallel with the networks of `residual_coder`. The transform maps the excitation of two
subframes to one vector of latents; the inverse maps two vectors of latents to one subframe of excitation. Both are
initialised as a modified discrete cosine transform, which has perfect reconstruction. Therefore the error of the codec
goes to zero with the step size. Training changes the transform, and the networks learn to correct its output. Delay:
one subframe, which is the look-ahead of the decoder network.

Before rounding, every latent is multiplied by a scale: the magnitude of W(z)/A(z) at the frequency of the latent. The
quantisation noise is then white after the weighting filter W(z), so that it is least audible.

Letters: B batch, S subframes, L samples per subframe = latents D, M order.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.speech.analysis import PREEMPHASIS
from lpcnet_cq.speech.constants import GAMMA, LAPPED_UNIT, MAX_LOG_SHAPE, POWER_FLOOR
from lpcnet_cq.speech.envelope import expand_bandwidth


def mdct(L: int) -> np.ndarray:
    """Return the modified discrete cosine transform with sine window, (2L, L); its columns are the basis functions.

    References
    ----------
    J. Princen, A. Johnson and A. Bradley, "Subband/transform coding using filter bank designs based on time domain
    aliasing cancellation", ICASSP 1987.
    """
    n, k = np.arange(2 * L)[:, None], np.arange(L)[None]
    window = np.sin(np.pi / (2 * L) * (n + 0.5))
    return (2 / L) ** 0.5 * window * np.cos(np.pi / L * (n + 0.5 + L / 2) * (k + 0.5))


class Lapped(nnx.Module):
    """Transform overlapping pairs of subframes to latents, and latents to subframes."""

    def __init__(self, L: int):
        basis = jnp.asarray(mdct(L).reshape(2, L, L) / LAPPED_UNIT, jnp.float32)  # [previous, present][sample][latent]
        self.forward = nnx.Param(basis)
        self.back = nnx.Param(jnp.swapaxes(basis, 1, 2))

    def analyse(self, before: jax.Array, e: jax.Array) -> jax.Array:
        """Return one vector per subframe, (B, S, L), computed from this subframe and the one before it.

        Parameters
        ----------
        before : array (B, L)
            Subframe before the first.
        e : array (B, S, L)
        """
        shifted = jnp.concatenate([before[:, None], e[:, :-1]], axis=1)
        return LAPPED_UNIT * (shifted @ self.forward[0] + e @ self.forward[1])

    def synthesise(self, before: jax.Array, y: jax.Array) -> jax.Array:
        """Return one subframe per vector, (B, S, L): the inverse of `analyse`, delayed by one subframe.

        Parameters
        ----------
        before : array (B, L)
            Vector before the first.
        y : array (B, S, L)
        """
        shifted = jnp.concatenate([before[:, None], y[:, :-1]], axis=1)
        return LAPPED_UNIT * (shifted @ self.back[1] + y @ self.back[0])


def noise_shape(a: jax.Array, L: int) -> jax.Array:
    """Return ln |W(z) / A(z)| at the frequencies of the latents, (..., L).

    Parameters
    ----------
    a : array (..., M+1)
        LPC coefficients of the pre-emphasised speech, A(z). The excitation is the output of A(z) (1 - mu z^-1).
    L : int
        Number of latents; latent d has the frequency pi (d + 1/2) / L.

    References
    ----------
    3GPP TS 26.190, 5.4: W(z) = A(z/gamma) on plain speech.
    """
    w = np.pi / L * (np.arange(L) + 0.5)
    k = np.arange(a.shape[-1])[:, None]
    cos, sin = jnp.asarray(np.cos(k * w), a.dtype), jnp.asarray(np.sin(k * w), a.dtype)

    def log_power(a):
        return jnp.log((a @ cos) ** 2 + (a @ sin) ** 2 + POWER_FLOOR)

    emphasis = jnp.asarray(np.log(np.abs(1 - PREEMPHASIS * np.exp(-1j * w))), a.dtype)
    return (0.5 * (log_power(expand_bandwidth(a, GAMMA)) - log_power(a)) - emphasis).clip(-MAX_LOG_SHAPE, MAX_LOG_SHAPE)
