"""The decoder's graphs against the runtime of NumPy: received, lost and unsent packets, within a 16-bit step."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.packet import Integers

STEP = 1 / 32768  # one 16-bit step
LOST, UNSENT = (3, 4, 20, *range(50, 64), *range(90, 110, 3)), (30, 31, 32, 80)
BETWEEN = {3: 2, 4: 1, 20: 1, 61: 3, 63: 1} | dict.fromkeys(range(90, 110, 3), 1)  # distances of known later packets


@pytest.fixture
def packets(light, speech):
    """Return a function: name of weights to integers of packets with changing step sizes."""

    def analyse(weights):
        model, config = light(weights)
        T = len(speech) // config.spec.hop - 1
        _, side, z = model.analyse(model.start_encoder(speech[:128]), speech[128 : 128 + T * config.spec.hop], T)
        step = 4 + np.arange(T) % 9
        return Integers(step, side, np.rint(z / config.step_ratio ** (step[:, None, None] - 8)).astype(np.int64))

    return analyse


def inputs(n, t):
    return {"side": n.side[t], "latents": n.latents[t], "step": n.step[t : t + 1]}


def as_int32(values, **others):
    return {name: np.asarray(value, np.int32) for name, value in (values | others).items()}


def run_decoder(run, values, lost=0, distance=0, drift=0.0):
    return run("decoder", **as_int32(values, lost=[lost], distance=[distance]), drift=np.array([drift]))["samples"]


def run_between(run, n, t, distance):
    """Return the samples of a lost packet, given a later one: docs/onnx.md describes these calls."""
    before, values = run.state, inputs(n, t) | {"side": n.side[t + distance]}
    run_decoder(run, values, 1, distance)
    run_decoder(run, inputs(n, t + distance))
    excitation = run.state["state.concealment.history"][-320:]
    run.state = before
    drift = float(run("drift", **as_int32({"distance": [distance]}), next_excitation=excitation)["drift"][0])
    return run_decoder(run, values, 1, distance, drift), drift


def test_received_lost_and_unsent_packets(light, steps, packets):
    (model, _), run, n = light("cq3"), steps("cq3"), packets("cq3")
    state, last, lost, drifts = model.start_decoder(), None, 0, []
    assert run("decoder_start") == {}
    for t in range(len(n.step)):
        lost = lost + 1 if t in LOST else 0
        last = last if lost else n[t : t + 1]
        distance = BETWEEN.get(t, 0)
        later = (n[t + distance : t + distance + 1], distance) if distance else ()
        concealed = lost or t in UNSENT
        state, y = model.conceal(state, last, lost, *later) if concealed else model.synthesise(state, last)
        if t in UNSENT:
            found = run("comfort_noise", **as_int32({"side": n.side[t]}))["samples"]
        elif t in BETWEEN:
            found, drift = run_between(run, n, t, distance)
            drifts.append(drift)
        else:
            found = run_decoder(run, inputs(n, t), int(lost > 0))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, y, rtol=0, atol=0.5 * STEP, err_msg=f"packet {t}")
    assert len(set(drifts)) > 3


def test_integers_of_a_lost_packet_do_not_matter(steps, packets):
    n, found = packets("cq3"), []
    for other in (0, 5):
        run = steps("cq3")
        run("decoder_start")
        for t in range(5):
            given = inputs(n, t if t < 4 else other)
            y = run_decoder(run, given, int(t == 4))
        found.append(y)
    np.testing.assert_array_equal(*found)


def test_weights_without_concealment(light, steps, packets):
    (model, _), run, n = light("cq"), steps("cq"), packets("cq")
    state = model.start_decoder()
    run("decoder_start")
    for t in range(len(n.step)):
        state, y = model.synthesise(state, n[t : t + 1]) if t % 7 else model.conceal(state, n[t : t + 1], 0)
        graph = "decoder" if t % 7 else "comfort_noise"
        given = inputs(n, t) if t % 7 else {"side": n.side[t]}
        np.testing.assert_allclose(run(graph, **as_int32(given))["samples"], y, rtol=0, atol=0.5 * STEP)


def test_noise_goes_on_where_the_position_wraps(light, steps, packets):
    (model, _), run, n = light("cq3"), steps("cq3"), packets("cq3")
    state = model.start_decoder()._replace(position=2**32 - 30)
    run("decoder_start")
    run.state["state.position"] = np.array([2**32 - 30])
    for t in range(4):
        state, y = model.synthesise(state, n[t : t + 1])
        found = run_decoder(run, inputs(n, t))
        np.testing.assert_allclose(found, y, rtol=0, atol=0.5 * STEP)
    assert run.state["state.position"] == state.position == 50
