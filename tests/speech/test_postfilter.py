"""The long-term postfilter: against explicit sums over all lags, and its documented properties."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.speech.constants import BLOCKS, ENERGY_FLOOR, TAPS
from lpcnet_cq.speech.postfilter import SHARPNESS, LongTermPostfilter, slide

L, S, C, FS = 16, 9, 3, 4000  # lags 8 to 71


def make(seed=0):
    """Return a postfilter with random gains."""
    comb = LongTermPostfilter(C, L, FS, rngs=nnx.Rngs(seed))
    comb.gains.kernel[...] = 0.1 * jax.random.normal(jax.random.key(seed), comb.gains.kernel.shape)
    comb.gains.bias[...] = jnp.asarray([-0.2, 0.05, 0.1, 0.3, 0.1, 0.05])
    return comb


def run(comb, state, y, cond):
    """Return the filter's state and output, compiled as one program: once for all of one shape."""
    graph, params = nnx.split(comb)
    return compiled(graph, params, state, y, cond)


@partial(jax.jit, static_argnums=0)
def compiled(graph, params, state, y, cond):
    return nnx.merge(graph, params)(state, y, cond)


@pytest.fixture(scope="module")
def material():
    random = np.random.default_rng(1)
    y = 0.1 * random.standard_normal((2, S * L))
    return jnp.asarray(y, jnp.float32), jnp.asarray(random.standard_normal((2, S, C)), jnp.float32)


def test_slide_is_a_correlation():
    random = np.random.default_rng(2)
    kernel, frame = random.standard_normal(6).astype(np.float32), random.standard_normal(24).astype(np.float32)
    np.testing.assert_allclose(slide(kernel, frame), np.correlate(frame, kernel, "valid"), atol=1e-5)


def test_starts_from_no_filter(material):
    comb = LongTermPostfilter(C, L, FS, rngs=nnx.Rngs(0))
    _, y = run(comb, comb.start(2), *material)
    np.testing.assert_array_equal(y, material[0])


def test_against_all_lags_written_out(material):
    comb, (y, cond) = make(), material
    _, ours = run(comb, comb.start(2), y, cond)
    lags, pad = np.arange(71, 7, -1), 200
    x = np.concatenate([np.zeros((2, pad)), np.asarray(y, np.float64)], axis=1)
    w, voicing = [], []
    for s in pad + L * np.arange(S):
        past, now = s - (BLOCKS - 1) * L, x[:, s - (BLOCKS - 1) * L : s + L]
        earlier = np.stack([x[:, past - lag : s + L - lag] for lag in lags], axis=1)
        energies = (np.sum(earlier**2, axis=-1) + ENERGY_FLOOR) * (np.sum(now**2, axis=-1)[:, None] + ENERGY_FLOOR)
        r = np.einsum("bmn,bn->bm", earlier, now) / np.sqrt(energies)
        e = np.exp(SHARPNESS * r)
        w.append(e / e.sum(axis=1, keepdims=True))
        voicing.append(np.stack([(w[-1] * r).sum(axis=1), (w[-1] ** 2).sum(axis=1)], axis=1))
    seen = jnp.concatenate([cond, jnp.asarray(np.stack(voicing, axis=1), jnp.float32)], axis=-1)
    h = comb.look(comb.look.start(2), seen)[1]
    g = np.asarray(comb.gains(h[:, :0], jax.nn.silu(h))[1])
    assert np.abs(g).max() < 1
    expected = np.repeat(1 + g[..., 0], L, axis=1) * x[:, pad:]
    for t in range(S):
        for k in range(TAPS):  # tap k takes the weight of the lag that is k - 2 shorter
            shifted = np.pad(w[t], ((0, 0), (2, 2)))[:, k : k + len(lags)]
            for weight, lag in zip(shifted.T, lags, strict=True):
                s = pad + t * L - lag
                expected[:, t * L : (t + 1) * L] += (g[:, t, 1 + k] * weight)[:, None] * x[:, s : s + L]
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_chunks_are_the_whole(material):
    comb, (y, cond) = make(), material
    _, whole = run(comb, comb.start(2), y, cond)
    state, first = run(comb, comb.start(2), y[:, : 2 * L], cond[:, :2])
    _, second = run(comb, state, y[:, 2 * L :], cond[:, 2:])
    np.testing.assert_allclose(jnp.concatenate([first, second], axis=1), whole, atol=1e-6)


def test_sees_no_future(material):
    comb, (y, cond) = make(), material
    _, before = run(comb, comb.start(2), y, cond)
    _, after = run(comb, comb.start(2), y.at[:, 5 * L :].add(0.3), cond)
    np.testing.assert_allclose(before[:, : 5 * L], after[:, : 5 * L], atol=1e-6)
    assert np.abs(before - after)[:, 5 * L :].max() > 0.1


def test_weights_gather_at_the_period():
    """Of a sequence that repeats every 23 samples, correlation is 1 there and at its multiples within reach."""
    comb = LongTermPostfilter(C, L, FS, rngs=nnx.Rngs(0))
    x = np.tile(np.random.default_rng(3).standard_normal(23), 20)[: 16 * L].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(x, (comb.past + 1) * L)[::L][None]
    r = np.asarray(comb.correlation(jnp.asarray(frames)))[0, -1]
    lags = np.arange(71, 7, -1)
    assert sorted(lags[np.argsort(-r)[:3]]) == [23, 46, 69]
    np.testing.assert_allclose(np.sort(r)[-3:], 1, atol=1e-4)


def test_silence_stays_silent_and_has_gradients():
    comb, y, cond = make(), jnp.zeros((2, S * L)), jnp.zeros((2, S, C))
    gradient = jax.grad(lambda y: jnp.sum(run(comb, comb.start(2), y, cond)[1] ** 2))(y)
    assert not np.any(run(comb, comb.start(2), y, cond)[1])
    assert np.isfinite(gradient).all()
