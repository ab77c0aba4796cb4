from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from dsp import filters
from dsp.filters import direct_analysis, direct_synthesis, lattice_analysis, lattice_synthesis


def from_reflection(k):
    a = np.ones((*k.shape[:-1], 1))
    for m in range(k.shape[-1]):
        a = np.concatenate([a, np.zeros((*a.shape[:-1], 1))], -1)
        a = a + k[..., m : m + 1] * a[..., ::-1]
    return a


@st.composite
def cases(draw):
    """Draw a signal, its blocks' reflection coefficients and coefficients, and a state."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lead = draw(st.sampled_from([(), (3,), (2, 2)]))
    S, length, M = draw(st.integers(1, 5)), draw(st.integers(1, 40)), draw(st.integers(0, 18))
    k = rng.uniform(-0.95, 0.95, (*lead, S, M)) * 0.97 ** np.arange(M)
    return rng.normal(size=(*lead, S * length)), k, from_reflection(k), rng.normal(size=(*lead, M))


def close(found, expected, scale=1e-9):
    np.testing.assert_allclose(found, expected, atol=scale * (1 + np.abs(expected).max(initial=0)))


@given(cases())
def test_analysis_and_synthesis_are_a_pair(case):
    x, k, a, state = case
    for analysis, synthesis, rows in (
        (direct_analysis, direct_synthesis, a),
        (lattice_analysis, lattice_synthesis, k),
    ):
        e, after = analysis(x, rows, state)
        y, after_too = synthesis(e, rows, state)
        close(y, x, 1e-7)
        close(after_too, after, 1e-7)


def lattice_by_hand(x, k, b):
    """One sample and one stage at a time."""
    e, b = np.empty(len(x)), list(b)
    for n, sample in enumerate(x):
        k_n = k[n * len(k) // len(x)]
        f, delayed, b = sample, b, []
        backward = sample
        for k_m, b_m in zip(k_n, delayed, strict=True):
            b.append(backward)
            f, backward = f + k_m * b_m, b_m + k_m * f
        e[n] = f
    return e, np.array(b)


def direct_by_scipy(x, a, past):
    """Block by block with lfilter, the memory taken from the samples before."""
    x, e = np.concatenate([past, x]), []
    M, L = len(past), (len(x) - len(past)) // len(a)
    for s, row in enumerate(a):
        e.append(lfilter(row, [1], x[s * L : M + (s + 1) * L])[M:])
    return np.concatenate(e), x[len(x) - M :]


@given(cases())
def test_against_scipy_and_by_hand(case):
    B = int(np.prod(case[0].shape[:-1]))
    x, k, a, state = (v.reshape(B, *v.shape[-n:]) for v, n in zip(case, (1, 2, 2, 1), strict=True))
    for one in range(len(x)):
        row = x[one], a[one], state[one]
        for found, expected in zip(direct_analysis(*row), direct_by_scipy(*row), strict=True):
            close(found, expected)
        row = x[one], k[one], state[one]
        for found, expected in zip(lattice_analysis(*row), lattice_by_hand(*row), strict=True):
            close(found, expected)


@given(cases())
def test_lattice_equals_direct_form_with_constant_coefficients(case):
    x, k, a, _ = case
    close(lattice_analysis(x, k[..., :1, :])[0], direct_analysis(x, a[..., :1, :])[0])
    close(lattice_synthesis(x, k[..., :1, :])[0], direct_synthesis(x, a[..., :1, :])[0], 1e-7)


@given(cases(), st.integers(1, 5))
def test_pieces_equal_the_whole(case, n_pieces):
    x, k, a, state = case
    S = k.shape[-2]
    cuts = np.unique(np.linspace(0, S, min(n_pieces, S) + 1).astype(int))
    for function, rows in (
        (direct_analysis, a),
        (direct_synthesis, a),
        (lattice_analysis, k),
        (lattice_synthesis, k),
    ):
        whole, end = function(x, rows, state)
        pieces, running = [], state
        L = x.shape[-1] // S
        for i, j in pairwise(cuts):
            y, running = function(x[..., i * L : j * L], rows[..., i:j, :], running)
            pieces.append(y)
        close(np.concatenate(pieces, -1), whole)
        close(running, end)


def test_synthesis_is_lfilter_over_more_than_one_chunk(monkeypatch):
    rng = np.random.default_rng(0)
    e = rng.normal(size=(2, 1200))
    a = from_reflection(rng.uniform(-0.9, 0.9, 10))
    expected = lfilter([1], a, e)
    close(direct_synthesis(e, a)[0], expected, 1e-11)
    monkeypatch.setattr(filters, "_CHUNK", 37)
    close(direct_synthesis(e, a)[0], expected, 1e-11)


def test_reconstruction_to_120_db_through_nearly_unstable_filters():
    rng = np.random.default_rng(1)
    z = 0.9999 * np.exp(2j * np.pi * np.linspace(0.02, 0.48, 8))
    a = np.tile(np.poly(np.concatenate([z, z.conj()])).real, (20, 1))
    x = rng.normal(size=20 * 320)
    y, _ = direct_synthesis(direct_analysis(x, a)[0], a)
    assert 10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2)) > 120


def test_lattice_stays_bounded_while_coefficients_jump():
    rng = np.random.default_rng(2)
    k = rng.uniform(-0.999, 0.999, (50, 10))
    x, _ = lattice_synthesis(np.eye(1, 1000)[0], k)
    assert np.isfinite(x).all() and np.abs(x).max() < 1e3


@pytest.mark.parametrize("function", [direct_analysis, direct_synthesis, lattice_analysis, lattice_synthesis])
def test_kinds_of_input(function):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 48)).astype(np.float32)
    rows = np.ones((4, 3), np.float32) * np.array([1, 0.5, 0.25], np.float32)  # also good reflection coefficients
    if "lattice" in function.__name__:
        rows = 0.9 * rows
    expected, state = function(x.astype(float), rows.astype(float))
    odd_x, odd_rows = np.repeat(x, 2, -1)[:, ::2], np.repeat(rows, 2, 0)[::2]
    odd_x.flags.writeable = odd_rows.flags.writeable = False
    y, end = function(odd_x, odd_rows)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(end, state)
    assert y.dtype == np.float64 and y.flags.writeable and end.flags.writeable
    many, _ = function(x[0], np.stack([rows, rows]))  # one signal, two sets of filters
    np.testing.assert_array_equal(many, [expected[0], expected[0]])
    for shape in [(0,), (2, 0)]:
        y, end = function(np.zeros(shape), rows[0])
        assert y.shape == shape and not end.any()


@pytest.mark.parametrize("function", [direct_analysis, direct_synthesis, lattice_analysis, lattice_synthesis])
def test_bad_arguments_are_named(function):
    signal, rows = ("x", "e")[function in (direct_synthesis, lattice_synthesis)], "ak"["lattice" in function.__name__]
    good = [1.0, 0.5]
    for arguments, message in [
        (([0.0, np.nan], good), f"`{signal}` holds NaN"),
        ((1.0, good), f"`{signal}` has shape"),
        (([0j, 1], good), f"`{signal}` is of type"),
        (([0.0] * 5, [good] * 2), f"`{signal}` has 5 samples"),
        ((np.zeros((3, 4)), np.ones((2, 1, 2))), f"`{signal}` has leading axes"),
        (([0.0] * 4, [1.0, np.inf]), f"`{rows}` holds"),
        (([0.0] * 4, good, [0.0] * 3), "`state` has shape"),
        (([0.0] * 4, np.ones((0, 2))), f"`{signal}` has 4 samples"),
    ]:
        with pytest.raises(ValueError, match=message):
            function(*arguments)


@pytest.mark.parametrize("function", [direct_analysis, direct_synthesis])
def test_a_first_coefficient_other_than_one_is_refused(function):
    with pytest.raises(ValueError, match="`a` has a first coefficient"):
        function([0.0] * 4, [0.5, 1.0])


def test_lattice_synthesis_does_not_depend_on_how_blocks_are_prepared(monkeypatch):
    rng = np.random.default_rng(4)
    e, k = rng.normal(size=(2, 7 * 12)), rng.uniform(-0.9, 0.9, (2, 7, 5))
    expected = lattice_synthesis(e, k)
    monkeypatch.setattr(filters, "_LATTICE_BLOCKS", 3)
    monkeypatch.setattr(filters, "_LATTICE_SAMPLES", 5)
    for found, known in zip(lattice_synthesis(e, k), expected, strict=True):
        close(found, known, 1e-12)
