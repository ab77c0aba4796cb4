"""Soft-to-hard scalar quantisers: shared centroids, soft assignments in training, nearest centroid in the codec.

Place in the chain: between encoder and decoder of an autoencoder, and for the LSFs. Bits: those of the symbols in
`packet`. Delay: none. Streams contain hard symbols only, and the rate control uses the rate of hard symbols.

Letters: K centroids b, x values of any shape, p assignments (..., K).

References
----------
S. Kankanahalli, "End-to-end optimized speech coding with deep neural networks", arXiv 1710.09064 (2018), section 2.3;
E. Agustsson et al., "Soft-to-hard vector quantization", arXiv 1704.00648 (2017).
"""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

FACTORS = np.geomspace(1e3, 1e-3, 300)  # scale factors of centroids that are tried
RARE = 1e-4  # smallest relative frequency of a symbol in bit counts


class Relaxation(NamedTuple):
    """Hold the state of the soft-to-hard relaxation at one step of a training; scalars, 0..1.

    Attributes
    ----------
    on : array
        0: values are not quantised (in the first steps of a new module); 1: values are quantised.
    sharpness : array
        Factor of alpha.
    hard : array
        1: the decoder receives hard symbols, and the gradient passes straight through. 0: it receives soft ones, as
        published.
    """

    on: jax.Array
    sharpness: jax.Array
    hard: jax.Array


class Centroids(nnx.Module):
    """Hold K centroids and the sharpness alpha of their soft assignments, all trainable."""

    def __init__(self, centroids: jax.Array, temperature: float):
        self.centroids = nnx.Param(jnp.asarray(centroids, jnp.float32))
        self.temperature = nnx.Param(jnp.asarray(temperature, jnp.float32))

    def log_assignment(self, x: jax.Array, sharpness: jax.Array | float = 1.0) -> jax.Array:
        """Return log p_k = log softmax_k(-sharpness alpha |x - b_k|), shape (..., K)."""
        alpha = sharpness * self.temperature[...]
        return jax.nn.log_softmax(-alpha * jnp.abs(x[..., None] - self.centroids[...]))

    def values(self, symbols: jax.Array) -> jax.Array:
        """Return the centroids of integer symbols."""
        return self.centroids[...][symbols]


def cluster_centres(z: np.ndarray, K: int, rounds: int = 20) -> np.ndarray:
    """Return K centroids of values z (n,), ascending, by k-means (Lloyd's algorithm), started at quantiles.

    A centroid without values does not move.

    Examples
    --------
    >>> cluster_centres(np.array([0.0, 0.1, 0.2, 5.0, 5.2]), 2).round(6).tolist()
    [0.1, 5.1]
    """
    from scipy.cluster.vq import kmeans2

    z = z.astype(np.float64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")
        return np.sort(kmeans2(z, np.quantile(z, (np.arange(K) + 0.5) / K), iter=rounds, minit="matrix")[0])


def scale_centroids(b: np.ndarray, z: np.ndarray, bits: float) -> np.ndarray:
    """Scale ascending centroids b (K,) so that the symbols of values z (n,) have an entropy of `bits`.

    The middle centroid is moved to the median of the values.

    Examples
    --------
    >>> scale_centroids(np.array([-1.0, 0.0, 1.0]), np.linspace(-8, 8, 1001), 1.5).round().tolist()
    [-8.0, 0.0, 8.0]
    """
    steps, centre = b - b[len(b) // 2], np.median(z)

    def entropy(factor):
        levels = centre + factor * steps
        n = np.bincount(np.searchsorted(0.5 * (levels[1:] + levels[:-1]), z), minlength=len(b))
        share = n[n > 0] / len(z)
        return -np.sum(share * np.log2(share))

    factor = next((f for f in FACTORS if entropy(f) >= bits), FACTORS[-1])
    return centre + factor * steps


def symbols(log_p: jax.Array) -> jax.Array:
    """Return the hard symbols, int32: indices of the nearest centroids."""
    return jnp.argmax(log_p, axis=-1).astype(jnp.int32)


def quantise(q: Centroids, x: jax.Array, relaxation: Relaxation | None) -> tuple[jax.Array, jax.Array]:
    """Return the quantised x, which is the input of the decoder, and the log assignments.

    Parameters
    ----------
    q : Centroids
    x : array
    relaxation : Relaxation, optional
        If given, the result is differentiable. Hard symbols have the gradient 1 with respect to x, as if they were x
        plus noise, and their exact gradient with respect to the chosen centroids. Soft ones are sum_k p_k b_k.
        Otherwise the result is the nearest centroid, as in the codec, and has no gradient.

    References
    ----------
    Y. Bengio et al., "Estimating or propagating gradients through stochastic neurons for conditional computation",
    arXiv 1308.3432 (2013), for the gradient of hard symbols.
    """
    if relaxation is None:
        log_p = q.log_assignment(x)
        return lax.stop_gradient(q.values(symbols(log_p))), lax.stop_gradient(log_p)
    log_p = q.log_assignment(x, relaxation.sharpness)
    b = q.centroids[...]
    # Beyond the outermost centroids assignments are constant; there the gradient is 1, so that values can move back.
    beyond = x - jnp.clip(x, *lax.stop_gradient((b.min(), b.max())))
    soft = jnp.einsum("...k,k->...", jnp.exp(log_p), b) + beyond - lax.stop_gradient(beyond)
    hard = q.values(symbols(log_p)) + x - lax.stop_gradient(x)
    value = soft + relaxation.hard * (hard - soft)
    return x + relaxation.on * (value - x), log_p


def penalty(log_p: jax.Array) -> jax.Array:
    """Return the mean of sum_k sqrt(p_k) - 1, which is 0 only if all assignments are hard."""
    return jnp.mean(jnp.exp(0.5 * log_p).sum(axis=-1)) - 1


def frame_bits(log_p: jax.Array, table: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return soft and hard bits of the symbols of a frame for a table, and the relative frequencies of hard symbols.

    A coder has one table for all frames. The entropy of the symbols of one frame, or of a small batch, is lower; a
    coder could reach it only by transmitting the table.

    Parameters
    ----------
    log_p : array (B, T, N, K)
    table : array (K,) or (N, K)
        Relative frequencies, for all N symbols of a frame (codes) or for each position (LSFs); without gradient.

    Returns
    -------
    soft, hard : scalars
    shares : array like `table`
    """
    axes, count = ((0, 1, 2), log_p.shape[2]) if table.ndim == 1 else ((0, 1), 1)
    bits = -jnp.log2(jnp.maximum(lax.stop_gradient(table), RARE))
    shares = jax.nn.one_hot(symbols(log_p), log_p.shape[-1], dtype=log_p.dtype).mean(axes)
    return count * jnp.sum(jnp.exp(log_p).mean(axes) * bits), count * jnp.sum(shares * bits), shares
