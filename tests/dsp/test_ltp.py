import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from dsp.ltp import long_term_analyze, long_term_residual, long_term_synthesis


def random_case(seed, lead, S, L, n_taps):
    rng = np.random.default_rng(seed)
    e = rng.normal(size=(*lead, S * L))
    lag = rng.integers(n_taps // 2 + 1, 60, (*lead, S))
    gain = rng.uniform(-0.95, 0.95, (*lead, S, n_taps)) / n_taps
    return e, lag, gain, rng.normal(size=(*lead, 70))


cases = st.builds(
    random_case,
    st.integers(0, 2**32 - 1),
    st.sampled_from([(), (3,), (2, 2)]),
    st.integers(1, 6),
    st.integers(1, 50),
    st.sampled_from([1, 3, 5]),
)


@given(cases)
def test_residual_and_synthesis_are_a_pair(case):
    e, lag, gain, past = case
    r, after = long_term_residual(e, lag, gain, past)
    back, after_too = long_term_synthesis(r, lag, gain, past)
    np.testing.assert_allclose(back, e, atol=1e-9)
    np.testing.assert_allclose(after_too, after, atol=1e-9)
    assert after.shape == past.shape
    np.testing.assert_array_equal(after, np.concatenate([past, e], -1)[..., -70:])


@given(cases)
def test_residual_sample_by_sample(case):
    e, lag, gain, past = (v[(0,) * (v.ndim - n)] for v, n in zip(case, (1, 1, 2, 1), strict=True))
    longer, J, L = np.append(past, e), gain.shape[-1] // 2, len(e) // len(lag)
    expected = [
        e[n] - sum(gain[n // L, j + J] * longer[70 + n - lag[n // L] - j] for j in range(-J, J + 1))
        for n in range(len(e))
    ]
    np.testing.assert_allclose(long_term_residual(e, lag, gain, past)[0], expected, atol=1e-12)


@given(cases)
def test_pieces_equal_the_whole(case):
    e, lag, gain, past = case
    S = lag.shape[-1]
    cut, L = S // 2, e.shape[-1] // S
    for function in (long_term_residual, long_term_synthesis):
        whole, end = function(e, lag, gain, past)
        pieces, state = [], past
        for part in (slice(0, cut), slice(cut, S)):
            if part.stop > part.start:
                samples = slice(part.start * L, part.stop * L)
                y, state = function(e[..., samples], lag[..., part], gain[..., part, :], state)
                pieces.append(y)
        np.testing.assert_allclose(np.concatenate(pieces, -1), whole, atol=1e-10)
        np.testing.assert_allclose(state, end, atol=1e-10)


def test_constant_lag_is_scipys_filter():
    r = np.random.default_rng(0).normal(size=(2, 640))
    comb = np.zeros(52)
    comb[[0, 49, 50, 51]] = 1, -0.2, -0.5, -0.1
    gain = np.tile([0.2, 0.5, 0.1], (5, 1))
    np.testing.assert_allclose(long_term_synthesis(r, [50] * 5, gain)[0], lfilter([1], comb, r), atol=1e-10)
    np.testing.assert_allclose(long_term_residual(r, [50] * 5, gain)[0], lfilter(comb, [1], r), atol=1e-10)


def test_analysis_finds_what_synthesis_was_given():
    r = np.random.default_rng(1).normal(size=8000)
    lag = np.repeat([40, 73, 118, 200], 5)
    gain = np.tile([0.2, 0.5, 0.2], (20, 1))
    e, _ = long_term_synthesis(r, lag, gain)
    found, taps = long_term_analyze(e, 20, 30, 240, n_taps=3)
    assert np.mean(found[1:] == lag[1:]) > 0.9
    np.testing.assert_allclose(np.median(taps, 0), [0.2, 0.5, 0.2], atol=0.05)


def test_search_is_exhaustive():
    rng = np.random.default_rng(2)
    e, past = rng.normal(size=(2, 240)), rng.normal(size=(2, 90))
    lag, gain = long_term_analyze(e, 4, 20, 80, past, max_gain=10)
    best = np.mean(long_term_residual(e, lag, gain, past)[0].reshape(2, 4, 60) ** 2, -1)
    longer = np.concatenate([past, e], -1)
    for b in range(2):
        for s in range(4):
            block = e[b, 60 * s : 60 * s + 60]
            powers = []
            for t in range(20, 81):
                d = longer[b, 90 + 60 * s - t :][:60]
                g = max(0, block @ d / (d @ d))
                powers.append(np.mean((block - g * d) ** 2))
            np.testing.assert_allclose(best[b, s], min(powers), rtol=1e-10)
            assert lag[b, s] == 20 + np.argmin(powers)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3]))
