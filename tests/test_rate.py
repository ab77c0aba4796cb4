"""Rate control: files meet their budget to within a packet, streams settle on their rate."""

import numpy as np
import pytest

from lpcnet_cq import rate
from lpcnet_cq.container import HEADER_BYTES, MAX_PACKETS, SEGMENT_BYTES
from lpcnet_cq.rate import Budget, choose_steps, file_budget_bits

T, Q = 60, 11
SIZES = 1.15 ** (np.arange(Q) - 5.0)


@pytest.fixture(autouse=True)
def costs(monkeypatch):
    """Let packets cost more the finer they are, each its own amount: stand in for the entropy model."""
    own = np.random.default_rng(1).uniform(100, 200, T)
    monkeypatch.setattr(rate, "start", lambda model: None)
    monkeypatch.setattr(rate, "round_latents", lambda model, past, side, z, step, sizes: step)
    monkeypatch.setattr(rate, "packet_costs", lambda model, step: own * 1.1 ** (5.0 - step))
    return lambda step: own * 1.1 ** (5.0 - step)


def choose(budget_bits):
    return choose_steps(None, np.zeros((T, 1)), np.zeros((T, 1, 1)), SIZES, budget_bits)


@pytest.mark.parametrize("share", [0.65, 0.8, 0.95, 1.0, 1.001, 1.25, 1.5])
def test_budget_is_met_to_within_a_packet(costs, share):
    nominal = costs(np.full(T, 5)).sum()
    step = choose(share * nominal)
    spent = costs(step).sum()
    assert spent <= share * nominal
    finer = np.maximum(step - (np.arange(T) == np.sum(step == step[0])) if np.ptp(step) else step, 0)
    assert share * nominal - spent <= max(25, costs(finer).sum() - spent), "one more finer packet would be too much"
    assert np.ptp(step) <= 1 and (np.diff(step) >= 0).all(), "one change, to the coarser step"


def test_budgets_out_of_reach_take_the_ends(costs):
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
        step = budget.step(5, Q)
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
    assert rich.step(5, Q) == 0 and poor.step(5, Q) == Q - 1
