"""The formant postfilter: against SciPy's recursive filter, and its documented properties."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import lfilter

from lpcnet_cq.speech.analysis import PREEMPHASIS
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.formant_postfilter import formant_postfilter, impulse_response, skip, start, strength_at
from lpcnet_cq.speech.formant_tables import GAMMAS, TAPS

C = SpeechConfig()
L, S, M = C.spec.subframe, 20, C.order
COARSE, FINE = 16, 0  # indices of step sizes
NEVER, ONCE = jnp.zeros(1, bool), jnp.ones(1, bool)
compiled = jax.jit(partial(formant_postfilter, C))


def lossy():
    """Return the state of a channel that loses many packets."""
    return start(1) | {"losses": jnp.full(1, 0.1)}


def run(state, x, a, q=COARSE, lost=NEVER):
    """Return state and output for packets of 5 subframes."""
    found = []
    for s in range(0, a.shape[1], 5):
        state, y = compiled(state, x[:, s * L : (s + 5) * L], a[:, s : s + 5], jnp.full(1, q), lost)
        found.append(np.asarray(y))
    return state, np.concatenate(found, axis=1)


def resonances(formants_hz=(500, 1500, 2500)):
    """Return A(z) of pre-emphasised speech with these formants, (M+1,)."""
    poles = 0.95 * np.exp(2j * np.pi * np.array(formants_hz) / C.spec.sample_rate_hz)
    return np.pad(np.poly([*poles, *poles.conj()]).real, (0, M - 2 * len(poles)))


@pytest.fixture(scope="module")
def material():
    """Return noise with two different halves and A(z) (1 - mu z^-1) of each subframe."""
    random, full = np.random.default_rng(1), [np.convolve(a, [1, -PREEMPHASIS]) for a in (resonances(), np.eye(17)[0])]
    x = random.standard_normal((1, S * L)) * np.repeat([0.3, 0.01], S * L // 2)
    a = np.repeat(np.stack(full), S // 2, axis=0)[None]
    return jnp.asarray(x, jnp.float32), jnp.asarray(a, jnp.float32)


def test_impulse_response_against_scipy(material):
    k, A, impulse = np.arange(M + 1), resonances(), np.eye(1, TAPS)[0]
    for strength in (1.0, 0.5):
        g1 = GAMMAS[1] - strength * (GAMMAS[1] - GAMMAS[0])
        expected = lfilter(A * g1**k, A * GAMMAS[1] ** k, impulse)
        found = impulse_response(C, material[1], jnp.full(1, strength))[0]
        np.testing.assert_allclose(found[: S // 2], np.tile(expected, (S // 2, 1)), atol=5e-5)
        np.testing.assert_allclose(found[S // 2 :], np.tile(impulse, (S // 2, 1)), atol=1e-5)


@pytest.mark.parametrize("frequency_hz", [500, 1000, 3000])
def test_keeps_the_level_of_a_tone_and_delays_it_little(material, frequency_hz):
    x = 0.1 * np.exp(2j * np.pi * frequency_hz / C.spec.sample_rate_hz * np.arange(S * L))
    y = run(lossy(), jnp.asarray(x.real[None], jnp.float32), material[1][:, :1].repeat(S, axis=1))[1][0]
    ratio = np.vdot(x[4 * L :], 2 * y[4 * L :]) / np.vdot(x[4 * L :], x[4 * L :])
    assert abs(20 * np.log10(abs(ratio))) < 0.1
    assert 0.01 < abs(np.angle(ratio)) < 0.7


def test_energy_follows_a_change_of_the_level(material):
    """Of noise that falls by 30 dB, both parts keep their energy."""
    x, a = material
    y = run(lossy(), x, a[:, :1].repeat(S, 1))[1]
    energy = [np.sum(np.asarray(v).reshape(2, -1) ** 2, axis=1) for v in (x, y)]
    np.testing.assert_allclose(energy[1] / energy[0], 1, atol=0.15)


def test_does_nothing_without_losses_at_fine_steps_or_without_formants(material):
    x, a = material
    flat = jnp.broadcast_to(a[:, -1:], a.shape)
    for state, q, filters in ((start(1), COARSE, a), (lossy(), FINE, a), (lossy(), COARSE, flat)):
        np.testing.assert_allclose(run(state, x, filters, q)[1], x, atol=1e-5)
    assert np.abs(run(lossy(), x, a)[1] - x).max() > 0.05


def test_a_single_loss_has_no_effect_but_several_have_one(material):
    """The share after n packets without a loss is 0.005 * 0.995^n; at 50 % of loss it is 1 % soon."""
    x, a = material
    state = compiled(start(1), x[:, : 5 * L], a[:, :5], jnp.full(1, COARSE), ONCE)[0]
    assert strength_at(state["losses"]) == 0
    for _ in range(3):
        state = run(state, x, a)[0]
    np.testing.assert_allclose(state["losses"], 0.005 * 0.995**12, rtol=1e-4)
    for lost in (ONCE, NEVER, ONCE):
        state = compiled(state, x[:, : 5 * L], a[:, :5], jnp.full(1, COARSE), lost)[0]
    assert strength_at(state["losses"]) == 1


def test_is_stronger_at_coarser_steps(material):
    x, a = material
    changes = [np.abs(run(lossy(), x, a, q)[1] - x).mean() for q in (3, 5, 7, 9)]
    assert np.all(np.diff(changes) > 0)


def test_skipped_speech_is_the_past_of_what_follows(material):
    """A filter without effect and a skipped one leave the same state."""
    x, a = material
    skipped, ran = skip(start(1), x, L), run(start(1), x, a)[0]
    for name, value in skipped.items():
        np.testing.assert_allclose(value, ran[name], atol=1e-4)


def test_silence_stays_silent(material):
    assert not np.any(run(lossy(), jnp.zeros((1, S * L)), material[1])[1])
