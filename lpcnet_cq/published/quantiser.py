"""Soft-to-hard scalar quantisers: shared centroids, soft assignments in training, the nearest one in the codec.

Place in the chain: between encoder and decoder of an autoencoder, and at the LSFs. Bit cost: what `packet` gives the
symbols. Delay: none. A decoder only ever sees hard symbols, and rates are steered by hard symbols.

Letters: K centroids b, x values of any shape, p assignments (..., K).

References
----------
S. Kankanahalli, "End-to-end optimized speech coding with deep neural networks", arXiv 1710.09064 (2018), section 2.3;
E. Agustsson et al., "Soft-to-hard vector quantization", arXiv 1704.00648 (2017).
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax


class Centroids(nnx.Module):
    """Hold K centroids and the sharpness alpha of their soft assignments, all trainable."""

    def __init__(self, centroids: jax.Array, temperature: float):
        self.centroids = nnx.Param(jnp.asarray(centroids, jnp.float32))
        self.temperature = nnx.Param(jnp.asarray(temperature, jnp.float32))

    def log_assignment(self, x: jax.Array) -> jax.Array:
        """Return log p_k = log softmax_k(-alpha |x - b_k|), shape (..., K)."""
        return jax.nn.log_softmax(-self.temperature[...] * jnp.abs(x[..., None] - self.centroids[...]))

    def values(self, symbols: jax.Array) -> jax.Array:
        """Return the centroids of integer symbols."""
        return self.centroids[...][symbols]


def clusters(z: np.ndarray, K: int, rounds: int = 20) -> np.ndarray:
    """Return K centroids of values z (n,), ascending: Lloyd's k-means, begun at evenly spaced quantiles.

    Examples
    --------
    >>> clusters(np.array([0.0, 0.1, 0.2, 5.0, 5.2]), 2).round(6).tolist()
    [0.1, 5.1]
    """
    z = np.sort(z.astype(np.float64))
    b = np.quantile(z, (np.arange(K) + 0.5) / K)
    for _ in range(rounds):
        nearest = np.searchsorted(0.5 * (b[1:] + b[:-1]), z)
        n, total = np.bincount(nearest, minlength=K), np.bincount(nearest, z, minlength=K)
        b = np.where(n > 0, total / np.maximum(n, 1), b)
    return b


def symbols(log_p: jax.Array) -> jax.Array:
    """Return the hard symbols of assignments, int32: the nearest centroids."""
    return jnp.argmax(log_p, axis=-1).astype(jnp.int32)


def quantise(q: Centroids, x: jax.Array, soft: bool, on: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return what the decoder gets for x, and log assignments.

    Parameters
    ----------
    q : Centroids
    x : array
    soft : bool
        True: sum_k p_k b_k, differentiable; False: the nearest centroid, without gradient.
    on : scalar
        0 lets x through in place of the soft value (the first steps of a training), 1 quantises.
    """
    log_p = q.log_assignment(x)
    if not soft:
        return lax.stop_gradient(q.values(symbols(log_p))), lax.stop_gradient(log_p)
    value = jnp.einsum("...k,k->...", jnp.exp(log_p), q.centroids[...])
    return x + on * (value - x), log_p


def penalty(log_p: jax.Array) -> jax.Array:
    """Return the mean of sum_k sqrt(p_k) - 1: nothing exactly where assignments are hard."""
    return jnp.mean(jnp.exp(0.5 * log_p).sum(axis=-1)) - 1


def entropy_bits(p: jax.Array) -> jax.Array:
    """Return -sum_k p_k log2 p_k over the last axis."""
    return -jnp.sum(p * jnp.log2(jnp.maximum(p, 1e-12)), axis=-1)


def frame_bits(log_p: jax.Array, pooled: bool) -> tuple[jax.Array, jax.Array]:
    """Return the zero-order entropies of a frame's symbols in bits: of soft and of hard assignments.

    Histograms are pooled over all frames, as a static frequency table is; a histogram of its own for each frame
    would have a lower entropy that no coder reaches without sending the table.

    Parameters
    ----------
    log_p : array (B, T, N, K)
    pooled : bool
        One histogram for all N symbols of a frame (codes), or one for each position (LSFs).
    """
    N, axes = log_p.shape[2], (0, 1, 2) if pooled else (0, 1)
    soft = entropy_bits(jnp.exp(log_p).mean(axes))
    hard = entropy_bits(jax.nn.one_hot(symbols(log_p), log_p.shape[-1], dtype=log_p.dtype).mean(axes))
    return (N * soft, N * hard) if pooled else (soft.sum(), hard.sum())
