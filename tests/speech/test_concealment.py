"""Concealment: pitch goes on, live as in training; long losses end in the noise before; no loss changes nothing."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.nn.runtime import compiled
from lpcnet_cq.speech import concealment, runtime
from lpcnet_cq.speech import model as cq
from lpcnet_cq.speech.concealment import (
    find_drift,
    find_period,
    interpolate_side,
    no_loss,
    repeat_period,
    simulate_losses,
    track_loss,
    update_history,
)
from lpcnet_cq.speech.constants import FADE_TO, HISTORY, MAX_LAG, MIN_LAG
from lpcnet_cq.training.presets import PRESETS

CONFIG = replace(PRESETS["tiny"].codec, concealment=True)
SPEC, M, S, D = CONFIG.spec, CONFIG.order, CONFIG.spec.n_subframes, CONFIG.n_latents
T = 9


def pulses(period, n, offset=0):
    """Return narrow pulses in a little noise, the same for every n."""
    t = np.arange(offset, offset + n)
    return (5.0 * (t % period < 3)).astype(np.float32)


@pytest.mark.parametrize("period", [40, 77, 160, 250])
def test_period_is_found_and_goes_on(period):
    noise = 0.1 * np.random.default_rng(0).standard_normal(HISTORY).astype(np.float32)
    lag, voicing = find_period(jnp.asarray(pulses(period, HISTORY) + noise)[None])
    assert lag[0] == period and voicing[0] > 0.9
    y = repeat_period(jnp.asarray(pulses(period, HISTORY))[None], lag, jnp.arange(384)[None], jnp.zeros(1))
    np.testing.assert_array_equal(y[0], pulses(period, 384, HISTORY))


@pytest.mark.parametrize(
    ("before", "after", "distance"),
    [(100, 100, 1), (100, 104, 1), (104, 100, 1), (80, 87, 1), (160, 150, 1), (100, 103, 2), (80, 78, 3)],
)
def test_drift_meets_the_next_packet(before, after, distance):
    """The period changes while packets are lost; pulses that are repeated with the drift end where the next begin."""
    lost = distance * SPEC.hop
    lengths = np.linspace(before, after, lost * 2 // (before + after) + 1)[1:]
    first = round(lengths.sum()) - lost  # sample of the next packet at which a pulse begins
    excitation = pulses(after, SPEC.hop, (after - first) % after)
    history, lag = jnp.asarray(pulses(before, HISTORY, -HISTORY % before))[None], jnp.array([before])
    drift = find_drift(history, lag, jnp.asarray(excitation)[None], jnp.array([distance]))
    y = repeat_period(history, lag, lost + jnp.arange(SPEC.hop)[None], drift)[0]
    apart = np.abs(np.flatnonzero(y > 2)[:, None] - np.flatnonzero(excitation)).min(axis=1)
    assert np.median(apart[: 3 * 2]) <= 4, "of 8 samples over which both are averaged"


def test_unknown_next_packet_gives_no_drift():
    history = jnp.asarray(pulses(100, HISTORY))[None]
    assert find_drift(history, jnp.array([100]), jnp.zeros((1, SPEC.hop)), jnp.array([1]))[0] == 0


def test_side_information_is_interpolated(net):
    state = {"lsf": jnp.array([[[0.0, 0.0], [1.0, 2.0]]]), "gain": jnp.array([[[0.0] * 5, [0.0] * 4 + [-6.0]]])}
    given = jnp.array([[2.0, 2.5]]), jnp.array([[0.0, 9.0, 9.0, 9.0, 9.0]])
    lsf, g = interpolate_side(state, *given, jnp.array([1]))
    np.testing.assert_allclose(lsf, [[1.5, 2.25]])
    np.testing.assert_allclose(g, [[-5, -4, -3, -2, -1]])
    lsf, g = interpolate_side(state, *given, jnp.array([2]))
    np.testing.assert_allclose(lsf, [[4 / 3, 13 / 6]], rtol=1e-6)
    np.testing.assert_allclose(g, [-6 + 6 / 11 * np.arange(1, 6)], rtol=1e-6)


def test_noise_has_no_period():
    h = np.random.default_rng(1).standard_normal((4, HISTORY)).astype(np.float32)
    lag, voicing = find_period(jnp.asarray(h))
    assert (voicing < 0.6).all() and (lag >= MIN_LAG).all() and (lag < MAX_LAG).all()


@pytest.fixture(scope="module")
def net():
    graph, params = nnx.split(cq.Model(CONFIG, rngs=nnx.Rngs(0)), nnx.Param)
    return graph, params


@pytest.fixture(scope="module")
def integers():
    random = np.random.default_rng(1)
    return (
        jnp.asarray(random.integers(-1, 2, (1, T, M)), jnp.float32),
        jnp.asarray(random.integers(-2, 3, (1, T, S)), jnp.float32),
        jnp.asarray(random.integers(-2, 3, (1, T * S, D)), jnp.float32),
        jnp.full((1, T), 8),
    )


@pytest.fixture(scope="module")
def live(net):
    """Return `push(state, packet t of the integers, lost)`, and the state before the first packet."""
    graph, params = net
    step = compiled(runtime._decode_live, graph)

    def push(state, integers, t, lost, excitation=None, distance=1):
        """With the excitation of a later packet, the side information of that packet is given in place of the lost."""
        lsf, gain, latents, size = integers
        distance = 0 if excitation is None else distance
        side = t + distance
        part = lsf[:, side : side + 1], gain[:, side : side + 1], latents[:, t * S : (t + 1) * S], size[:, t : t + 1]
        later = np.zeros((1, SPEC.hop), np.float32) if excitation is None else excitation
        return step(params, state, *part, np.array([lost]), np.array([distance], np.int32), later)

    return push, cq.start_decoder(nnx.merge(graph, params), 1)


@pytest.mark.parametrize("known", [0, 1, 2])
def test_training_conceals_as_a_live_decoder_does(net, integers, live, known):
    """A single loss, with and without knowledge of a later packet, and two in a row, from the same excitation."""
    graph, params = net
    lost, distance = np.zeros((1, T), bool), np.zeros((1, T), np.int32)
    lost[0, [3, 6, 7]] = True
    distance[0, 3] = known

    @jax.jit
    def train(params, lost):
        model = nnx.merge(graph, params)
        state = cq.start_decoder(model, 1)
        e = cq.decode_with_excitation(model, state, *integers)[2]
        loss = simulate_losses(state["concealment"], lost, lost, distance, e, S, SPEC.subframe)
        lsf, gain, *rest = integers
        lsf, gain = (jnp.take_along_axis(n, (jnp.arange(T) + distance)[..., None], axis=1) for n in (lsf, gain))
        return cq.decode(model, state, lsf, gain, *rest, loss)[1], e

    trained, e = (np.asarray(v) for v in train(params, lost))
    (push, state), y = live, []
    for t in range(T):
        later = t + distance[0, t]
        excitation = e[:, later * SPEC.hop : (later + 1) * SPEC.hop] if later > t else None
        state, part = push(state, integers, t, lost[0, t], excitation, distance[0, t])
        y.append(part)
    y = np.concatenate(y, axis=1)
    before = 6 * SPEC.hop  # up to the second loss, before which the excitation is no longer that without any
    np.testing.assert_allclose(y[:, :before], trained[:, :before], rtol=1e-3, atol=1e-5)
    assert np.isfinite(y).all() and np.abs(y[:, 7 * SPEC.hop :]).max() > 0


def test_side_information_that_is_known_stays(net, integers):
    graph, params = net
    model, lost = nnx.merge(graph, params), jnp.ones((1, T), bool)
    lsf, g = model.lsf.synthesise(integers[0]), model.gain.synthesise(integers[1])
    loss = no_loss(CONFIG, 1, T)._replace(lost=lost, side_lost=lost.at[:, 2].set(False))
    state = cq.start_decoder(model, 1)["concealment"]
    _, lsf_after, g_after = model.concealment.conceal_side(state, lsf, g, loss, model.lsf.mean[...])
    np.testing.assert_array_equal(lsf_after[:, 2], lsf[:, 2])
    np.testing.assert_array_equal(g_after[:, 2], g[:, 2])
    assert not np.allclose(lsf_after[:, 1], lsf[:, 1]) and not np.allclose(g_after[:, 3], g[:, 3])


def test_nothing_lost_is_nothing_changed(net, integers):
    """But for the noise in the place of zeros, which is switched off here."""
    graph, params = net
    silent = jax.tree.map(lambda p: p, params)
    silent["concealment"]["c2"][...] = jnp.zeros_like(params["concealment"]["c2"][...])
    plain = nnx.to_pure_dict(silent)
    del plain["concealment"]
    plain["decoder"]["coarse"][0]["kernel"] = plain["decoder"]["coarse"][0]["kernel"][:, :-2]
    at = plain["postfilter"]["look"]["kernel"].shape[1] - 4
    plain["postfilter"]["look"]["kernel"] = np.delete(plain["postfilter"]["look"]["kernel"], [at, at + 1], axis=1)
    older, before = nnx.split(cq.Model(replace(CONFIG, concealment=False), rngs=nnx.Rngs(0)), nnx.Param)
    nnx.replace_by_pure_dict(before, plain)

    def decode(graph, params):
        model = nnx.merge(graph, params)
        return jax.jit(lambda: cq.decode(model, cq.start_decoder(model, 1), *integers)[1])()

    np.testing.assert_allclose(decode(graph, silent), decode(older, before), rtol=1e-4, atol=1e-6)


def test_long_losses_end_in_the_noise_before(net, integers, live):
    """After `FADE_TO` packets the level is that of the quietest packet, and stays; then packets are heard again."""
    push, state = live
    lsf, gain, latents, size = integers
    gain = gain.at[:, 2].add(-4.0)
    for t in range(T):
        state, _ = push(state, (lsf, gain, latents, size), t, False)
    floor = float(state["concealment"]["floor"][0, 0])
    levels = []
    for _ in range(FADE_TO + 30):
        state, y = push(state, integers, 0, True)
        levels.append(float(state["concealment"]["gain"][0, 1].mean()))
        assert np.isfinite(y).all() and np.abs(y).max() < 10
    np.testing.assert_allclose(levels[FADE_TO:], min(floor, levels[FADE_TO]), atol=0.05)
    state, _ = push(state, integers, 0, False)
    assert state["concealment"]["count"][0] == 0


def test_history_of_a_lost_packet_is_what_was_repeated():
    state = {"history": jnp.asarray(pulses(80, HISTORY))[None], "lag": jnp.array([100]), "voicing": jnp.zeros(1)}
    state |= {"count": jnp.zeros(1)}
    marks = jnp.array([True]), jnp.array([True]), jnp.array([0])
    state, loss = track_loss(state, *marks, jnp.zeros((1, SPEC.hop)), S, SPEC.subframe)
    after = update_history(state, loss, jnp.full((1, SPEC.hop), 7.0))
    np.testing.assert_array_equal(after["history"][0, -SPEC.hop :], pulses(80, SPEC.hop, HISTORY))
    assert loss.count[0, 0] == 1 and concealment.comfort_noise_share(jnp.float32(FADE_TO)) == 1
