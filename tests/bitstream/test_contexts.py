"""Contexts of runs of packets: the same, however the packets are cut into runs."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.contexts import Contexts, slots, start, value_bits
from lpcnet_cq.bitstream.frequency_tables import HALF_WIDTH, TOTAL, Expected
from lpcnet_cq.bitstream.packet import Integers, advance
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

CONFIG, T = PRESETS["tiny"].codec, 7


@pytest.fixture(scope="module")
def model(speech_integers):
    return SubframeModel(speech_integers, CONFIG)


@pytest.fixture(scope="module")
def packets(model):
    random = np.random.default_rng(0)
    step, side = random.integers(0, model.n_steps, T), random.integers(-4, 5, (T, model.K))
    return Integers(step, side, random.integers(-9, 10, (T, model.S, model.D)))


def test_runs_have_the_contexts_of_the_whole(model, packets):
    whole = Contexts(model, start(model), packets.side, packets.step)
    past, parts = start(model), []
    for n in packets.runs(3):
        parts.append(Contexts(model, past, n.side, n.step))
        past = advance(past, n)
    found = [np.concatenate(v) for v in zip(*(part.expected_side for part in parts), strict=True)]
    np.testing.assert_array_equal(found, whole.expected_side)
    latents = [part.latents(n.latents) for part, n in zip(parts, packets.runs(3), strict=True)]
    for ours, theirs in zip(zip(*latents, strict=True), whole.latents(packets.latents), strict=True):
        np.testing.assert_array_equal(np.concatenate(ours), theirs)
    slots_of_steps = [np.concatenate(v) for v in zip(*(part.step_slots for part in parts), strict=True)]
    np.testing.assert_array_equal(slots_of_steps, whole.step_slots)


def test_vectors_before_may_be_others_than_those_of_the_past(model, packets):
    past = advance(start(model), packets)
    contexts = Contexts(model, past, packets.side, packets.step)
    usual, same = contexts.latents(packets.latents), contexts.latents(packets.latents, past.latents)
    np.testing.assert_array_equal(usual, same)
    other = contexts.latents(packets.latents, 0 * past.latents)
    assert (other.table[0] != usual.table[0]).any()
    np.testing.assert_array_equal(other.table[1:], usual.table[1:])


def test_bits_are_those_of_the_slots(model):
    """Within the tables and, with 5 bits and those below the leading one, outside."""
    values = np.array([[0, -HALF_WIDTH, HALF_WIDTH, HALF_WIDTH + 1, -HALF_WIDTH - 5]])
    predicted = Expected(np.full(values.shape, 300, np.int32), np.zeros(values.shape, np.int32))
    begin, frequency, distance = slots(model, predicted, values)
    assert (begin >= 0).all() and (begin + frequency <= TOTAL).all()
    np.testing.assert_array_equal(distance, values)
    escape = np.array([0, 0, 0, 5, 7])
    np.testing.assert_allclose(value_bits(model, predicted, values)[0], 16 - np.log2(frequency[0]) + escape, rtol=1e-6)


def test_a_reset_costs_the_rare_flag(model, packets):
    contexts = Contexts(model, start(model), packets.side, packets.step)
    more = contexts.head_bits(reset=True) - contexts.head_bits(reset=False)
    flag = np.log2(np.diff(model.flag))
    np.testing.assert_allclose(more, [flag[0] - flag[1], *[0] * (T - 1)])
