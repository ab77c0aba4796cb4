"""From line spectral frequencies to filters: judged by `dsp`, by polynomial roots and by hand."""

import jax
import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsp.frames import FrameSpec
from dsp.lsf import lsf_to_lpc as exact_lsf_to_lpc
from lpcnet_cq.speech import envelope
from lpcnet_cq.speech.constants import MIN_DISTANCE, interpolation_weights
from lpcnet_cq.speech.envelope import expand_bandwidth, interpolate_lsf

M = 16
SPREAD = np.linspace(0, np.pi, M + 2)[1:-1]
order, lsf_to_lpc = jax.jit(envelope.order_lsf), jax.jit(envelope.lsf_to_lpc)
wild = arrays(np.float32, (1, 1, M), elements=st.floats(-1000, 1000, width=32))
shifts = arrays(np.float32, (1, 1, M), elements=st.floats(-0.125, 0.125, width=32))


@given(wild)
def test_any_vector_is_put_in_order_and_apart(lsf):
    w = np.asarray(order(lsf), np.float64)[0, 0]
    assert np.diff(w, prepend=0, append=np.pi).min() > MIN_DISTANCE - 2e-6


@given(wild)
def test_order_is_kept_once_it_is_there(lsf):
    once = order(lsf)
    np.testing.assert_allclose(order(once), once, atol=2e-6)


@given(shifts)
def test_vector_in_order_stays_as_it_is(shift):
    lsf = np.sort(SPREAD + 0.5 * shift, axis=-1).astype(np.float32)
    assume(np.diff(lsf, prepend=0, append=np.pi).min() > MIN_DISTANCE)
    np.testing.assert_allclose(order(lsf), lsf, atol=1e-6)


def test_neighbours_too_close_are_moved_apart_by_hand():
    lsf = SPREAD.copy()
    lsf[4] = lsf[3] + 0.001
    expected = lsf.copy()
    expected[4] = lsf[3] + MIN_DISTANCE
    np.testing.assert_allclose(order(np.float32(lsf[None, None]))[0, 0], expected, atol=1e-6)
    swapped = lsf[[0, 1, 2, 4, 3, *range(5, M)]]
    np.testing.assert_allclose(order(np.float32(swapped[None, None]))[0, 0], expected, atol=1e-6)


@given(arrays(np.float32, (1, 1, M), elements=st.floats(-0.5, 0.5, width=32)))
def test_ordered_vector_makes_a_stable_filter(shift):
    """All roots of A(z), made in single precision, lie within the unit circle."""
    a = np.asarray(lsf_to_lpc(order(np.float32(SPREAD) + shift)), np.float64)[0, 0]
    assert np.abs(np.roots(a)).max() < 1


def test_polynomials_are_those_of_dsp():
    random = np.random.default_rng(1)
    lsf = np.sort(SPREAD + random.uniform(-0.15, 0.15, (1, 1, M)), axis=-1)
    np.testing.assert_allclose(lsf_to_lpc(np.float32(lsf)), exact_lsf_to_lpc(lsf), rtol=1e-4, atol=1e-4)
    with jax.enable_x64(True):
        np.testing.assert_allclose(lsf_to_lpc(jax.numpy.asarray(lsf)), exact_lsf_to_lpc(lsf), atol=1e-12)


def test_interpolation_weights_by_hand():
    """Windows are centred on samples -112 and 208 of a packet, subframes on 32, 96, 160, 224 and 288."""
    np.testing.assert_allclose(interpolation_weights(FrameSpec()), [0.45, 0.65, 0.85, 1, 1], atol=1e-6)


def test_interpolation_runs_from_the_packet_before():
    random = np.random.default_rng(2)
    previous, lsf = (random.random(shape, np.float32) for shape in ((2, 3), (2, 4, 3)))
    sub = np.asarray(interpolate_lsf(previous, lsf, FrameSpec())).reshape(2, 4, 5, 3)
    np.testing.assert_allclose(sub[:, 0, 0], 0.55 * previous + 0.45 * lsf[:, 0], atol=1e-6)
    np.testing.assert_allclose(sub[:, 2, 1], 0.35 * lsf[:, 1] + 0.65 * lsf[:, 2], atol=1e-6)
    np.testing.assert_allclose(sub[:, :, 4], lsf, atol=1e-6)


def test_bandwidth_expansion_scales_the_roots():
    lsf = np.float32(SPREAD + 0.05 * np.sin(np.arange(M)))
    a = lsf_to_lpc(lsf[None, None])
    roots, expanded = (np.sort_complex(np.roots(np.float64(v[0, 0]))) for v in (a, expand_bandwidth(a, 0.92)))
    np.testing.assert_allclose(expanded, 0.92 * roots, atol=1e-4)
