"""Step sizes that training draws: where the rates are, evenly, and changing once at most."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.step_sizes import draw_steps, step_range

NOTES = {"steps": [0, 17], "mean_rates_bps": [round(36000 * 0.9**q) for q in range(17)]}


@pytest.mark.parametrize(("drawn"), [(4.25, 12.75), (0.0, 17.0), (7.65, 16.15)])
def test_steps_are_even_within_their_range_and_change_once_at_most(drawn):
    T, (first, stop) = 50, drawn
    q = np.asarray(draw_steps(jax.random.key(1), drawn, 4000, T))
    reached = range(int(first), int(np.ceil(stop)))
    assert q.shape == (4000, T) and q.dtype == np.int32 and (q.min(), q.max()) == (reached[0], reached[-1])
    changes = (np.diff(q, axis=1) != 0).sum(axis=1)
    assert changes.max() == 1 and 0.35 < np.mean(changes) < 0.55
    shares = np.bincount(q[:, 0], minlength=17) / 4000
    assert abs(np.mean(q) + 0.5 - (first + stop) / 2) < 0.2
    np.testing.assert_allclose(shares[reached[1:-1]], 1 / (stop - first), rtol=0.25)


def test_new_weights_draw_around_the_middle_step_size():
    t = PRESETS["cq"]
    assert step_range(t) == pytest.approx((0.0, 17.0), abs=0.1)
    assert step_range(replace(t, bitrates_bps=(9000.0, 9000.0))) == pytest.approx((4.25, 12.75))


@pytest.mark.parametrize(("rates", "low", "high"), [((9000, 24000), 0.49, 0.51), ((9000, 9000), 0.7, 0.8)])
def test_weights_that_are_trained_on_draw_where_they_have_the_rates(rates, low, high):
    """36 kbps times 0.9 per step: 9 kbps are at index 13, which is as far as half of the indices can be centred."""
    first, stop = step_range(replace(PRESETS["cq"], bitrates_bps=rates), NOTES)
    assert low < (first + stop) / 2 / 17 < high and 0 <= first < stop <= 17
