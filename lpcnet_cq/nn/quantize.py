"""Trainable quantisers: transform quantisers for envelope and gain, step sizes for the latents.

Place in the chain: LSF vector -> coordinates v -> integers n -> codeword mu + B n; mu and B are trained together with
all other parts. A transform quantiser needs no codebook search, because the encoder rounds v: K^M codewords have only
M x M parameters. The gradient of the waveform loss reaches B through the synthesis filter (Collaborative Quantization);
the gradient of the rate reaches B through v. Bits: those that the entropy model needs for the integers. Delay: none.

Letters: M dimensions, v real coordinates, n integers.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax


def soft_to_hard(v: jax.Array, hardness: jax.Array | float) -> jax.Array:
    """Return v + hardness * (round(v) - v), from v (hardness 0) to round(v) (hardness 1); its gradient is 1.

    References
    ----------
    E. Agustsson et al., "Soft-to-hard vector quantization" (2017), sec. 3, for annealing from soft to hard;
    Y. Bengio et al. (2013) for the straight-through gradient.
    """
    return v + hardness * lax.stop_gradient(jnp.round(v) - v)


class TransformQuantiser(nnx.Module):
    """Transform quantiser: codewords mu + B n with integer n and trainable mu and B.

    Parameters
    ----------
    mean : array (M,)
        Initial mu.
    basis : array (M, M)
        Initial B; its columns are the quantiser's steps.
    scale : float
        Unit in which B is trained; a small unit makes relative training steps small.
    """

    def __init__(self, mean: jax.Array, basis: jax.Array, scale: float):
        self.scale = scale
        self.mean = nnx.Param(jnp.asarray(mean, jnp.float32))
        self.basis = nnx.Param(jnp.asarray(basis, jnp.float32) / scale)

    def analyse(self, w: jax.Array) -> jax.Array:
        """Return real coordinates v = B^-1 (w - mu), shape (..., M)."""
        B = self.basis[...] * self.scale
        return jnp.einsum("ij,...j->...i", jnp.linalg.inv(B), w - self.mean[...])

    def synthesise(self, n: jax.Array) -> jax.Array:
        """Return codewords mu + B n, shape (..., M)."""
        return jnp.einsum("ij,...j->...i", self.basis[...] * self.scale, n) + self.mean[...]


def latent_steps(n_steps: int, step_ratio: float) -> jax.Array:
    """Return the relative latent step sizes, shape (Q,), finest first; the middle one is 1."""
    return step_ratio ** (jnp.arange(n_steps, dtype=jnp.float32) - n_steps // 2)
