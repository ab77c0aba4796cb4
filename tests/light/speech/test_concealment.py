"""Concealment in NumPy against that in JAX: the period, and the parts that a lost packet replaces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpcnet_cq.light.speech.concealment import Concealment, comfort_noise_share, find_drift, find_period, repeat_period
from lpcnet_cq.light.speech.lapped import Lapped
from lpcnet_cq.speech import concealment as judge
from lpcnet_cq.speech.constants import FADE_FROM, FADE_TO, HISTORY, MAX_LAG

COUNTS = [1, 2, FADE_FROM + 1, FADE_TO]


def history(period):
    """Return pulses in noise."""
    noise = 0.1 * np.random.default_rng(period).standard_normal(HISTORY)
    return (5.0 * (np.arange(HISTORY) % period < 3) + noise).astype(np.float32)


@pytest.fixture(scope="module")
def parts(random_speech):
    """Return both concealments, and states of the same content."""
    model, floats, c = random_speech
    mean, random = np.asarray(model.lsf.mean[...]), np.random.default_rng(5)
    found = Concealment(floats["concealment"], c, mean.astype(np.float64))
    values = {
        "lsf": np.sort(mean + 0.1 * random.standard_normal((2, c.order)).astype(np.float32)),
        "gain": -6 + random.standard_normal((2, c.spec.n_subframes)).astype(np.float32),
        "floor": np.float32(-7.0),
        "floor_lsf": mean + np.float32(0.01),
        "history": history(130),
    }
    state = found.start()._replace(**values)
    expected = model.concealment.start(1, jnp.asarray(mean), c.nominal_step)
    values["floor"] = values["floor"][None]
    return found, state, model, expected | {k: jnp.asarray(v)[None] for k, v in values.items()}


@pytest.mark.parametrize("period", [40, 77, 160, 250])
def test_period_is_that_of_jax(period):
    h = history(period)
    lag, voicing = find_period(h)
    expected = judge.find_period(jnp.asarray(h)[None])
    assert lag == expected[0][0] and voicing == pytest.approx(float(expected[1][0]), abs=1e-4)
    t = np.arange(384)
    y = judge.repeat_period(h[None], expected[0], t[None], jnp.zeros(1))[0]
    np.testing.assert_array_equal(repeat_period(h, lag, t, 0.0), y)


@pytest.mark.parametrize(("period", "drift"), [(40, 0.0), (77, 0.03), (160, -0.06), (250, 0.12)])
def test_drift_is_that_of_jax(period, drift):
    h = history(period)
    for distance in (1, 2):
        excitation = repeat_period(h, period, 320 * distance + np.arange(320), drift)
        found = find_drift(h, period, excitation, distance)
        assert found == pytest.approx(drift, abs=1e-9)
        args = h[None], jnp.array([period]), excitation[None], jnp.array([distance])
        assert found == pytest.approx(float(judge.find_drift(*args)[0]), abs=1e-6)
    t = np.arange(384)
    y = judge.repeat_period(h[None], jnp.array([period]), t[None], jnp.array([np.float32(drift)]))[0]
    np.testing.assert_allclose(repeat_period(h, period, t, drift), y, atol=2e-3)


def test_silence_has_no_voicing():
    lag, voicing = find_period(np.zeros(HISTORY, np.float32))
    assert voicing == 0.0 and 0 < lag < MAX_LAG


@pytest.mark.parametrize("count", [0, *COUNTS, 30])
def test_share_of_comfort_noise_is_that_of_jax(count):
    assert comfort_noise_share(count) == float(judge.comfort_noise_share(jnp.float32(count)))


@pytest.fixture(scope="module")
def in_jax(random_speech):
    """Return a function that replaces a packet in JAX: its results are those of the steps in `test_packet_...`."""
    model, _, c = random_speech
    S, L = c.spec.n_subframes, c.spec.subframe

    @jax.jit
    def replaced(state, is_lost, known, later, lsf, g, cond, e):
        state, loss = judge.track_loss(state, is_lost, is_lost, known, later, S, L)
        state, lsf, g = model.concealment.conceal_side(state, lsf, g, loss, model.lsf.mean[...])
        substitute, noise = model.concealment.conceal_latents(model.lapped, loss, cond, jnp.uint32(9))
        history = judge.update_history(state, loss, e)["history"]
        return state, lsf[0], g[0], substitute[0], noise[0], history[0]

    return replaced


@pytest.mark.parametrize(("lost", "known"), [(n, 0) for n in (0, *COUNTS)] + [(n, 1 + n % 3) for n in COUNTS])
def test_packet_is_replaced_as_in_jax(parts, in_jax, random_speech, normal, lost, known):
    """Lost packet `lost` in a row, 0: a received one; `known` is the distance of a known later packet, 0: none."""
    found, state, _, expected = parts
    c, before = random_speech[2], max(lost - 1, 0)
    S, L, D = c.spec.n_subframes, c.spec.subframe, c.n_latents
    excitation = repeat_period(history(130), 130, 320 * known + np.arange(320), 0.03)
    state = state._replace(count=before)
    lsf, g = state.lsf[1:] + 0.05, state.gain[1:] - 0.5
    latents, cond, scale, e = np.rint(normal(S, D)), normal(S, 20), np.exp(normal(S, D)), normal(S * L)
    later = excitation[None] if known else jnp.zeros((1, S * L))
    given = (
        jnp.array([lost > 0]),
        jnp.array([known]),
        later,
        *(jnp.asarray(v, jnp.float32)[None] for v in (lsf, g, cond, e)),
    )
    expected, *sides, substitute, noise, judged = in_jax(expected | {"count": jnp.full(1, np.float32(before))}, *given)

    state, loss = found.track_loss(state, lost > 0, c.nominal_step, excitation if known else None, known)
    state, *found_sides = found.conceal_side(state, lsf, g, loss)
    for side, other in zip(found_sides, sides, strict=True):
        np.testing.assert_allclose(side, other, atol=1e-4)
    y, filled, extended = found.conceal_latents(Lapped(random_speech[1]["lapped"]), loss, latents, cond, scale, 9 * 4)
    wanted = np.where(lost, scale * substitute, latents)
    np.testing.assert_allclose(y, wanted, atol=1e-4 * np.abs(wanted).max())
    fill = np.where((lost > 0) | (latents != 0), 0.0, np.exp(cond[:, -1:]) * noise)
    np.testing.assert_allclose(filled, wanted + fill, atol=1e-4 * np.abs(wanted).max())
    rest = np.array([lost > 0])[:, None], np.array([min(lost, 8) / 8])[:, None]
    np.testing.assert_allclose(extended[:, -2:], np.broadcast_to(np.concatenate(rest, axis=1), (S, 2)), atol=1e-6)
    after = found.update_history(state, loss, e)
    np.testing.assert_allclose(after.history, judged, atol=1e-6)
    for name in ("lsf", "gain", "floor", "floor_lsf", "lag", "voicing", "count"):
        np.testing.assert_allclose(getattr(after, name), np.squeeze(expected[name]), atol=1e-4)
