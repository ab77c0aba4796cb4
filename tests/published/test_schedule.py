"""Two phases for any number of modules: what is trained when, at which price, for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.published.schedule import LSF, phase_progress, two_phases

RATES, SHARES = (2e-4, 2e-5, 2e-6), (4, 1, 1)


def test_three_modules_with_a_codebook():
    phases = two_phases((9e3, 16e3, 24e3), RATES, SHARES, (LSF,))
    assert [p.trained for p in phases] == [(LSF, 0), (1,), (2,), (LSF, 0, 1, 2)]
    assert [p.n_modules for p in phases] == [1, 2, 3, 3]
    assert [p.learning_rate for p in phases] == [2e-4, 2e-5, 2e-5, 2e-6]
    assert [p.bitrate_bps for p in phases] == [9e3, 16e3, 24e3, 24e3]
    assert [p.fresh for p in phases] == [True, True, True, False]
    assert [p.end for p in phases] == pytest.approx([4 / 7, 5 / 7, 6 / 7, 1])


def test_a_single_module_has_one_phase():
    (phase,) = two_phases((9e3,), RATES, SHARES)
    assert phase.trained == (0,) and phase.end == 1 and phase.fresh


def test_greedy_only_leaves_the_joint_phase_out():
    phases = two_phases((4e3, 9e3), RATES, (4, 1, 0))
    assert [p.trained for p in phases] == [(0,), (1,)] and phases[-1].end == 1


def test_paths_of_parameters_belong_to_parts():
    first, second, joint = two_phases((4e3, 9e3), RATES, SHARES, (LSF,))
    paths = [("lsf", "centroids"), ("modules", 0, "encoder", 0, "kernel"), ("modules", 1, "quantiser", "centroids")]
    assert [[p.trains(path) for path in paths] for p in (first, second, joint)] == [
        [True, True, False],
        [False, False, True],
        [True, True, True],
    ]


@given(st.integers(1, 6), st.floats(0, 1, exclude_max=True))
def test_phases_tile_the_run(n, progress):
    phases = two_phases(tuple(1e3 * (i + 1) for i in range(n)), RATES, SHARES)
    within = [0 <= phase_progress(phases, i, progress) < 1 for i in range(len(phases))]
    assert sum(within) == 1
