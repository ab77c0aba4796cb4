"""Lapped transform, allocation, networks and postfilter in NumPy: each against its Flax counterpart, live too."""

import jax
import numpy as np
import pytest

from lpcnet_cq.light.speech.allocation import Allocation, recent_peak
from lpcnet_cq.light.speech.lapped import Lapped
from lpcnet_cq.light.speech.postfilter import LongTermPostfilter
from lpcnet_cq.light.speech.residual_coder import Decoder, Encoder, conditions
from lpcnet_cq.speech import allocation as judge_allocation
from lpcnet_cq.speech import residual_coder as judge_coder

S, T = 5, 4
N = S * T  # subframes

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def cond(random_speech, normal):
    return normal(N, judge_coder.condition_size(random_speech[2]))


def pieces(layer, state, *arrays):
    """Run a layer packet by packet: on rows (N, ...) of each array."""
    found = []
    for t in range(0, N, S):
        state, y = layer(state, *(v.reshape(N, -1)[t : t + S].reshape(-1, *v.shape[1:]) for v in arrays))
        found.append(y)
    return np.concatenate(found)


def test_lapped_transform(random_speech, normal):
    model, floats, c = random_speech
    lapped, e = Lapped(floats["lapped"]), normal(N, c.n_latents)
    for name in ("analyse", "synthesise"):
        expected = getattr(model.lapped, name)(e[None, 3], e[None])[0]
        np.testing.assert_allclose(getattr(lapped, name)(e[3], e), expected, atol=1e-5)


def test_conditions(random_speech, normal):
    lsf, g = normal(N, random_speech[2].order), normal(N + 2)
    expected = judge_coder.conditions(lsf[None], lsf[0], g[None, 2:], g[None, :2])[0]
    np.testing.assert_allclose(conditions(lsf, lsf[0], g[2:], g[:2]), expected, atol=1e-5)


def test_allocation(random_speech, cond, normal):
    model, floats, _ = random_speech
    g, found = 3 * normal(N) - 6, Allocation(floats["allocation"], S)
    _, expected = jax.jit(lambda c, g: model.allocation(model.allocation.start(1), c, g))(cond[None], g[None])
    after, y = found(found.start(), cond, g)
    np.testing.assert_allclose(y, expected[0], atol=1e-5)
    np.testing.assert_allclose(pieces(found, found.start(), cond, g), y, atol=1e-5)
    peaks = judge_allocation.recent_peak(np.full((1, 1), -10, np.float32), g[None])[0]
    np.testing.assert_allclose(recent_peak(-10.0, g), peaks, atol=1e-5)
    assert after.peak == pytest.approx(float(peaks[-1]), abs=1e-5)


def test_encoder_network(random_speech, cond, normal):
    model, floats, c = random_speech
    e, x = normal(N * c.spec.subframe), normal(2 * N * c.spec.subframe)[::2].copy()
    found = Encoder(floats["encoder"], c)
    judge = jax.jit(lambda e, x, cond: model.encoder(model.encoder.start(1), e, x, cond)[1])
    y = found(found.start(), e, x, cond)[1]
    np.testing.assert_allclose(y, judge(e[None], x[None], cond[None])[0], atol=1e-4)
    np.testing.assert_allclose(pieces(found, found.start(), e, x, cond), y, atol=1e-4)


def test_decoder_network(random_speech, normal):
    model, floats, c = random_speech
    y, cond = normal(N, c.n_latents), normal(N, judge_coder.decoder_condition_size(c))
    noise, found = normal(N * c.spec.subframe // c.step, c.noise), Decoder(floats["decoder"], c)
    judge = jax.jit(lambda y, cond, noise: model.decoder(model.decoder.start(1), y, cond, noise)[1])
    e = found(found.start(), y, cond, noise)[1]
    np.testing.assert_allclose(e, judge(y[None], cond[None], noise)[0], atol=1e-4)
    live = pieces(lambda s, y, cond, k: found(s, y, cond, k.reshape(-1, c.noise)), found.start(), y, cond, noise)
    np.testing.assert_allclose(live, e, atol=1e-4)


@pytest.mark.parametrize("amplitude", [0.3, 0.0])
def test_postfilter(random_speech, normal, amplitude):
    """A tone in noise, and silence."""
    model, floats, c = random_speech
    n = np.arange(N * c.spec.subframe)
    y = np.float32(amplitude * np.sin(n / 9) ** 7 + 0.1 * amplitude * normal(len(n)))
    cond = normal(N, judge_coder.decoder_condition_size(c))
    found = LongTermPostfilter(floats["postfilter"], c.spec.subframe, c.spec.sample_rate_hz)
    judge = jax.jit(lambda y, cond: model.postfilter(model.postfilter.start(1), y, cond)[1])
    z = found(found.start(), y, cond)[1]
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, judge(y[None], cond[None])[0], atol=1e-4 * amplitude)
    np.testing.assert_allclose(pieces(found, found.start(), y, cond), z, atol=1e-4 * amplitude)
