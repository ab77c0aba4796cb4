"""Which weights are zero together: single ones, blocks, or whole output channels.

Place in the chain: below `sparsify` (training) and `sparse_weights` (storage). A kernel (..., inputs, outputs) is seen
as the matrix W (I, O) of y = x W, all axes but the last being inputs; a pattern tiles it with groups that stay or go
as a whole. With groups of one weight, all here is the classic elementwise case.

Letters: I inputs, O outputs, N groups, n weights per group.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Pattern(NamedTuple):
    """Hold the size of a group on the matrix view; 0 stands for the whole axis."""

    inputs: int
    outputs: int


UNSTRUCTURED = Pattern(1, 1)
CHANNELS = Pattern(0, 1)  # all weights of one output
INPUTS = Pattern(1, 0)  # all weights of one input: what makes that input need not be computed
PATTERNS = {"single": UNSTRUCTURED, "1x8": Pattern(1, 8), "4x4": Pattern(4, 4), "inputs": INPUTS}


def resolve(pattern: Pattern, shape: tuple[int, ...]) -> Pattern:
    """Replace the zeros of a pattern by the sizes of the matrix view.

    Raises
    ------
    ValueError
        If the groups do not tile the matrix.

    Examples
    --------
    >>> resolve(CHANNELS, (5, 64, 32))
    Pattern(inputs=320, outputs=1)
    """
    O = shape[-1]
    I = 1
    for size in shape[:-1]:
        I *= size
    found = Pattern(pattern.inputs or I, pattern.outputs or O)
    if I % found.inputs or O % found.outputs:
        raise ValueError(f"groups of {found.inputs} x {found.outputs} do not tile a matrix of {I} x {O}")
    return found


def tiles(pattern: Pattern, shape: tuple[int, ...]) -> bool:
    """Say whether a pattern's groups tile the matrix view of a shape."""
    try:
        resolve(pattern, shape)
    except ValueError:
        return False
    return True


def to_groups(value: Any, pattern: Pattern) -> Any:
    """Lay a NumPy or JAX array out by groups, shape (N, n)."""
    r, c = resolve(pattern, value.shape)
    O = value.shape[-1]
    return value.reshape(-1, r, O // c, c).transpose(0, 2, 1, 3).reshape(-1, r * c)


def from_groups(groups: Any, shape: tuple[int, ...], pattern: Pattern) -> Any:
    """Invert `to_groups`."""
    r, c = resolve(pattern, shape)
    O = shape[-1]
    return groups.reshape(-1, O // c, r, c).transpose(0, 2, 1, 3).reshape(shape)


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
