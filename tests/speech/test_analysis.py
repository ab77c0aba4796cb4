"""The LPC front end, judged by SciPy's Toeplitz solver and by what it may see of the future."""

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz
from scipy.signal import freqz, lfilter

from dsp.frames import FrameSpec, frame
from dsp.lsf import lsf_to_lpc
from lpcnet_cq.speech.analysis import LAG_WINDOW_HZ, PREEMPHASIS, WHITE_NOISE, analyse_lsf, analyse_windows

SPEC = FrameSpec()
SPEECH = np.float32(0.1 * lfilter([1], [1, -1.4, 0.8], np.random.default_rng(1).standard_normal(1000)))


def test_envelope_solves_the_normal_equations():
    lsf = analyse_lsf(SPEECH, SPEC, 16)
    assert lsf.shape == (4, 16) and lsf.dtype == np.float32
    emphasised = lfilter([1, -PREEMPHASIS], 1, np.float64(SPEECH))
    padded = np.zeros(4 * 320 + 128)
    padded[:1000], padded[1000] = emphasised, -PREEMPHASIS * SPEECH[-1]
    lag = np.exp(-0.5 * (2 * np.pi * LAG_WINDOW_HZ / 16000 * np.arange(17)) ** 2)
    for n in range(4):
        w = np.zeros(480)
        part = padded[max(0, n * 320 + 448 - 480) : n * 320 + 448]
        w[480 - len(part) :] = part
        w *= np.hamming(480)
        r = np.correlate(w, w, "full")[479 : 479 + 17] * lag
        r[0] = r[0] * (1 + WHITE_NOISE) + 1e-9
        a = np.concatenate([[1], solve_toeplitz(r[:16], -r[1:])])
        np.testing.assert_allclose(lsf_to_lpc(lsf[n]), a, atol=2e-4)


@pytest.mark.parametrize("frequency_hz", [100, 440, 1000, 2100, 5000, 7000])
def test_resonance_of_a_tone_is_bounded(frequency_hz):
    """1/A(z) has its peak near the tone; a sharper pole than 0.92 would amplify quantisation noise."""
    x = 0.05 * np.sin(2 * np.pi * frequency_hz / SPEC.sample_rate_hz * np.arange(1600))
    a = lsf_to_lpc(analyse_lsf(x, SPEC, 16)[3])
    w, h = freqz([1], a, 4096, fs=SPEC.sample_rate_hz)
    assert abs(w[np.argmax(np.abs(h))] - frequency_hz) < 130
    assert np.abs(np.roots(a)).max() <= 0.921


@pytest.mark.parametrize("period", [8, 12, 14])
def test_resonances_of_pulses_are_bounded(period):
    x = 0.05 * (np.arange(1600) % period == 0)
    assert np.abs(np.roots(lsf_to_lpc(analyse_lsf(x, SPEC, 16)[3]))).max() <= 0.921


def test_two_tones_are_bounded_where_the_signal_is_steady():
    time = np.arange(SPEC.window + 1) / SPEC.sample_rate_hz
    x = 0.05 * (np.sin(2 * np.pi * 852 * time) + np.sin(2 * np.pi * 1477 * time))
    plain, steady = (analyse_windows(x, SPEC, 16, steady) for steady in (False, True))
    assert np.abs(np.roots(lsf_to_lpc(plain))).max() > 0.95
    assert np.abs(np.roots(lsf_to_lpc(steady))).max() <= 0.921
    noise = np.random.default_rng(1).standard_normal(len(x))
    np.testing.assert_array_equal(analyse_windows(noise, SPEC, 16, True), analyse_windows(noise, SPEC))


def test_windows_one_by_one_are_the_whole():
    padded = np.concatenate([np.zeros(33, np.float32), SPEECH])
    for n in range(2):
        window = padded[n * 320 : n * 320 + 481]
        np.testing.assert_allclose(analyse_windows(window, SPEC), analyse_lsf(SPEECH, SPEC)[n], atol=1e-6)
        np.testing.assert_array_equal(window[1:], frame(SPEECH, SPEC)[n])


@pytest.mark.parametrize("n", [0, 1, 2])
def test_packet_sees_its_look_ahead_and_no_further(n):
    end = (n + 1) * SPEC.hop + SPEC.look_ahead
    changed = SPEECH.copy()
    changed[end:] += 0.1
    np.testing.assert_array_equal(analyse_lsf(changed, SPEC)[: n + 1], analyse_lsf(SPEECH, SPEC)[: n + 1])
    changed[end - 1 if end <= 1000 else 999] += 0.1
    assert (analyse_lsf(changed, SPEC)[n] != analyse_lsf(SPEECH, SPEC)[n]).any()


@pytest.mark.parametrize("x", [np.zeros(640), np.ones(640), np.zeros(1), np.tile([1.0, -1.0], 320)])
def test_odd_signals_have_ordered_frequencies(x):
    lsf = analyse_lsf(x, SPEC)
    assert np.isfinite(lsf).all()
    assert np.diff(lsf, prepend=0, append=np.pi).min() > 1e-3
