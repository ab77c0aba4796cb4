import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from dsp.interpolation import AMRWB_FRACTIONS, interpolate, interpolate_lpc, subframe_fractions
from dsp.isf import lpc_to_isf
from dsp.lsf import lpc_to_lsf

DOMAINS = ["lsf", "isf", "isp", "reflection", "log-area", "autocorrelation"]


def from_reflection(k):
    a = np.ones((*k.shape[:-1], 1))
    for m in range(k.shape[-1]):
        a = np.concatenate([a, np.zeros((*a.shape[:-1], 1))], -1)
        a = a + k[..., m : m + 1] * a[..., ::-1]
    return a


def reflections(seed, *shape):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, shape)


@given(
    st.integers(0, 2**32 - 1), st.sampled_from([(), (2,)]), st.integers(1, 12), st.sampled_from(DOMAINS), st.booleans()
)
def test_ends_are_kept_and_all_between_is_stable(seed, lead, M, domain, given_previous):
    a = from_reflection(reflections(seed, *lead, 4, M))
    previous = a[..., 3, :] if given_previous else None
    found = interpolate_lpc(a, [0.0, 0.3, 0.7, 1.0], domain, previous)
    assert found.shape == (*lead, 4, 4, M + 1)
    scale = np.abs(a).max()
    before = np.concatenate([a[..., 3:, :] if given_previous else a[..., :1, :], a[..., :3, :]], axis=-2)
    np.testing.assert_allclose(found[..., 3, :], a, atol=1e-6 * scale)
    np.testing.assert_allclose(found[..., 0, :], before, atol=1e-6 * scale)
    assert all(np.abs(np.roots(row)).max(initial=0) < 1 for row in found.reshape(-1, M + 1))


def test_each_domain_is_a_straight_line_in_it():
    k = reflections(1, 2, 6)
    a = from_reflection(k)
    f = 0.3
    middle = {d: interpolate_lpc(a, [f], d)[1, 0] for d in DOMAINS}

    def line(v):
        return (1 - f) * v[0] + f * v[1]

    np.testing.assert_allclose(lpc_to_lsf(middle["lsf"]), line(lpc_to_lsf(a)), atol=1e-9)
    np.testing.assert_allclose(lpc_to_isf(middle["isf"]), line(lpc_to_isf(a)), atol=1e-9)
    np.testing.assert_allclose(np.cos(lpc_to_isf(middle["isp"])), line(np.cos(lpc_to_isf(a))), atol=1e-9)
    np.testing.assert_allclose(middle["reflection"], from_reflection(line(k)), atol=1e-10)
    areas = np.arctanh(k)
    np.testing.assert_allclose(middle["log-area"], from_reflection(np.tanh(line(areas))), atol=1e-10)
    h = lfilter([1], a[0], np.eye(1, 3000)[0]), lfilter([1], a[1], np.eye(1, 3000)[0])
    r = line([np.array([v[: 3000 - m] @ v[m:] for m in range(7)]) / (v @ v) for v in h])
    np.testing.assert_allclose(middle["autocorrelation"][1:], solve_toeplitz(r[:-1], -r[1:]), atol=1e-9)
    assert len({tuple(row.round(6)) for row in middle.values()}) == len(DOMAINS)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_frame_by_frame_equals_all_at_once(seed, T):
    a = from_reflection(reflections(seed, T + 1, 4))
    whole = interpolate_lpc(a[1:], AMRWB_FRACTIONS, "isp", a[0])
    single = [interpolate_lpc(a[t + 1 : t + 2], AMRWB_FRACTIONS, "isp", a[t])[0] for t in range(T)]
    np.testing.assert_allclose(whole, single, atol=1e-12)


def test_fractions_and_lines():
    np.testing.assert_array_equal(subframe_fractions(5), [0.2, 0.4, 0.6, 0.8, 1.0])
    v = np.arange(6.0).reshape(3, 2) ** 2
    found = interpolate(v, [0.25, 1.0], [4.0, -4.0])
    expected = [
        [np.interp(x, np.arange(4), np.append(start, v[:, i])) for i, start in enumerate([4.0, -4.0])]
        for x in (0.25, 1.0, 1.25, 2.0, 2.25, 3.0)
    ]
    np.testing.assert_allclose(found.reshape(6, 2), expected, rtol=1e-12)
    assert interpolate(np.zeros((0, 3)), [0.5]).shape == (0, 1, 3)


def test_silence_to_sound():
    a = from_reflection(np.stack([np.zeros(8), reflections(3, 8)]))
    for domain in DOMAINS:
        assert np.abs(np.roots(interpolate_lpc(a, [0.5], domain)[1, 0])).max() < 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precisions_and_layouts(dtype):
    a = from_reflection(reflections(4, 6, 8)).astype(dtype)[::2]
    a.flags.writeable = False
    for domain in DOMAINS:
        np.testing.assert_array_equal(
            interpolate_lpc(a, [0.5, 1.0], domain), interpolate_lpc(a.astype(float), [0.5, 1.0], domain)
        )


A = [[1.0, 0.5], [1.0, 0.2]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: subframe_fractions(0), "`n_subframes` is 0"),
        (lambda: interpolate([1.0], [0.5]), "`v` has shape"),
        (lambda: interpolate(A, [1.5]), "`fractions` has values from 1.5 to 1.5"),
        (lambda: interpolate(A, 0.5), "`fractions` has shape"),
        (lambda: interpolate(A, [0.5], [1.0]), "`previous` has shape"),
        (lambda: interpolate_lpc(A, [0.5], "lpc"), "`domain` is 'lpc'"),
        (lambda: interpolate_lpc([[1.0]], [0.5]), "`a` has shape"),
        (lambda: interpolate_lpc([[1.0, np.nan]], [0.5]), "`a` holds NaN"),
        (lambda: interpolate_lpc(A, [0.5], previous=[0.5, 1.0]), "`previous` has a first"),
        (lambda: interpolate_lpc(A, [0.5], previous=[1.0, 0.0, 0.0]), "`previous` has shape"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_unstable_predictor_is_refused(domain):
    with pytest.raises(ValueError, match="`a` "):
        interpolate_lpc([[1.0, 0.5, 1.5], [1.0, 0.0, 0.0]], [0.5], domain)
