"""Time-varying LPC filters in JAX, judged by SciPy, by finite differences and by a plain scan."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy.signal import lfilter, lfiltic

from dsp.lsf import lsf_to_lpc
from lpcnet_cq.speech import filters as blocks

B, S, L, M = 2, 3, 16, 6
residual, synthesise = jax.jit(blocks.residual), jax.jit(blocks.synthesise)


def filters(random, *shape, order=M):
    """Draw stable filters (..., order + 1) by way of spread frequencies."""
    lsf = np.linspace(0, np.pi, order + 2)[1:-1] + random.uniform(-0.3, 0.3, (*shape, order)) * np.pi / (order + 1)
    return lsf_to_lpc(lsf)


@pytest.fixture
def signals():
    """Return state (B, M), signal (B, S*L) and filters (B, S, M+1)."""
    random = np.random.default_rng(1)
    return random.standard_normal((B, M)), random.standard_normal((B, S * L)), filters(random, B, S)


def quality_db(x, y):
    return 10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2))


def test_residual_is_scipys_filter_in_each_subframe(signals):
    state, x, a = signals
    final, e = residual(*map(jnp.float32, signals))
    for b in range(B):
        whole = np.concatenate([state[b], x[b]])
        for s in range(S):
            part = slice(s * L, s * L + L)
            np.testing.assert_allclose(e[b, part], lfilter(a[b, s], 1, whole)[M:][part], atol=1e-5)
        np.testing.assert_allclose(final[b], x[b, -M:], rtol=1e-6)


def test_synthesis_is_scipys_filter_with_its_output_kept(signals):
    state, e, a = signals
    final, y = synthesise(*map(jnp.float32, signals))
    for b in range(B):
        past = state[b]
        for s in range(S):
            part = slice(s * L, s * L + L)
            expected, _ = lfilter([1.0], a[b, s], e[b, part], zi=lfiltic([1.0], a[b, s], past[::-1]))
            np.testing.assert_allclose(y[b, part], expected, atol=1e-4)
            past = expected[-M:]
        np.testing.assert_allclose(final[b], past, atol=1e-4)


@pytest.mark.parametrize(("wide", "least_db"), [(True, 250), (False, 90)])
def test_synthesis_undoes_analysis(wide, least_db):
    random = np.random.default_rng(2)
    state, x, a = random.standard_normal((B, 16)), random.standard_normal((B, 640)), filters(random, B, 10, order=16)
    with jax.enable_x64(wide):
        args = [jnp.asarray(v, jnp.float64 if wide else jnp.float32) for v in (state, x, a)]
        _, e = residual(*args)
        _, y = synthesise(args[0], e, args[2])
        assert y.dtype == args[1].dtype
        assert quality_db(x, np.asarray(y, np.float64)) > least_db


@pytest.mark.parametrize("run", [residual, synthesise])
def test_chunks_with_state_are_the_whole(signals, run):
    state, x, a = map(jnp.float32, signals)
    final, whole = run(state, x, a)
    pieces = []
    for s in range(S):
        state, piece = run(state, x[:, s * L : s * L + L], a[:, s : s + 1])
        pieces.append(piece)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, atol=1e-5)
    np.testing.assert_allclose(state, final, atol=1e-5)


def plain_synthesis(state, e, a):
    """Run the recursion sample by sample, without a custom gradient; `state` oldest first."""
    every = jnp.repeat(a[..., 1:], L, axis=1)

    def sample(past, inputs):
        e_n, a_n = inputs
        y_n = e_n - jnp.sum(a_n * past[:, ::-1], axis=1)
        return jnp.concatenate([past[:, 1:], y_n[:, None]], axis=1), y_n

    final, y = lax.scan(sample, state, (e.T, jnp.moveaxis(every, 1, 0)))
    return final, y.T


def score(run, weights, state, e, a):
    """Return a loss that looks at every output sample and at the final state, not linear in them."""
    final, y = run(state, e, a)
    return jnp.sum(weights[0] * y + jnp.sin(y)) + jnp.sum(weights[1] * final**2)


def test_gradient_is_that_of_the_plain_recursion_and_of_finite_differences(signals):
    """For state, excitation and coefficients at once; the coefficients are how the loss reaches the codebook."""
    random = np.random.default_rng(3)
    with jax.enable_x64(True):
        args = [jnp.asarray(v) for v in signals]
        weights = jnp.asarray(random.standard_normal((B, S * L))), jnp.asarray(random.standard_normal((B, M)))
        value = jax.jit(lambda *args: score(synthesise, weights, *args))
        ours = jax.jit(jax.grad(value, argnums=(0, 1, 2)))(*args)
        plain = jax.jit(jax.grad(lambda *args: score(plain_synthesis, weights, *args), argnums=(0, 1, 2)))(*args)
        for gradient, expected in zip(ours, plain, strict=True):
            np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-9)
        for i, gradient in enumerate(ours):
            direction = random.standard_normal(gradient.shape)
            if i == 2:
                direction[..., 0] = 0  # a_0 is 1 by definition
            h = 1e-5
            up, down = ([v + (sign * h * direction if j == i else 0.0) for j, v in enumerate(args)] for sign in (1, -1))
            measured = (value(*up) - value(*down)) / (2 * h)
            np.testing.assert_allclose(np.sum(gradient * direction), measured, rtol=1e-6)


def test_gradient_with_respect_to_the_leading_coefficient_is_none(signals):
    """It is not read: A(z) begins with 1."""
    state, e, a = map(jnp.float32, signals)
    gradient = jax.jit(jax.grad(lambda a: jnp.sum(synthesise(state, e, a)[1])))(a)
    assert np.abs(gradient[..., 1:]).min() > 0
    np.testing.assert_array_equal(gradient[..., 0], 0)
