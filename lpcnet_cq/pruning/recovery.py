"""Compressed sensing at a layer: the sparse weights whose output is closest to that of the dense weights.

Place in the chain: called by `sparsify` at pruning steps for layers whose input statistics are known. The output
Y = X W of a layer is a measurement of W by its inputs X. The problem to solve is

    min ||X W - X W^||^2  over W^ with a given number of non-zero groups.

Only the matrix G = X' X / T of the inputs is needed. Iterative hard thresholding determines the support, least squares
on the support the values.

Letters: T rows of X, I inputs, O outputs, N groups.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve

from lpcnet_cq.checkpoint.weight_groups import Pattern, to_groups
from lpcnet_cq.pruning.patterns import expand_mask, group_norms, select_groups

ITERATIONS = 30  # number of iterations of hard thresholding
RIDGE = 1e-3  # relative to the power of an input; regularises the weights of nearly equal inputs


def second_moment(x: jax.Array) -> jax.Array:
    """Return G = X' X / T of the inputs x (..., I) of a layer, shape (I, I), over all T rows.

    Examples
    --------
    >>> second_moment(jnp.array([[[1.0, 2.0], [2.0, 3.0]]])).tolist()
    [[2.5, 4.0], [4.0, 6.5]]
    """
    X = x.reshape(-1, x.shape[-1])
    return jnp.matmul(X.T, X, precision="highest") / X.shape[0]


def output_error(W: jax.Array, W_hat: jax.Array, G: jax.Array | None = None) -> jax.Array:
    """Return ||X W - X W^||^2 / ||X W||^2, or ||W - W^||^2 / ||W||^2 without G; 0 if W is 0."""

    def energy(A):
        return jnp.vdot(A, A if G is None else jnp.matmul(G, A, precision="highest"))

    total = energy(W)
    return jnp.where(total > 0, energy(W - W_hat) / jnp.where(total > 0, total, 1.0), 0.0)


def least_squares(G: jax.Array, W: jax.Array, support: jax.Array, ridge: float) -> jax.Array:
    """Return the W^ that minimises ||X W - X W^||^2 / T + ridge ||W - W^||^2 and is zero outside of the support.

    Every column solves the normal equations (G_SS + ridge I) w^_S = (G w + ridge w)_S.

    Parameters
    ----------
    G : array (I, I)
    W : array (I, O)
    support : bool array (I, O)
    ridge : float
    """
    seen = jnp.matmul(G, W, precision="highest") + ridge * W

    def column(of):
        b, m = of
        A = jnp.where(m[:, None] & m, G, 0.0) + jnp.diag(jnp.where(m, ridge, 1.0))
        return solve(A, jnp.where(m, b, 0.0), assume_a="pos")

    return lax.map(column, (seen.T, support.T)).T


def recover(G: jax.Array, W: jax.Array, alive: jax.Array, sparsity: jax.Array, pattern: Pattern):
    """Find sparse weights whose outputs approximate those of W for the layer's inputs.

    Weights are scaled by the power of their inputs, V = diag(G)^1/2 W, so that a large weight of a weak input has a
    small value. The search starts from the largest groups of V. Each iteration takes a gradient step on the error and
    keeps the largest groups, which never increases the error. Least squares on the final support gives the values.

    Parameters
    ----------
    G : array (I, I)
    W : array (I, O)
    alive : bool array (N,)
        Groups that may be kept.
    sparsity : scalar
        Share of groups to prune, 0 to 1.
    pattern : Pattern

    Returns
    -------
    W_hat : array (I, O)
    keep : bool array (N,)

    References
    ----------
    T. Blumensath and M. Davies, "Iterative hard thresholding for compressed sensing", ACHA 27 (2009), 265-274.
    """
    power = jnp.diag(G)
    size = jnp.sqrt(power + 1e-6 * jnp.mean(power) + 1e-30)[:, None]
    G, V = G / (size * size.T), size * W
    step = 1 / jnp.linalg.eigvalsh(G)[-1]

    def threshold(U):
        keep = select_groups(group_norms(to_groups(U, pattern)), alive, sparsity)
        return jnp.where(expand_mask(keep, U.shape, pattern), U, 0.0), keep

    def iterate(_, of):
        U, _ = of
        return threshold(U + step * jnp.matmul(G, V - U, precision="highest"))

    U, keep = lax.fori_loop(0, ITERATIONS, iterate, threshold(V))
    best = least_squares(G, V, expand_mask(keep, V.shape, pattern), RIDGE)
    return jnp.where(jnp.all(jnp.isfinite(best)), best, U) / size, keep
