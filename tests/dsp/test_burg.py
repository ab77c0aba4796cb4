"""Burg's method against a textbook loop, librosa, closed forms, and the filters that made the signals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import lfilter

from dsp.burg import burg
from dsp.reflection import lpc_to_reflection, reflection_to_lpc


def textbook(x, order):
    """One frame, one coefficient and one error sample after the other."""
    f, b, a = list(x), list(x), np.array([1.0])
    for m in range(1, order + 1):
        pairs = [(f[n], b[n - 1]) for n in range(m, len(x))]
        k = -2 * sum(p * q for p, q in pairs) / sum(p * p + q * q for p, q in pairs)
        a = np.append(a, 0) + k * np.append(a, 0)[::-1]
        f, b = (
            [0] * m + [f[n] + k * b[n - 1] for n in range(m, len(x))],
            [0] * m + [b[n - 1] + k * f[n] for n in range(m, len(x))],
        )
    return a


@pytest.mark.parametrize("order", [1, 2, 7, 16, 32])
def test_against_a_textbook_loop(order):
    frames = np.random.default_rng(order).normal(size=(3, 120)).cumsum(-1)
    a, _, k = burg(frames, order)
    for frame, row in zip(frames, a, strict=True):
        np.testing.assert_allclose(row, textbook(frame, order), atol=1e-9 * np.abs(row).max())
    np.testing.assert_allclose(reflection_to_lpc(k), a)


@pytest.mark.parametrize("order", [1, 2, 8, 16])
def test_smooth_and_tonal_frames_against_a_textbook_loop(order):
    # Some are left to the lattice, for correlations would not do; both must agree.
    rng, n = np.random.default_rng(0), np.arange(100)
    noise = np.geomspace(1e-6, 1, 12)[:, None] * rng.normal(size=(12, 100))
    frames = np.concatenate([np.cos(0.2 * n) + noise, 1 + noise, noise.cumsum(-1).cumsum(-1)])
    a, _, k = burg(frames, order)
    for frame, row, stages in zip(frames, a, k, strict=True):
        expected = textbook(frame, order)
        np.testing.assert_allclose(row, expected, atol=1e-5 * np.abs(expected).max())
        assert np.abs(stages[0] - textbook(frame, 1)[1]) < 1e-8


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", [1, 2, 7, 16, 32])
def test_against_librosa(order, monkeypatch):
    """As Python: to compile five calls of librosa takes half a minute."""
    librosa = pytest.importorskip("librosa")
    audio = pytest.importorskip("librosa.core.audio")
    monkeypatch.setattr(audio, "__lpc", getattr(audio, "__lpc").py_func)
    frames = np.random.default_rng(order).normal(size=(5, 400)).cumsum(-1)
    a, _, _ = burg(frames, order)
    np.testing.assert_allclose(a, librosa.lpc(frames, order=order), atol=1e-6 * np.abs(a).max())


@given(arrays(float, (2, 40), elements=st.floats(-1, 1)), st.integers(0, 32))
def test_always_stable(x, order):
    a, error, k = burg(x, order)
    assert (np.abs(k) <= 1).all() and (error >= 0).all()
    assert np.isfinite(a).all() and a.shape == (2, order + 1)


@pytest.mark.parametrize("order", [2, 4, 8])
def test_finds_the_filter_that_made_the_signal(order):
    angle = np.linspace(0.4, 2.7, order // 2)
    poles = 0.95 * np.exp(1j * np.concatenate([angle, -angle]))
    a = np.poly(poles).real
    x = lfilter([1.0], a, np.random.default_rng(0).normal(size=200_000))
    found, error, k = burg(x, order)
    np.testing.assert_allclose(k, lpc_to_reflection(a), atol=0.02)
    assert error / x.size == pytest.approx(1.0, rel=0.02)  # the power of the noise
    assert found.shape == a.shape


@pytest.mark.parametrize("w", [0.3, 1.0, 2.5])
def test_whole_periods_of_a_sinusoid_in_closed_form(w):
    # Over many periods the phase no longer matters: a = 1 - 2 cos(w) z^-1 + z^-2
    a, error, _ = burg(np.cos(w * np.arange(20_000)), 2)
    np.testing.assert_allclose(a, [1, -2 * np.cos(w), 1], atol=1e-3)
    assert error < 1


def test_known_answers():
    a, error, k = burg([[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]], 2)
    assert a.tolist() == [[1, -1, 0], [1, 1, 0], [1, 0, 0]]
    assert error.tolist() == [0, 0, 0] and k[0].tolist() == [-1, 0]
    # k1 = -2 (1*2 + 2*2) / (1 + 4 + 4 + 4); then f = 2 + 2 k1, b = 1 + 2 k1
    _, _, k = burg([1.0, 2.0, 2.0], 2)
    k1 = -12 / 13
    f, b = 2 + 2 * k1, 1 + 2 * k1
    np.testing.assert_allclose(k, [k1, -2 * f * b / (f * f + b * b)])


def test_batches_and_layouts():
    x = np.random.default_rng(0).normal(size=(3, 50, 30)).astype(np.float32)  # more than two blocks
    whole = burg(x, 5)
    assert [v.shape for v in whole] == [(3, 50, 6), (3, 50), (3, 50, 5)]
    other = np.asfortranarray(x)
    other.flags.writeable = False
    for one, two in zip(burg(other, 5), whole, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)
        assert one.dtype == np.float64
    np.testing.assert_allclose(burg(x[2, 40].astype(float), 5)[0], whole[0][2, 40], atol=1e-12)


def test_refuses_bad_arguments():
    for bad in (1.0, [np.nan, 1.0], [1j, 0]):
        with pytest.raises(ValueError, match=r"^`frames` [^\n]*$"):
            burg(bad, 0)
    for bad in (-1, 4, 1.5):
        with pytest.raises(ValueError, match=r"^`order` is .*, it must be .*0 to 3$"):
            burg(np.ones(4), bad)
