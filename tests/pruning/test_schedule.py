"""The schedule: the paper's cubic, and events where a loop over steps would put them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.pruning.schedule import Schedule, is_event, target_sparsity


@given(st.integers(0, 500), st.integers(1, 40), st.integers(1, 20), st.floats(0.5, 0.99), st.floats(0, 0.5))
def test_sparsity_follows_the_papers_equation(t0, n, dt, final, initial):
    schedule = Schedule(t0, t0 + n * dt, dt, final, initial)
    t = t0 + dt * np.minimum(np.arange(41), n)  # always as many, so that JAX compiles once
    expected = final + (initial - final) * (1 - (t - t0) / (n * dt)) ** 3
    np.testing.assert_allclose(target_sparsity(schedule, t), expected, atol=1e-6)
    assert np.all(is_event(schedule, t))


def test_sparsity_stays_outside_the_schedule():
    schedule = Schedule(10, 20, 5, 0.9, 0.2)
    np.testing.assert_allclose(target_sparsity(schedule, np.array([0, 9, 21, 1000])), [0.2, 0.2, 0.9, 0.9], rtol=1e-6)
    assert not np.any(is_event(schedule, np.array([0, 5, 9, 12, 25])))


def test_a_schedule_of_one_step_goes_all_the_way():
    schedule = Schedule(7, 7, 3, 0.6)
    np.testing.assert_allclose(target_sparsity(schedule, np.array([6, 7, 8])), [0, 0.6, 0.6], rtol=1e-6)
    assert np.flatnonzero(is_event(schedule, np.arange(20))).tolist() == [7]


def test_the_end_is_an_event_even_off_the_beat():
    assert np.flatnonzero(is_event(Schedule(3, 14, 4), np.arange(30))).tolist() == [3, 7, 11, 14]


@pytest.mark.parametrize(
    "values", [(5, 4), (-1, 4), (0, 4, 0), (0, 4, 1, 1.0), (0, 4, 1, 0.3, 0.4), (0, 4, 1, 0.3, -0.1)]
)
def test_impossible_schedules_are_refused(values):
    with pytest.raises(ValueError, match="must be"):
        Schedule(*values)
