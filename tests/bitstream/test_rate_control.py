"""Rate control: files meet their budget to within a packet, streams settle on their rate."""

import numpy as np
import pytest

from lpcnet_cq.bitstream import rate_control as rate
from lpcnet_cq.bitstream.container import HEADER_BYTES, MAX_PACKETS, SEGMENT_BYTES
from lpcnet_cq.bitstream.rate_control import Budget, choose_steps, file_budget_bits, rounding_reserve_bits

T, Q = 60, 11
OWN = np.random.default_rng(1).uniform(100, 200, T)


def costs(step):
    """Let packets cost more the finer they are, each its own amount: stand in for the entropy model."""
    return OWN * 1.1 ** (5.0 - step)


def choose(budget_bits, guess=5):
    return choose_steps(costs, budget_bits, range(Q), guess)


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


@pytest.mark.parametrize("bits_per_packet", [140.0, 180.0, 240.0])
def test_stream_settles_on_its_rate(bits_per_packet):
    """Packets of changing difficulty; a finer step costs 8 % more, as with real latents."""
    random = np.random.default_rng(2)
    budget, sizes, steps = Budget(bits_per_packet), [], []
    for t in range(6000):
        step = budget.step(5, range(Q))
        difficulty = 180 + 40 * np.sin(t / 40) + 30 * random.standard_normal()
        n_bytes = max(1, round(difficulty * 1.08 ** (5 - step) / 8))
        budget = budget.spend(n_bytes)
        sizes.append(8 * n_bytes)
        steps.append(step)
    assert np.mean(sizes[1000:]) == pytest.approx(bits_per_packet, rel=0.01)
    assert {0 <= s < Q for s in steps} == {True} and len(set(steps)) > 2


def test_debts_and_savings_are_forgotten_beyond_a_limit():
    rich, poor = Budget(180.0), Budget(180.0)
    for _ in range(3000):
        rich, poor = rich.spend(1), poor.spend(200)
    assert abs(rich.debt_bits) <= rate.MAX_DEBT * 180 and abs(poor.debt_bits) <= rate.MAX_DEBT * 180
    assert rich.step(5, range(Q)) == 0 and poor.step(5, range(Q)) == Q - 1


def test_reserve_covers_the_rounding_of_nineteen_files_in_twenty():
    random = np.random.default_rng(3)
    for n_packets in (50, 500):
        beyond = random.uniform(0, 8, (2000, n_packets)).sum(axis=1) - 4 * n_packets
        assert 0.94 < np.mean(beyond <= rounding_reserve_bits(n_packets)) < 0.99
