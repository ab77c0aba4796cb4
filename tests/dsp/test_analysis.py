"""The whole analysis against its parts and known signals, and there and back to 120 dB."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from dsp.analysis import analyze, synthesize
from dsp.frames import FrameSpec, frame
from dsp.lpc import autocorrelation, lag_window, levinson_durbin
from dsp.lsf import lsf_to_lpc
from dsp.reflection import reflection_to_lpc

SPEC = FrameSpec()
n = np.arange(8000)


def speechlike(seed=0):
    rng = np.random.default_rng(seed)
    pulses = 0.01 * rng.normal(size=n.size)
    pulses[::130] += 1
    poles = 0.97 * np.exp(1j * np.array([0.2, 0.6, 1.0, 1.4]))
    return lfilter([0.05], np.poly(np.concatenate([poles, poles.conj()])).real, pulses)


SIGNALS = {
    "speechlike": speechlike(),
    "noise": np.random.default_rng(1).normal(size=8000),
    "silence": np.zeros(8000),
    "constant": np.ones(8000),
    "low tone": np.sin(2 * np.pi * 50 / 16000 * n),
    "tone": np.sin(2 * np.pi * 1000 / 16000 * n),
    "high tone": np.sin(2 * np.pi * 7990 / 16000 * n),
    "clipped": np.clip(20 * speechlike(), -0.1, 0.1),
    "impulse": np.eye(1, 8000, 3000)[0],
    "step from silence": np.where(n < 4000, 0.0, speechlike()),
}


@pytest.mark.parametrize("order", [1, 8, 16, 32])
@pytest.mark.parametrize("mu", [0.0, 0.68, 0.97])
@pytest.mark.parametrize("name", SIGNALS)
def test_reconstructs_to_120_db(name, mu, order):
    x = SIGNALS[name]
    found = analyze(x, SPEC, order, preemphasis_mu=mu)
    y = synthesize(found)
    assert y.shape == x.shape
    assert np.sum((x - y) ** 2) <= 1e-12 * np.sum(x**2)


@given(
    st.integers(1, 200),
    st.sampled_from([(30, 20, 8, 4), (16, 10, 0, 5), (40, 8, 12, 8), (5, 12, 3, 6)]),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_any_length_and_any_frames(n_samples, lengths, order, seed):
    spec = FrameSpec(8000, *lengths)
    x = np.random.default_rng(seed).normal(size=(2, n_samples))
    found = analyze(x, spec, order)
    assert found.residual.shape == (2, spec.n_frames(n_samples), spec.hop)
    np.testing.assert_allclose(synthesize(found), x, atol=1e-9)


def test_is_made_of_its_parts():
    x = speechlike()
    found = analyze(x, SPEC, 12, preemphasis_mu=0.68, lag_window_hz=60, white_noise=1e-4)
    y = lfilter([1, -0.68], [1], x)
    r = autocorrelation(frame(y, SPEC) * np.hamming(480), 12) * lag_window(12, 60, 16000)
    r[:, 0] *= 1 + 1e-4
    a, error, k = levinson_durbin(r)
    assert np.array_equal(found.lpc, a) and np.array_equal(found.reflection, k)
    np.testing.assert_allclose(found.gain**2 * np.sum(np.hamming(480) ** 2), error)
    np.testing.assert_allclose(found.prediction_gain_db, 10 * np.log10(r[:, 0] / error))
    # and they describe the same filters
    np.testing.assert_allclose(lsf_to_lpc(found.lsf), a, atol=1e-10)
    np.testing.assert_allclose(reflection_to_lpc(k), a, atol=1e-12)


def test_residual_is_that_of_scipy_with_carried_state():
    x, state = speechlike(), np.zeros(16)
    found = analyze(x, SPEC, 16)
    for t in range(len(found.lpc)):
        # the direct form's state depends on the filter: rebuilt from the samples before
        past = np.concatenate([np.zeros(16), x])[t * 320 : t * 320 + 16]
        state = [np.dot(found.lpc[t, i + 1 :], past[::-1][: 16 - i]) for i in range(16)]
        expected, _ = lfilter(found.lpc[t], [1.0], x[t * 320 : (t + 1) * 320], zi=state)
        np.testing.assert_allclose(found.residual[t], expected, atol=1e-12)


def test_finds_the_filter_and_the_level_of_its_noise():
    a = np.poly([0.9 * np.exp(0.8j), 0.9 * np.exp(-0.8j)]).real
    x = lfilter([1.0], a, 0.3 * np.random.default_rng(0).normal(size=200_000))
    found = analyze(x, SPEC, 2)
    np.testing.assert_allclose(found.lpc[5:-5].mean(0), a, atol=0.02)
    assert np.sqrt(np.mean(found.gain[5:-5] ** 2)) == pytest.approx(0.3, rel=0.03)
    expected_db = 10 * np.log10(np.mean(x**2) / 0.3**2)
    assert found.prediction_gain_db[5:-5].mean() == pytest.approx(expected_db, abs=0.5)


def test_many_frames_are_what_each_is_alone():
    spec = FrameSpec(8000, window=24, hop=8, look_ahead=8, subframe=8)
    x = np.random.default_rng(0).normal(size=5000)  # more than two blocks of windows
    found = analyze(x, spec, 4)
    assert len(found.lpc) == 625
    r = autocorrelation(frame(x, spec) * np.hamming(24), 4)
    r[:, 0] *= 1 + 1e-9
    np.testing.assert_allclose(found.lpc, levinson_durbin(r)[0], atol=1e-12)


def test_silence_has_neutral_values():
    found = analyze(np.zeros(1000), SPEC, 4)
    assert not found.gain.any() and not found.residual.any() and not found.prediction_gain_db.any()
    np.testing.assert_allclose(found.lsf, [np.pi * np.arange(1, 5) / 5] * 4)


def test_taper():
    x = speechlike()
    hann = analyze(x, SPEC, 8, taper=np.hanning(480))
    r = autocorrelation(frame(x, SPEC) * np.hanning(480), 8)
    r[:, 0] *= 1 + 1e-9
    assert np.array_equal(hann.lpc, levinson_durbin(r)[0])


@pytest.mark.parametrize(
    ("dtype", "full_scale"), [(np.float32, 1), (np.float64, 1), (np.int16, 2**15), (np.int32, 2**31)]
)
def test_any_type_and_layout(dtype, full_scale):
    x = (1000 * np.stack([speechlike(i) for i in range(4)])).astype(dtype)
    expected = analyze(x.astype(float) / full_scale, SPEC, 8)
    other = np.asfortranarray(x)
    other.flags.writeable = False
    found = analyze(other[::-1], SPEC, 8)
    for name in ("lpc", "gain", "residual", "lsf", "reflection", "prediction_gain_db"):
        assert getattr(found, name).dtype == np.float64
        np.testing.assert_allclose(getattr(found, name)[::-1], getattr(expected, name), rtol=1e-6, atol=1e-9)


def test_the_layout_of_audio_files_is_refused_with_its_shape():
    x = np.stack([speechlike(), speechlike(1)], axis=1)
    with pytest.raises(ValueError, match=r"^`x` has shape \(8000, 2\), it must be .*last axis: pass its transpose$"):
        analyze(x, SPEC)
    assert analyze(x.T, SPEC).lpc.shape == (2, 25, 17)


def test_is_frozen_but_can_be_changed_by_replace():
    found = analyze(speechlike(), SPEC)
    with pytest.raises(FrozenInstanceError):
        found.residual = 0
    louder = synthesize(replace(found, residual=3 * found.residual))
    np.testing.assert_allclose(louder, 3 * speechlike(), atol=1e-9)


def test_lpc_offers_it_without_importing_it_first():
    import dsp.lpc

    assert dsp.lpc.analyze is analyze and dsp.lpc.synthesize is synthesize
    with pytest.raises(AttributeError, match="analyse"):
        dsp.lpc.analyse  # noqa: B018


def test_refuses_bad_arguments():
    x = np.ones(1000)
    cases = [
        (dict(x=1.0), "x"),
        (dict(x=np.zeros((2, 0))), "x"),
        (dict(x=np.nan * x), "x"),
        (dict(x=x.astype(np.int64)), "x"),
        (dict(spec=480), "spec"),
        (dict(order=0), "order"),
        (dict(order=np.ones((9, 9))), "order"),
        (dict(order=480), "order"),
        (dict(taper=np.ones(479)), "taper"),
        (dict(taper=np.zeros(480)), "taper"),
        (dict(preemphasis_mu=1.1), "preemphasis_mu"),
        (dict(lag_window_hz=-1), "lag_window_hz"),
        (dict(white_noise=-1e-9), "white_noise"),
    ]
    for changed, name in cases:
        with pytest.raises(ValueError, match=rf"^`{name}` [^\n]*$"):
            analyze(**{"x": x, "spec": SPEC, **changed})
    with pytest.raises(ValueError, match=r"^`residual` holds NaN"):
        found = analyze(x, SPEC)
        synthesize(replace(found, residual=found.residual * np.nan))
