"""Two phases for any number of groups: what is trained when, and for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.training.schedule import learning_rate, two_phases

RATES, SHARES = (2e-4, 2e-5, 2e-6), (4, 1, 1)


def test_three_modules_with_a_codebook():
    phases = two_phases([("lsf", 0), (1,), (2,)], RATES, SHARES)
    assert [p.trained for p in phases] == [("lsf", 0), (1,), (2,), ("lsf", 0, 1, 2)]
    assert [p.n_modules for p in phases] == [1, 2, 3, 3]
    assert [p.learning_rate for p in phases] == [2e-4, 2e-5, 2e-5, 2e-6]
    assert [p.joint for p in phases] == [False, False, False, True]
    assert [p.end for p in phases] == pytest.approx([4 / 7, 5 / 7, 6 / 7, 1])


def test_a_single_group_has_one_phase():
    (phase,) = two_phases([(0,)], RATES, SHARES)
    assert phase.trained == (0,) and phase.end == 1 and not phase.joint


def test_greedy_only_leaves_the_joint_phase_out():
    phases = two_phases([(0,), (1,)], RATES, (4, 1, 0))
    assert [p.trained for p in phases] == [(0,), (1,)] and phases[-1].end == 1


def test_paths_of_parameters_belong_to_parts():
    first, second, joint = two_phases([("lsf", 0), (1,)], RATES, SHARES)
    paths = [("lsf", "centroids"), ("modules", 0, "encoder", 0, "kernel"), ("modules", 1, "quantiser", "centroids")]
    assert [[p.trains(path) for path in paths] for p in (first, second, joint)] == [
        [True, True, False],
        [False, False, True],
        [True, True, True],
    ]


def test_named_parts_are_no_modules():
    assert [p.n_modules for p in two_phases([("encoder", "decoder"), ("postfilter",)], RATES, SHARES)] == [0, 0, 0]


@given(st.integers(1, 6), st.floats(0, 1, exclude_max=True))
def test_phases_tile_the_run(n, progress):
    phases = two_phases([(i,) for i in range(n)], RATES, SHARES)
    within = [0 <= phase.done(progress) < 1 for phase in phases]
    assert sum(within) == 1


def test_learning_rate_rises_in_a_line_and_falls_as_a_cosine():
    for phase, peak in zip(two_phases([("lsf", 0), (1,)], RATES, SHARES), RATES, strict=True):
        rates = [learning_rate(phase, done, done / 0.05) / peak for done in (0, 0.025, 0.5, 1)]
        assert rates == pytest.approx([0, 0.5, 0.5, 0], abs=0.001)
