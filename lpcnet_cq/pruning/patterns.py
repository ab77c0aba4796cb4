"""Which weights are zero together: single ones, blocks, or whole output channels.

Place in the chain: below `sparsify` (training) and `sparse_weights` (storage). A kernel (..., inputs, outputs) is seen
as the matrix W (I, O) of y = x W, all axes but the last being inputs; a pattern tiles it with groups that stay or go
as a whole. With groups of one weight, all here is the classic elementwise case.

Letters: I inputs, O outputs, N groups, n weights per group.
"""


import jax
import jax.numpy as jnp

from lpcnet_cq.checkpoint.weight_groups import Pattern, from_groups, resolve


def spread(keep: jax.Array, shape: tuple[int, ...], pattern: Pattern) -> jax.Array:
    """Give every weight what its group has, (N,) to `shape`."""
    r, c = resolve(pattern, shape)
    return from_groups(jnp.broadcast_to(keep[:, None], (keep.shape[0], r * c)), shape, pattern)


def norms(groups: jax.Array) -> jax.Array:
    """Score groups by their norm, (N,)."""
    return jnp.sqrt(jnp.sum(groups**2, axis=1))


def soft_threshold(groups: jax.Array, threshold: jax.Array | float) -> jax.Array:
    """Shrink every group by `threshold` in root mean square, to zero if it has no more than that.

    The proximal operator of threshold * sum_g sqrt(n) ||w_g||_2; for n = 1, sign(w) max(|w| - threshold, 0).

    Parameters
    ----------
    groups : array (N, n)
    threshold : scalar

    References
    ----------
    I. Daubechies, M. Defrise and C. De Mol, CPAM 57 (2004), 1413-1457 (single weights); M. Yuan and Y. Lin,
    J. R. Stat. Soc. B 68 (2006), 49-67 (groups).

    Examples
    --------
    >>> soft_threshold(jnp.array([[3.0], [-1.0], [0.5]]), 1.0).tolist()
    [[2.0], [-0.0], [0.0]]
    """
    size = norms(groups) / groups.shape[1] ** 0.5
    share = jnp.maximum(size - threshold, 0) / jnp.where(size > 0, size, 1.0)
    return groups * share[:, None]


def select(scores: jax.Array, alive: jax.Array, sparsity: jax.Array) -> jax.Array:
    """Keep the best groups: all but round(N * sparsity), and none that is dead already.

    Parameters
    ----------
    scores : array (N,)
        At least 0.
    alive : bool array (N,)
        What may be kept.
    sparsity : scalar

    Returns
    -------
    bool array (N,)
        Of equal scores, the later ones stay.
    """
    N = scores.shape[0]
    order = jnp.argsort(jnp.where(alive, scores, -1.0))
    rank = jnp.zeros(N, jnp.int32).at[order].set(jnp.arange(N, dtype=jnp.int32))
    return alive & (rank >= jnp.round(N * sparsity).astype(jnp.int32))
