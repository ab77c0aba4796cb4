"""The LPC cepstrum against Fourier transforms of log spectra, sums over poles, a peer, and itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsp.cepstrum import cepstrum_to_lpc, lpc_to_cepstrum
from dsp.reflection import reflection_to_lpc

coefficients = st.integers(1, 16).flatmap(lambda M: arrays(float, (2, M), elements=st.floats(-0.7, 0.7)))


@given(coefficients, st.integers(0, 10), st.floats(1e-3, 1e3))
def test_there_and_back(k, more, gain):
    a = reflection_to_lpc(k)
    c = lpc_to_cepstrum(a, k.shape[1] + more, gain)
    b, g = cepstrum_to_lpc(c, k.shape[1])
    np.testing.assert_allclose(b, a, atol=1e-9 * np.abs(a).max())
    np.testing.assert_allclose(g, gain, rtol=1e-12)


@given(arrays(float, (3, 8), elements=st.floats(-1, 1)))
def test_back_and_there(c):
    a, gain = cepstrum_to_lpc(c)
    np.testing.assert_allclose(lpc_to_cepstrum(a, gain=gain), c, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 5, 16])
def test_is_the_fourier_transform_of_the_log_envelope(order):
    k = np.random.default_rng(order).uniform(-0.4, 0.4, (10, order))
    a, gain = reflection_to_lpc(k), np.linspace(0.1, 2, 10)
    log_envelope = np.log(gain[:, None] / np.abs(np.fft.rfft(a, 1 << 15)))
    expected = np.fft.irfft(log_envelope)[:, :40]
    expected[:, 1:] *= 2
    np.testing.assert_allclose(lpc_to_cepstrum(a, 39, gain), expected, atol=1e-9)


@given(st.lists(st.tuples(st.floats(0, 0.98), st.floats(0, np.pi)), min_size=1, max_size=6))
def test_is_a_sum_of_powers_of_the_poles(pairs):
    z = np.array([radius * np.exp(1j * angle) for radius, angle in pairs])
    z = np.concatenate([z, z.conj()])
    n = np.arange(1, 21)
    expected = (z[:, None] ** n).sum(0).real / n
    np.testing.assert_allclose(lpc_to_cepstrum(np.poly(z).real, 20)[1:], expected, atol=1e-8)


def test_against_pysptk():
    pysptk = pytest.importorskip("pysptk")
    for k in np.random.default_rng(3).uniform(-0.7, 0.7, (5, 12)):
        a = reflection_to_lpc(k)
        expected = pysptk.lpc2c(np.append(2.0, a[1:]), 20)
        np.testing.assert_allclose(lpc_to_cepstrum(a, 20, 2.0), expected, atol=1e-10)


def test_distance_of_cepstra_is_that_of_log_spectra():
    a = reflection_to_lpc(np.random.default_rng(4).uniform(-0.4, 0.4, (2, 8)))
    c = lpc_to_cepstrum(a, 1000, [1.0, 1.5])
    d = c[0] - c[1]
    log_power = 2 * np.log(np.array([[1.0], [1.5]]) / np.abs(np.fft.fft(a, 4096)))
    mean_square = np.mean((log_power[0] - log_power[1]) ** 2)
    assert 4 * d[0] ** 2 + 2 * (d[1:] ** 2).sum() == pytest.approx(mean_square, rel=1e-9)


def test_batches_and_layouts():
    a = reflection_to_lpc(np.random.default_rng(0).uniform(-0.6, 0.6, (4, 5, 6)))
    c = lpc_to_cepstrum(a, 10)
    assert c.shape == (4, 5, 11)
    other = np.asfortranarray(a)[:, ::-2]
    other.flags.writeable = False
    assert np.array_equal(lpc_to_cepstrum(other, 10), c[:, ::-2])
    assert np.array_equal(lpc_to_cepstrum(a[0, 0], 10, np.ones((2, 3)))[1, 2], c[0, 0])
    assert lpc_to_cepstrum(a.astype(np.float32)).dtype == np.float64
    assert lpc_to_cepstrum([1.0]).tolist() == [0.0]
    assert cepstrum_to_lpc([0.0])[0].tolist() == [1.0]


def test_refuses_bad_arguments():
    cases = [
        (lpc_to_cepstrum, (2.0,), "a"),
        (lpc_to_cepstrum, ([0.5, 0.1],), "a"),
        (lpc_to_cepstrum, ([1.0, 0.1], -1), "order"),
        (lpc_to_cepstrum, ([1.0, 0.1], 2, 0.0), "gain"),
        (lpc_to_cepstrum, (np.ones((3, 1)), 2, [1.0, 2.0]), "gain"),
        (cepstrum_to_lpc, ([np.nan],), "c"),
        (cepstrum_to_lpc, ([],), "c"),
        (cepstrum_to_lpc, ([0.0, 1.0], 2), "order"),
    ]
    for function, arguments, name in cases:
        with pytest.raises(ValueError, match=rf"^`{name}` [^\n]*$"):
            function(*arguments)
