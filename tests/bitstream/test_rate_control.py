"""Rate control: files meet their budget to within a packet, streams settle on their rate."""

import numpy as np
import pytest

from lpcnet_cq.bitstream import rate_control as rate
from lpcnet_cq.bitstream.container import HEADER_BYTES, MAX_PACKETS, SEGMENT_BYTES
from lpcnet_cq.bitstream.rate_control import (
    Budget,
    choose_points,
    file_budget_bits,
    operating_points,
    rounding_reserve_bits,
    step_and_multiplier,
)
from lpcnet_cq.bitstream.rdoq import MULTIPLIER

T, Q = 60, 11
OWN = np.random.default_rng(1).uniform(100, 200, T)


def costs(step):
    """Let packets cost more the finer they are, each its own amount: stand in for the entropy model."""
    return OWN * 1.1 ** (5.0 - step)


def choose(budget_bits, guess=5):
    return choose_points(costs, budget_bits, range(Q), guess)


@pytest.mark.parametrize("share", [0.65, 0.8, 0.95, 1.0, 1.001, 1.25, 1.5])
@pytest.mark.parametrize("guess", [-3, 0, 5, 10, 99])
def test_budget_is_met_to_within_a_packet(share, guess):
    """From wherever the search starts."""
    nominal = costs(np.full(T, 5)).sum()
    step = choose(share * nominal, guess)
    spent = costs(step).sum()
    assert spent <= share * nominal
    finer = np.maximum(step - (np.arange(T) == np.sum(step == step[0])) if np.ptp(step) else step, 0)
    assert share * nominal - spent <= max(25, costs(finer).sum() - spent), "one more finer packet would be too much"
    assert np.ptp(step) <= 1 and (np.diff(step) >= 0).all(), "one change, to the coarser step"


def test_budgets_out_of_reach_take_the_ends():
    assert (choose(0) == Q - 1).all()
    assert (choose(1e9) == 0).all()


@pytest.mark.parametrize("packets", [1, 500, 501])
def test_heads_are_paid_from_the_budget(packets):
    segments = -(-packets // MAX_PACKETS)
    assert file_budget_bits(packets, 0.02 * packets, 9000) == pytest.approx(
        180 * packets - 8 * (HEADER_BYTES + SEGMENT_BYTES * segments)
    )


def test_points_beyond_the_coarsest_step_raise_the_multiplier():
    points = operating_points(range(2, 15))
    step, multiplier = step_and_multiplier(np.array(points), range(2, 15))
    assert step.tolist() == [*range(2, 15), *[14] * rate.COARSER_POINTS]
    assert (multiplier[:13] == MULTIPLIER).all() and (np.diff(multiplier[12:]) > 0).all()
    assert multiplier[-1] == pytest.approx(64 * MULTIPLIER)


def talk(random, n):
    """Return the bits of packets of read speech at the middle step: syllables, phrases, pauses of 0.2 to 0.5 s.

    And what a finer step multiplies them by: pauses, whose latents are mostly zero, grow faster than speech.
    """
    bits, growth = np.empty(0), np.empty(0)
    while len(bits) < n:
        phrase, pause = random.integers(60, 150), random.integers(10, 25)
        wave = np.sin(np.arange(phrase) / 2 + random.uniform(0, 6))
        syllables = 195 + 70 * wave + 40 * random.standard_normal(phrase)
        bits = np.concatenate([bits, np.clip(syllables, 60, None), np.full(pause, 55.0)])
        growth = np.concatenate([growth, np.full(phrase, 1.08), np.full(pause, 1.16)])
    return np.stack([bits, growth], axis=1)[:n]


def follow(packets, bits_per_packet, nominal_point=10):
    """Code packets as a live encoder does; return the bits of each."""
    points, budget, spent = operating_points(range(17)), Budget(bits_per_packet), []
    for usual, growth in packets:
        sizes = np.ceil(usual * bits_per_packet / 180 * growth ** (nominal_point - np.array(points)) / 8).astype(int)
        point = budget.point(nominal_point, points)
        if sizes[point] < budget.least_bytes:
            point = int(np.argmax(sizes <= budget.least_bytes))
        budget = budget.spend(int(sizes[point]))
        spent.append(8 * sizes[point])
    return np.array(spent)


@pytest.mark.parametrize("bits_per_packet", [180.0, 240.0, 320.0, 480.0])
@pytest.mark.parametrize("level", [0.8, 1.0, 1.25])
def test_any_ten_seconds_of_speech_have_the_rate(bits_per_packet, level):
    """Within 2 %, from the first packet on, whether the speech costs less or more than ordinary speech."""
    spent = follow(talk(np.random.default_rng(2), 6000) * [level, 1], bits_per_packet)
    ten_seconds = np.convolve(spent, np.ones(500), "valid") / (500 * bits_per_packet)
    assert np.abs(ten_seconds - 1).max() < 0.02


def test_savings_of_silence_are_not_spent_later():
    """Digital silence costs next to nothing at any step; the speech behind it has the rate, not more."""
    speech = talk(np.random.default_rng(3), 1500)
    spent = follow(np.concatenate([speech, np.tile([1.0, 1.0], (1500, 1)), speech]), 180.0)
    assert spent[1600:3000].max() < 60
    assert spent[3000:3500].sum() < 1.03 * 500 * 180


def test_debts_move_the_point():
    budget, points = Budget(180.0), operating_points(range(17))
    poor, rich = (Budget(180.0).spend(n) for n in (100, 0))
    assert poor.debt == pytest.approx(100 / 22.5 - 1) and rich.debt == -1
    assert poor.point(10, points) > budget.point(10, points) == 10 >= rich.point(10, points)
    for _ in range(3000):
        poor, rich = poor.spend(200), rich.spend(0)
    assert rich.point(10, points) == points[0] and poor.point(10, points) == points[-1]
    assert rich.least_bytes > 22 and poor.least_bytes < 0


def test_reserve_covers_the_rounding_of_nineteen_files_in_twenty():
    random = np.random.default_rng(3)
    for n_packets in (50, 500):
        beyond = random.uniform(0, 8, (2000, n_packets)).sum(axis=1) - 4 * n_packets
        assert 0.94 < np.mean(beyond <= rounding_reserve_bits(n_packets)) < 0.99
