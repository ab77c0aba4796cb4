import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from dsp.pitch import open_loop_pitch, pitch_candidates, pitch_track, track_of

RATE_HZ = 16000


def cut(x, window=640, hop=160):
    return np.lib.stride_tricks.sliding_window_view(x, window)[::hop]


def vowel(f0_hz, fs=RATE_HZ):
    """Band-limited pulses of the frequency given per sample, through two resonators."""
    phase = np.cumsum(np.asarray(f0_hz) / fs)
    harmonics = np.arange(1, 30)
    x = sum(np.where(k * f0_hz < fs / 2.2, np.cos(2 * np.pi * k * phase), 0.0) for k in harmonics)
    z = np.exp((-np.pi * 90 + 2j * np.pi * np.array([600, 1300])) / fs)
    return lfilter([1.0], np.poly(np.concatenate([z, z.conj()])).real, x)


@given(st.floats(62, 590), st.sampled_from([8000, 16000, 44100]), st.integers(0, 2**32 - 1))
def test_period_of_harmonic_tones(f0_hz, fs, seed):
    rng = np.random.default_rng(seed)
    N = int(0.04 * fs)
    k = np.arange(1, 8)[:, None]
    x = rng.uniform(0.5, 1, (7, 1)) * np.cos(2 * np.pi * (k * f0_hz * np.arange(N) / fs + rng.random((7, 1))))
    found, voicing = open_loop_pitch(x.sum(0), fs)
    np.testing.assert_allclose(found, f0_hz, rtol=0.01)
    assert voicing > 0.98


def test_correlation_of_the_peak_is_numpys():
    rng = np.random.default_rng(0)
    x = vowel(np.full(640, 100.0)) + 0.3 * rng.normal(size=640)  # the period is 160 samples
    f0_hz, voicing = open_loop_pitch(x, RATE_HZ)
    lag = round(RATE_HZ / float(f0_hz))
    assert lag == 160
    x = x - x.mean()
    head, tail = x[:-lag], x[lag:]
    np.testing.assert_allclose(voicing, head @ tail / np.sqrt(head @ head * (tail @ tail)), atol=2e-3)


@given(st.floats(1e-6, 1e6), st.floats(-10, 10))
def test_level_and_offset_do_not_matter(scale, offset):
    x = vowel(np.full(640, 130.0))
    plain = open_loop_pitch(x, RATE_HZ)
    changed = open_loop_pitch(scale * (x + offset), RATE_HZ)
    np.testing.assert_allclose(changed, plain, rtol=1e-6)


def test_noise_is_not_periodic_and_silence_has_no_pitch():
    noise = np.random.default_rng(2).normal(size=(200, 640))
    assert open_loop_pitch(noise, RATE_HZ)[1].max() < 0.45
    assert np.isnan(pitch_track(noise, RATE_HZ)[0]).all()
    f0_hz, voicing = open_loop_pitch(np.full((3, 640), 0.25), RATE_HZ)
    assert np.isnan(f0_hz).all() and (voicing == 0).all()
    assert np.isnan(pitch_track(np.zeros((3, 640)), RATE_HZ)[0]).all()


def test_track_follows_a_glide_in_noise_and_stops_with_the_voice():
    f0_hz = np.linspace(90, 250, RATE_HZ)
    x = vowel(f0_hz)
    x[: RATE_HZ // 4] = 0
    x += 0.05 * x.std() * np.random.default_rng(3).normal(size=x.size)
    found, voicing = pitch_track(cut(x), RATE_HZ)
    truth = cut(f0_hz).mean(-1)
    voiced = cut(np.arange(RATE_HZ)).min(-1) >= RATE_HZ // 4
    quiet = cut(np.arange(RATE_HZ)).max(-1) < RATE_HZ // 4
    assert np.isnan(found[quiet]).all() and voicing[quiet].max() < 0.5
    np.testing.assert_allclose(found[voiced], truth[voiced], rtol=0.03)
    assert voicing[voiced].min() > 0.7


def test_track_is_not_led_astray_by_one_frame():
    frames = np.repeat(vowel(np.full(640, 200.0))[None], 9, axis=0)
    frames[4] = vowel(np.full(640, 100.0)) + 0.8 * vowel(np.full(640, 200.0))  # mostly an octave lower
    alone, _ = open_loop_pitch(frames[4], RATE_HZ)
    track, _ = pitch_track(frames, RATE_HZ)
    np.testing.assert_allclose(alone, 100, rtol=0.01)
    np.testing.assert_allclose(track, 200, rtol=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batches_precisions_and_layouts_agree(dtype):
    x = np.stack([vowel(np.full(3000, f)) for f in (90.0, 180.0)]).astype(dtype)
    frames = np.lib.stride_tricks.sliding_window_view(x, 640, axis=-1)[:, ::160]  # read-only, overlapping
    for function in (open_loop_pitch, pitch_track):
        f0_hz, voicing = function(frames, RATE_HZ)
        assert f0_hz.shape == voicing.shape == frames.shape[:-1]
        np.testing.assert_allclose(f0_hz[:, 1:], np.broadcast_to([[90.0], [180.0]], f0_hz[:, 1:].shape), rtol=0.01)
        np.testing.assert_allclose(function(frames[1].copy(), RATE_HZ), [f0_hz[1], voicing[1]], rtol=1e-9)


def test_many_frames_and_more_candidates_than_lags():
    frames = cut(vowel(np.full(RATE_HZ, 140.0)), hop=40)  # more than are done at once
    f0_hz, _ = pitch_track(frames, RATE_HZ, n_candidates=10_000)
    np.testing.assert_allclose(f0_hz, 140, rtol=0.01)
    np.testing.assert_allclose(open_loop_pitch(frames[-1], RATE_HZ)[0], f0_hz[-1], rtol=1e-9)


def test_no_frames():
    assert pitch_track(np.zeros((0, 640)), RATE_HZ)[0].shape == (0,)
    assert open_loop_pitch(np.zeros((0, 640)), RATE_HZ)[0].shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: open_loop_pitch(x[:300], RATE_HZ), "`frames` has 300 samples"),
        (lambda x: open_loop_pitch(x * np.nan, RATE_HZ), "`frames` holds NaN"),
        (lambda x: open_loop_pitch(x, -1), "`sample_rate_hz` is -1"),
        (lambda x: open_loop_pitch(x, RATE_HZ, 300, 200), "`low_hz` is 300"),
        (lambda x: open_loop_pitch(x, RATE_HZ, 60, 9000), "`high_hz` is 9000"),
        (lambda x: pitch_track(x, RATE_HZ), "`frames` has shape"),
        (lambda x: pitch_track([x], RATE_HZ, threshold=2), "`threshold` is 2"),
        (lambda x: track_of(pitch_candidates([x], RATE_HZ), "a"), "^`threshold` is 'a', it must be a number"),
        (lambda x: track_of(None), "^`candidates` is of type NoneType, it must be a PitchCandidates$"),
        (lambda x: pitch_track([x], RATE_HZ, n_candidates=0), "`n_candidates` is 0"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones(640))
