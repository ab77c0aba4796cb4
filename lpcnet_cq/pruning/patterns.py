"""Operations on groups of weights that are pruned together: single weights, blocks, or whole channels.

Place in the chain: below `sparsify`. A pattern (`checkpoint.weight_groups`) divides the matrix W (I, O) of y = x W into
groups of equal size. With groups of one weight, every operation is elementwise.

Letters: I inputs, O outputs, N groups, n weights per group.
"""

import jax
import jax.numpy as jnp

from lpcnet_cq.checkpoint.weight_groups import Pattern, from_groups, resolve


def expand_mask(keep: jax.Array, shape: tuple[int, ...], pattern: Pattern) -> jax.Array:
    """Expand a mask of groups (N,) to a mask of weights of a shape."""
    r, c = resolve(pattern, shape)
    return from_groups(jnp.broadcast_to(keep[:, None], (keep.shape[0], r * c)), shape, pattern)


def group_norms(groups: jax.Array) -> jax.Array:
    """Return the Euclidean norms (N,) of groups (N, n)."""
    return jnp.sqrt(jnp.sum(groups**2, axis=1))


def soft_threshold(groups: jax.Array, threshold: jax.Array | float) -> jax.Array:
    """Reduce the root mean square of every group by `threshold`, or to zero.

    This is the proximal operator of threshold * sum_g sqrt(n) ||w_g||_2; for n = 1, sign(w) max(|w| - threshold, 0).

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
    size = group_norms(groups) / groups.shape[1] ** 0.5
    share = jnp.maximum(size - threshold, 0) / jnp.where(size > 0, size, 1.0)
    return groups * share[:, None]


def select_groups(scores: jax.Array, alive: jax.Array, sparsity: jax.Array) -> jax.Array:
    """Select the groups with the largest scores: all but round(N * sparsity), and only groups that are alive.

    Parameters
    ----------
    scores : array (N,)
        Non-negative.
    alive : bool array (N,)
        Groups that may be selected.
    sparsity : scalar
        Share of groups to prune, 0 to 1.

    Returns
    -------
    bool array (N,)
        True for selected groups. Among groups with equal scores, those with higher indices are selected first.
    """
    N = scores.shape[0]
    order = jnp.argsort(jnp.where(alive, scores, -1.0))
    rank = jnp.zeros(N, jnp.int32).at[order].set(jnp.arange(N, dtype=jnp.int32))
    return alive & (rank >= jnp.round(N * sparsity).astype(jnp.int32))