def test_analysis_never_adds_power_and_keeps_the_bound(seed, n_taps):
    e = np.random.default_rng(seed).normal(size=320)
    lag, gain = long_term_analyze(e, 5, 20, 100, n_taps=n_taps, max_gain=0.9)
    assert np.abs(gain).sum(-1).max() <= 0.9 + 1e-12
    r, _ = long_term_residual(e, lag, gain)
    assert (np.sum(r.reshape(5, 64) ** 2, -1) <= np.sum(e.reshape(5, 64) ** 2, -1) + 1e-9).all()


def test_silence_has_no_gain():
    for n_taps in (1, 3):
        lag, gain = long_term_analyze(np.zeros((2, 128)), 2, 20, 100, n_taps=n_taps)
        assert (lag == 20).all() and not gain.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precisions_and_layouts(dtype):
    e = np.random.default_rng(3).normal(size=(256, 2)).astype(dtype).T
    e.flags.writeable = False
    lag, gain = long_term_analyze(e, 4, 20, 100)
    lag2, gain2 = long_term_analyze(e.astype(float), 4, 20, 100)
    np.testing.assert_array_equal(lag, lag2)
    np.testing.assert_array_equal(gain, gain2)
    r, _ = long_term_residual(e, lag, gain.astype(dtype))
    np.testing.assert_allclose(long_term_synthesis(r, lag, gain.astype(dtype))[0], e, atol=1e-10)


G = [[0.5]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: long_term_analyze([0.0] * 5, 2, 1, 3), "`e` has 5 samples"),
        (lambda: long_term_analyze([], 2, 1, 3), "`e` has 0 samples"),
        (lambda: long_term_analyze([np.nan] * 4, 2, 1, 3), "`e` holds NaN"),
        (lambda: long_term_analyze([0.0] * 4, 0, 1, 3), "`n_blocks` is 0"),
        (lambda: long_term_analyze([0.0] * 4, 2, 1, 3, n_taps=2), "`n_taps` is 2"),
        (lambda: long_term_analyze([0.0] * 4, 2, 1, 3, n_taps=3), "`low_lag` is 1"),
        (lambda: long_term_analyze([0.0] * 4, 2, 4, 3), "`high_lag` is 3"),
        (lambda: long_term_analyze([0.0] * 4, 2, 1, 3, [[0.0]]), "`past` has shape"),
        (lambda: long_term_analyze([0.0] * 4, 2, 1, 3, max_gain=-1), "`max_gain` is -1"),
        (lambda: long_term_analyze([0.0] * 4, 2, 1, 2**70), "`high_lag` is 1180"),
        (lambda: long_term_analyze([0.0] * 4, 2, 2**70, 3), "`low_lag` is 1180"),
        (lambda: long_term_analyze([0.0] * 4, True, 1, 3), "`n_blocks` is True"),
        (lambda: long_term_residual([0.0] * 4, [1e12], G), r"`lag` has a value of 1e\+12"),
        (lambda: long_term_residual([0.0] * 4, [0], G), "`lag` has a value of 0"),
        (lambda: long_term_residual([0.0] * 4, [2.5], G), "`lag` has a value of 2.5"),
        (lambda: long_term_residual([0.0] * 4, [2, 2], G), "`gain` has shape"),
        (lambda: long_term_residual([0.0] * 4, [2], [[0.5, 0.5]]), "`gain` has shape"),
        (lambda: long_term_residual([0.0] * 3, [2, 2], G * 2), "`e` has 3 samples"),
        (lambda: long_term_synthesis([0.0] * 4, [2], [[np.inf]]), "`gain` holds"),
        (lambda: long_term_synthesis(np.zeros((3, 4)), [[2]] * 2, G), "`lag` has shape"),
        (lambda: long_term_synthesis([np.inf], [2], G), "`r` holds"),
        (lambda: long_term_synthesis([0.0], [2], G, [[0.0]]), "`past` has shape"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
