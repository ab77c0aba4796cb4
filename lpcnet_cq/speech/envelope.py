"""Conversion of line spectral frequencies to filters in JAX: ordering, interpolation, polynomials.

Place in the chain: converts decoded LSF vectors, one per packet, to the coefficients of one filter per subframe.
Encoder, decoder and training use the same code. All operations are differentiable.

Letters: B batch, T packets, S subframes per packet, M order.
"""

import jax
import jax.numpy as jnp
import numpy as np

from dsp.frames import FrameSpec
from lpcnet_cq.nn.running_max import running_max
from lpcnet_cq.speech.constants import MIN_DISTANCE, interpolation_weights


def order_lsf(lsf: jax.Array) -> jax.Array:
    """Sort frequencies and keep them at least `MIN_DISTANCE` apart within (0, pi).

    After sorting, a running maximum in ascending order and a running minimum in descending order move the frequencies.
    A vector that meets the conditions does not change.
    """
    M = lsf.shape[-1]
    k = jnp.arange(1, M + 1, dtype=lsf.dtype) * MIN_DISTANCE
    up = running_max(jnp.sort(lsf, axis=-1).clip(MIN_DISTANCE) - k) + k
    top = jnp.pi - (M + 1) * MIN_DISTANCE
    down = -jnp.flip(running_max(jnp.flip(top - (up - k), axis=-1)), axis=-1)
    return down.clip(max=0.0) + k + top


def interpolate_lsf(previous: jax.Array, lsf: jax.Array, spec: FrameSpec) -> jax.Array:
    """Interpolate LSF vectors over subframes.

    Parameters
    ----------
    previous : array (B, M)
        Vector of the packet before.
    lsf : array (B, T, M)
        Vectors of T packets, rad.

    Returns
    -------
    array (B, T*S, M)
    """
    B, _, M = lsf.shape
    before = jnp.concatenate([previous[:, None], lsf[:, :-1]], axis=1)
    w = jnp.asarray(interpolation_weights(spec), lsf.dtype)[None, None, :, None]
    return (before[:, :, None] * (1 - w) + lsf[:, :, None] * w).reshape(B, -1, M)


def lsf_to_lpc(lsf: jax.Array) -> jax.Array:
    """Return LPC coefficients, A(z) = (P(z) + Q(z)) / 2, from the products of the line spectral polynomials; M is even.

    P(z) = (1 + z^-1) prod_{odd k} (1 - 2 cos w_k z^-1 + z^-2) and Q(z) with (1 - z^-1) and even k.

    Parameters
    ----------
    lsf : array (..., M)
        Ascending, rad.

    Returns
    -------
    array (..., M+1)

    References
    ----------
    F. Itakura, "Line spectrum representation of linear predictor coefficients", JASA 57 (1975);
    3GPP TS 26.190, 5.2.4.
    """
    M = lsf.shape[-1]
    first = np.pad([[1, 1], [1, -1]], ((0, 0), (0, M)))  # P and Q, powers of z^-1 to M + 1
    start = jnp.broadcast_to(jnp.asarray(first, lsf.dtype), (*lsf.shape[:-1], 2, M + 2))

    def multiply(p, c):
        past = jnp.pad(p, [(0, 0)] * (p.ndim - 1) + [(2, 0)])
        return past[..., 2:] + c * past[..., 1:-1] + past[..., :-2], None

    pairs = (-2 * jnp.cos(lsf)).reshape(*lsf.shape[:-1], M // 2, 2, 1)
    polynomials, _ = jax.lax.scan(multiply, start, jnp.moveaxis(pairs, -3, 0))
    return 0.5 * polynomials.sum(axis=-2)[..., :-1]


def expand_bandwidth(a: jax.Array, gamma: float) -> jax.Array:
    """Return the coefficients a_k gamma^k of A(z/gamma)."""
    return a * gamma ** jnp.arange(a.shape[-1], dtype=a.dtype)
