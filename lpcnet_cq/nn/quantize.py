"""Trainable quantisers: lattice codebooks for envelope and gain, step sizes for the latents.

Place in the chain: LSF vector -> integers v -> codeword mu + B v, with mu and B trained together with everything
else. A lattice is a codebook without a search: K^M codewords, M x M parameters, and rounding for its search. The
waveform loss reaches B through the synthesis filter (that is Collaborative Quantization), the rate reaches it
through v. Bit cost: what `entropy` gives the integers. Delay: none.

Letters: M dimensions, v real coordinates, n integers.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax


def soft_to_hard(v: jax.Array, hardness: jax.Array | float) -> jax.Array:
    """Move from v (hardness 0) to round(v) (hardness 1), with the gradient of the identity.

    References
    ----------
    E. Agustsson et al., "Soft-to-hard vector quantization" (2017), sec. 3: anneal assignments from soft to hard;
    Y. Bengio et al. (2013) for the straight-through gradient.
    """
    return v + hardness * lax.stop_gradient(jnp.round(v) - v)


class TransformQuantiser(nnx.Module):
    """Quantise vectors to the trainable lattice { mu + B n : n integer }.

    Parameters
    ----------
    mean : array (M,)
        Initial mu.
    basis : array (M, M)
        Initial B; its columns are the quantiser's steps.
    scale : float
        Unit in which B is trained: small units make small relative learning steps.
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
    """Relative latent step sizes, shape (Q,), finest first, 1 in the middle."""
    return step_ratio ** (jnp.arange(n_steps, dtype=jnp.float32) - n_steps // 2)
