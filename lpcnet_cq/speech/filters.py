"""Time-varying LPC filters in JAX, differentiable, with explicit state.

Place in the chain: `residual` converts speech to the excitation that is coded; `synthesise` converts the decoded
excitation to speech. The gradient of a loss on speech passes through `synthesise` to the excitation and to the
coefficients, and from the coefficients to the LSF codebook. Cost: M multiplications per sample for each filter. Delay:
none.

Letters: B batch, S subframes, L samples per subframe, M order, N = S L samples.
"""

import jax
import jax.numpy as jnp
from jax import lax


def history(state: jax.Array, x: jax.Array, L: int) -> jax.Array:
    """Return every subframe together with the M <= L samples before it, shape (B, S, M + L)."""
    M = state.shape[-1]
    B, N = x.shape
    shifted = jnp.concatenate([state, x], axis=-1)[:, :N]  # shifted[n] = x[n - M]
    return jnp.concatenate([shifted.reshape(B, -1, L)[..., :M], x.reshape(B, -1, L)], axis=-1)


def residual(state: jax.Array, x: jax.Array, a: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Filter speech by A(z), one set of coefficients per subframe, e[n] = sum_k a_k x[n-k].

    Parameters
    ----------
    state : array (B, M)
        The M samples before `x`, oldest first; zeros at the start of a signal.
    x : array (B, N)
        Speech, N a multiple of the number of subframes.
    a : array (B, S, M+1)
        LPC coefficients with a[..., 0] = 1.

    Returns
    -------
    state : array (B, M)
        The last M samples of `x`.
    e : array (B, N)
        Residual.

    References
    ----------
    J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63 (1975), eq. 3.
    """
    B, S, M1 = a.shape
    L = x.shape[1] // S
    h = history(state, x, L)
    taps = jnp.stack([h[..., M1 - 1 - k : M1 - 1 - k + L] for k in range(M1)], axis=-1)  # x[n-k]
    e = jnp.einsum("bslk,bsk->bsl", taps, a)
    return jnp.concatenate([state, x], axis=1)[:, -(M1 - 1) :], e.reshape(B, S * L)


def _recursion(state, e, a):
    """Run y[n] = e[n] - sum_k a_k y[n-k] with `state` (M, B) newest first; e (N, B), a (S, M, B)."""
    S, L = a.shape[0], e.shape[0] // a.shape[0]

    def subframe(s, inputs):
        e_s, a_s = inputs

        def sample(s, e_n):
            y_n = e_n - jnp.sum(a_s * s, axis=0)
            return jnp.concatenate([y_n[None], s[:-1]], axis=0), y_n

        return lax.scan(sample, s, e_s, unroll=8)

    state, y = lax.scan(subframe, state, (e.reshape(S, L, -1), a))
    return state, y.reshape(S * L, -1)


def _adjoint(ybar, sbar, a):
    """Compute lambda[n] = ybar[n] - sum_k a_k[n+k] lambda[n+k], backwards in time; time is the first axis.

    This is the transposed direct form: the state holds the terms that later samples subtract from earlier ones.
    `sbar` (M, B) is the cotangent of the final state, newest sample first.
    """
    S, L = a.shape[0], ybar.shape[0] // a.shape[0]

    def subframe(r, inputs):
        ybar_s, a_s = inputs

        def sample(r, ybar_n):
            lam = ybar_n + r[0]
            r = jnp.concatenate([r[1:], jnp.zeros_like(r[:1])], axis=0) - a_s * lam
            return r, lam

        return lax.scan(sample, r, ybar_s, reverse=True, unroll=8)

    r, lam = lax.scan(subframe, sbar, (ybar.reshape(S, L, -1), a), reverse=True)
    return r, lam.reshape(S * L, -1)


@jax.custom_vjp
def _all_pole(state, e, a):
    return _recursion(state, e, a)


def _all_pole_forward(state, e, a):
    final, y = _recursion(state, e, a)
    return (final, y), (state, y, a)


def _all_pole_backward(saved, cotangents):
    state, y, a = saved
    sbar, ybar = cotangents
    rbar, lam = _adjoint(ybar, sbar, a)
    S, M, B = a.shape
    L = y.shape[0] // S
    past = jnp.concatenate([state[::-1], y], axis=0)  # past[M + n] = y[n]
    lam_s = lam.reshape(S, L, B)
    # dLoss/da_k = - sum over the subframe of lambda[n] y[n-k]
    abar = jnp.stack([-(lam_s * past[M - k : M - k + S * L].reshape(S, L, B)).sum(1) for k in range(1, M + 1)], 1)
    return rbar, lam, abar


_all_pole.defvjp(_all_pole_forward, _all_pole_backward)


def synthesise(state: jax.Array, e: jax.Array, a: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Filter an excitation by 1/A(z), y[n] = e[n] - sum_k a_k y[n-k], the inverse of `residual`.

    The gradient is computed by the adjoint filter, which runs backwards in time. Forward and backward pass are one
    recursion each.

    Parameters
    ----------
    state : array (B, M)
        The M output samples before `e`, oldest first; zeros at the start of a signal.
    e : array (B, N)
        Excitation, N a multiple of the number of subframes.
    a : array (B, S, M+1)
        LPC coefficients with a[..., 0] = 1.

    Returns
    -------
    state : array (B, M)
        The last M samples of `y`.
    y : array (B, N)
        Speech.

    References
    ----------
    C.-Y. Yu and G. Fazekas, "Differentiable time-varying linear prediction in the context of end-to-end
    analysis-by-synthesis" (2024), arXiv 2406.05128.
    """
    # with the layout (order, batch) the recursion works on contiguous vectors
    final, y = _all_pole(state[:, ::-1].T, e.T, jnp.moveaxis(a[..., 1:], 0, -1))
    return final[::-1].T, y.T
