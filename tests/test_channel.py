"""The lossy channel: long runs against the closed forms of a Markov chain, pinned patterns, arguments out of range."""

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.channel import burst_losses, mean_burst, random_losses, share_lost

N = 100_000


def runs(lost):
    """Return the lengths of all bursts, by another way than the module's."""
    return [len(list(group)) for bad, group in itertools.groupby(lost.tolist()) if bad]


@pytest.mark.parametrize("loss", [0.03, 0.2, 0.7])
def test_random_losses_are_independent(loss):
    lost = random_losses(N, loss, seed=5)
    assert share_lost(lost) == pytest.approx(loss, abs=4 * np.sqrt(loss * (1 - loss) / N))
    assert mean_burst(lost) == pytest.approx(1 / (1 - loss), rel=0.02), "bursts of a memoryless channel"
    assert np.corrcoef(lost[1:], lost[:-1])[0, 1] == pytest.approx(0, abs=4 / np.sqrt(N))


@pytest.mark.parametrize(("loss", "burst"), [(0.05, 3.0), (0.2, 3.0), (0.1, 10.0), (0.4, 1.5)])
def test_bursts_are_those_of_the_markov_chain(loss, burst):
    r = 1 / burst
    p = r * loss / (1 - loss)
    lost = burst_losses(N, loss, burst, seed=7)
    # The states' correlation falls as (1 - p - r)^k: so many packets count as N independent ones.
    worth = N * (p + r) / (2 - p - r)
    assert p / (p + r) == pytest.approx(loss)
    assert share_lost(lost) == pytest.approx(loss, abs=4 * np.sqrt(loss * (1 - loss) / worth) + 1e-5)
    lengths = runs(lost)
    assert mean_burst(lost) == pytest.approx(burst, rel=4 * np.sqrt(1 - r) / np.sqrt(len(lengths)) + 1e-9)
    assert np.mean(lengths) == mean_burst(lost)
    alone = np.mean(np.array(lengths) == 1)  # lengths are geometric: P(1) = r
    assert alone == pytest.approx(r, abs=4 * np.sqrt(r * (1 - r) / len(lengths)) + 1e-9)


@given(st.lists(st.booleans()))
def test_statistics_of_any_pattern(bits):
    lost = np.array(bits, bool)
    assert share_lost(lost) * len(lost) == pytest.approx(sum(runs(lost)))
    assert mean_burst(lost) * len(runs(lost)) == pytest.approx(sum(runs(lost)))


def test_patterns_stay_as_they_were_scored():
    """Scores of other codecs under loss were measured with these patterns."""
    joined = np.concatenate([random_losses(5000, 0.05, 5001), burst_losses(5000, 0.1, 3.0, 10002)])
    assert hashlib.sha256(np.packbits(joined).tobytes()).hexdigest()[:16] == "130a5b6756f86312"


def test_limits_of_the_range():
    assert not random_losses(50, 0, 0).any() and random_losses(50, 1, 0).all()
    assert not burst_losses(50, 0, 3, 0).any()
    assert burst_losses(6, 0.5, 1, 0).tolist() == [True, False] * 3
    assert len(random_losses(0, 0.5, 0)) == 0 and share_lost(np.zeros(0, bool)) == mean_burst(np.zeros(0, bool)) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": -1}, "`n` is -1"),
        ({"loss": 1.5}, "`loss` is 1.5"),
        ({"loss": float("nan")}, "`loss` is nan"),
        ({"loss": 0.8}, "0.75 at most"),
        ({"mean_burst": 0.5}, "`mean_burst` is 0.5"),
        ({"mean_burst": float("inf")}, "`mean_burst` is inf"),
        ({"seed": -1}, "`seed` is -1"),
        ({"seed": 1 << 32}, "`seed` is 4294967296"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        burst_losses(**({"n": 10, "loss": 0.1, "mean_burst": 3.0, "seed": 0} | arguments))
