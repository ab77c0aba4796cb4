"""Reflection coefficients, log-area ratios and tubes against closed forms, other programs, and themselves."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsp.lpc import autocorrelation, levinson_durbin
from dsp.reflection import (
    area_to_reflection,
    is_minimum_phase,
    log_area_to_reflection,
    lpc_to_reflection,
    minimum_phase,
    reflection_to_area,
    reflection_to_log_area,
    reflection_to_lpc,
)

# The step down divides by 1 - k^2 again and again: these limits keep its loss of digits to six.
coefficients = st.integers(1, 32).flatmap(
    lambda M: arrays(float, (3, M), elements=st.floats(-np.tanh(6.9 / M), np.tanh(6.9 / M)))
)


@given(coefficients)
def test_predictor_there_and_back(k):
    a = reflection_to_lpc(k)
    np.testing.assert_allclose(lpc_to_reflection(a), k, atol=1e-9)
    assert is_minimum_phase(a).all()


@given(arrays(float, (2, 16), elements=st.floats(-0.999999, 0.999999)))
def test_log_areas_and_areas_there_and_back(k):
    np.testing.assert_allclose(log_area_to_reflection(reflection_to_log_area(k)), k, atol=1e-14)
    np.testing.assert_allclose(area_to_reflection(reflection_to_area(k)), k, atol=1e-9)
    ratio = np.log(reflection_to_area(k))
    np.testing.assert_allclose(np.diff(ratio), reflection_to_log_area(k), atol=1e-8)


@pytest.mark.parametrize("order", [1, 2, 8, 16, 32])
def test_agrees_with_the_recursion_of_levinson_and_durbin(order):
    frames = np.random.default_rng(0).normal(size=(50, 400)).cumsum(-1) * np.hanning(400)
    a, _, k = levinson_durbin(autocorrelation(frames, order))
    np.testing.assert_allclose(reflection_to_lpc(k), a, atol=1e-12)
    np.testing.assert_allclose(lpc_to_reflection(a), k, atol=1e-6 if order > 16 else 1e-8)


def test_against_pysptk():
    pysptk = pytest.importorskip("pysptk")
    for k in np.random.default_rng(3).uniform(-0.8, 0.8, (10, 12)):
        a = reflection_to_lpc(k)
        parcor = pysptk.lpc2par(np.append(1.0, a[1:]))[1:]
        np.testing.assert_allclose(parcor, k, atol=1e-10)


@given(arrays(float, 12, elements=st.floats(-1.2, 1.2)))
def test_stability_is_that_of_the_roots(tail):
    a = np.append(1.0, tail)
    radius = np.abs(np.roots(a)).max(initial=0)
    assume(abs(radius - 1) > 1e-3)  # NumPy's roots are not exact
    assert is_minimum_phase(a) == (radius < 1)


@given(st.lists(st.tuples(st.floats(0.3, 0.95) | st.floats(1.05, 2), st.floats(0.1, 3)), min_size=1, max_size=5))
def test_minimum_phase_keeps_the_shape_of_the_envelope(pairs):
    z = np.array([radius * np.exp(1j * angle) for radius, angle in pairs])
    a = np.poly(np.concatenate([z, z.conj()])).real
    b = minimum_phase(a)
    assert is_minimum_phase(b)
    # |A| changes by the factor that the mirrored zeros make, and by no more
    gain = np.prod(np.maximum(np.abs(z), 1)) ** 2
    before, after = np.abs(np.fft.rfft([a, b], 64))
    np.testing.assert_allclose(after * gain, before, atol=1e-3 * before.max())


def test_minimum_phase_leaves_good_frames_alone():
    a = reflection_to_lpc([[0.5, -0.9, 0.3], [0.1, 0.2, 0.3]])
    assert np.array_equal(minimum_phase(a), a)
    bad = np.stack([a[0], np.poly([0.5, -0.2, 1.25])])
    np.testing.assert_allclose(minimum_phase(bad), [a[0], np.poly([0.5, -0.2, 0.8])], atol=1e-12)
    assert is_minimum_phase(minimum_phase([1.0, 0.0, 1.0]))  # zeros on the circle itself


def test_uniform_tube_and_two_tubes():
    assert np.array_equal(reflection_to_area(np.zeros(8)), np.ones(9))
    assert np.array_equal(reflection_to_lpc(np.zeros(8)), np.eye(1, 9)[0])
    # One step between two areas halfway along: |A|^2 = 1 + k^2 + 2 k cos(4 w)
    k = area_to_reflection([1, 1, 1, 1, 7])
    w = np.linspace(0, np.pi, 50)
    A = np.exp(-1j * np.outer(w, np.arange(5))) @ reflection_to_lpc(k)
    np.testing.assert_allclose(np.abs(A) ** 2, 1 + 0.75**2 + 1.5 * np.cos(4 * w), atol=1e-12)


def test_known_answers():
    np.testing.assert_allclose(reflection_to_lpc([0.5, -0.25, 0.125]), [1, 0.34375, -0.203125, 0.125])
    np.testing.assert_allclose(reflection_to_log_area([np.tanh(0.5)]), [1.0], atol=1e-15)
    np.testing.assert_allclose(reflection_to_area([1 / 3, 1 / 3, -0.6]), [1, 2, 4, 1], atol=1e-12)


def test_any_layout_and_no_order():
    k = np.random.default_rng(0).uniform(-0.9, 0.9, (4, 6, 8))
    a = reflection_to_lpc(k)
    assert a.shape == (4, 6, 9)
    read_only = np.asfortranarray(k)[:, ::-2]
    read_only.flags.writeable = False
    assert np.array_equal(reflection_to_lpc(read_only), a[:, ::-2])
    assert lpc_to_reflection(a.astype(np.float32)).dtype == np.float64
    assert lpc_to_reflection([1.0]).shape == (0,)
    assert reflection_to_lpc(np.zeros((2, 0))).tolist() == [[1.0], [1.0]]
    assert is_minimum_phase([1.0])
    assert reflection_to_area(np.zeros((2, 0))).shape == (2, 1)
    assert minimum_phase(np.zeros((0, 4)) + np.eye(1, 4)).shape == (0, 4)


@pytest.mark.parametrize("bad", [[1, 2], [1.0, 0.3, -1.0], [1.0, 1e300, 0.5], [0.5, 0.1], [1, np.nan], 1, []])
def test_lpc_to_reflection_refuses(bad):
    with pytest.raises(ValueError, match=r"^`a` [^\n]*$"):
        lpc_to_reflection(bad)


def test_predictors_of_order_0_are_minimum_phase():
    assert minimum_phase([1.0]).tolist() == [1.0]
    assert minimum_phase(np.ones((3, 1))).tolist() == [[1.0]] * 3


def test_refuses_bad_arguments():
    for function in (reflection_to_log_area, reflection_to_area):
        for bad in (0.5, [1.0], [-1.0], [np.nan]):
            with pytest.raises(ValueError, match=r"^`k` "):
                function(bad)
    for bad in ([1.0, 0.0], [-1.0, 2.0], [], [np.inf, 1], 1.0):
        with pytest.raises(ValueError, match=r"^`area` "):
            area_to_reflection(bad)
    with pytest.raises(ValueError, match=r"^`g` "):
        log_area_to_reflection([np.nan])
    with pytest.raises(ValueError, match=r"^`k` "):
        reflection_to_lpc([np.inf])
    for function in (is_minimum_phase, minimum_phase):
        with pytest.raises(ValueError, match=r"^`a` "):
            function([0.5, 1.0])
