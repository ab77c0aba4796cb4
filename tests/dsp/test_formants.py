from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.signal import lfilter

from dsp.formants import _BREAK_COST, _MISSING_COST, _SKIP_COST, formant_tracks, formants, poles
from dsp.lpc import autocorrelation, levinson_durbin

RATE_HZ = 10000.0


def resonators(f_hz, b_hz, fs=RATE_HZ):
    z = np.exp((-np.pi * np.asarray(b_hz) + 2j * np.pi * np.asarray(f_hz)) / fs)
    return np.poly(np.concatenate([z, z.conj()])).real


@given(
    st.lists(st.tuples(st.floats(100, 4900), st.floats(20, 600)), min_size=1, max_size=6),
    st.sampled_from([8000.0, 10000.0, 48000.0]),
)
def test_poles_of_resonators(pairs, fs):
    pairs = [(f * fs / RATE_HZ, b) for f, b in sorted(pairs)]
    f, b = np.array(pairs).T
    assume(len(f) == 1 or np.diff(f).min() > 100)
    found_f, found_b = poles(resonators(f, b, fs), fs)
    np.testing.assert_allclose(found_f, f, atol=1e-3)
    np.testing.assert_allclose(found_b, b, atol=1e-2)


def test_real_roots_are_no_resonances():
    f, b = poles(np.convolve(resonators([1000], [80]), [1, -0.2, -0.48]), RATE_HZ)
    np.testing.assert_allclose(f, [1000, np.nan], rtol=1e-9)
    np.testing.assert_allclose(b, [80, np.nan], rtol=1e-9)
    assert np.isnan(poles(np.eye(11)[0], RATE_HZ)[0]).all()  # silence
    assert poles([1.0, -0.9], RATE_HZ)[0].shape == (0,)


def test_an_unstable_resonance_has_negative_bandwidth_and_is_no_formant():
    a = resonators([1000, 2000], [-50, 60])
    np.testing.assert_allclose(poles(a, RATE_HZ)[1], [-50, 60], rtol=1e-9)
    np.testing.assert_allclose(formants(a, RATE_HZ, 1)[0], [2000], rtol=1e-9)


def test_formants_leave_out_what_is_too_wide_or_at_the_ends():
    a = resonators([40, 700, 1200, 2500, 4950], [60, 80, 900, 100, 50])
    f, b = formants(a, RATE_HZ, 3)
    np.testing.assert_allclose(f, [700, 2500, np.nan], rtol=1e-6)
    np.testing.assert_allclose(b, [80, 100, np.nan], rtol=1e-6)
    np.testing.assert_allclose(formants(a, RATE_HZ, 3, max_bandwidth_hz=1000)[0], [700, 1200, 2500], rtol=1e-6)


def test_formants_of_a_synthetic_vowel():
    f_hz, b_hz = [600, 1400, 2500, 3500], [60, 80, 110, 150]
    source = np.random.default_rng(0).normal(size=20000)
    x = lfilter([1.0], resonators(f_hz, b_hz), source)
    a, _, _ = levinson_durbin(autocorrelation(x * np.hanning(len(x)), 8))
    f, b = formants(a, RATE_HZ)
    np.testing.assert_allclose(f, f_hz, rtol=0.02)
    np.testing.assert_allclose(b, b_hz, rtol=0.3)


def test_a_tube_of_equal_area_has_odd_multiples():
    # Closed at one end: A(z) = 1 + r z^-M rings at (2i - 1) fs / 2M.
    a = np.zeros(11)
    a[[0, -1]] = 1, 0.9
    f, b = formants(a, RATE_HZ, 5)
    np.testing.assert_allclose(f, [500, 1500, 2500, 3500, 4500], rtol=1e-9)
    np.testing.assert_allclose(b, -np.log(0.9) / 10 * RATE_HZ / np.pi, rtol=1e-9)


def test_tracks_follow_a_glide_past_spurious_and_missing_resonances():
    T = 30
    truth = np.linspace([700, 1100, 2500, 3500], [300, 2200, 2900, 3600], T)
    rows = []
    for t, f in enumerate(truth):
        b = np.array([70.0, 90, 120, 160])
        if t == 10:
            b[1] = 2000  # the second formant is lost in this frame
        extra = ([1800], [650]) if t == 20 else ([1800], [3000])  # in one frame a wide peak too many
        rows.append(resonators(np.append(f, extra[0]), np.append(b, extra[1])))
    f, b = formant_tracks(rows, RATE_HZ)
    expected = truth.copy()
    expected[10, 1] = np.nan
    np.testing.assert_allclose(f, expected, rtol=1e-6)
    assert (np.isnan(b) == np.isnan(f)).all()
    plain, _ = formants(rows, RATE_HZ)
    assert abs(plain[10, 1] - truth[10, 1]) > 500  # where frame by frame the third one moves up


def test_a_formant_that_is_missing_throughout_leaves_the_others_their_numbers():
    rows = [resonators([500, 2500, 3500, 4500], [70, 100, 120, 160])] * 5
    np.testing.assert_allclose(formant_tracks(rows, RATE_HZ)[0], [[500, np.nan, 2500, 3500]] * 5, rtol=1e-6)


def test_no_narrow_resonance_is_passed_over_to_come_nearer_to_the_neutral_ones():
    rows = [resonators([490, 1350, 1690, 3500, 4400], [60, 80, 90, 150, 250])] * 5
    found, _ = formant_tracks(rows, RATE_HZ, neutral_hz=550)
    np.testing.assert_allclose(found, [[490, 1350, 1690, 3500]] * 5, rtol=1e-6)


def test_the_range_has_two_ends():
    a = resonators([300, 700, 1200, 2500, 4500], [60, 80, 90, 100, 50])
    np.testing.assert_allclose(formants(a, RATE_HZ, 3, low_hz=500, high_hz=2000)[0], [700, 1200, np.nan], rtol=1e-6)
    found, _ = formant_tracks([a] * 3, RATE_HZ, low_hz=500, high_hz=3000)
    np.testing.assert_allclose(found, [[700, 1200, 2500, np.nan]] * 3, rtol=1e-6)


def test_many_filters_are_what_each_is_alone():
    a = np.array([resonators([f, 2000], [80, 90]) for f in np.linspace(500, 1000, 2100)])
    np.testing.assert_allclose(poles(a, RATE_HZ)[0][:, 0], np.linspace(500, 1000, 2100), atol=1e-3)


def test_tracks_of_a_batch_are_those_of_its_members():
    rng = np.random.default_rng(1)
    f = np.array([500, 1500, 2500, 3500]) * rng.uniform(0.85, 1.15, (2, 7, 4))
    a = np.array([[resonators(row, [80, 90, 100, 110]) for row in signal] for signal in f])
    both = formant_tracks(a, RATE_HZ, 3)
    for i in range(2):
        for one, of_batch in zip(formant_tracks(a[i], RATE_HZ, 3), both, strict=True):
            np.testing.assert_array_equal(one, of_batch[i])
    np.testing.assert_allclose(both[0], f[..., :3], rtol=1e-6)


def test_no_frames_and_silence():
    assert formant_tracks(np.zeros((0, 9)), RATE_HZ)[0].shape == (0, 4)
    assert np.isnan(formant_tracks(np.tile(np.eye(9)[0], (3, 1)), RATE_HZ)[0]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precisions_and_layouts(dtype):
    a = np.repeat(resonators([700, 1200], [80, 90])[None], 6, axis=0).astype(dtype)[::2]
    a.flags.writeable = False
    np.testing.assert_allclose(formants(a, RATE_HZ, 2)[0], [[700, 1200]] * 3, rtol=1e-4)
    np.testing.assert_allclose(formant_tracks(a, RATE_HZ, 2)[0], [[700, 1200]] * 3, rtol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: poles([0.5, 1.0], RATE_HZ), "`a`"),
        (lambda: poles([1.0, np.inf], RATE_HZ), "`a`"),
        (lambda: poles([1.0, 0.5], 0), "`sample_rate_hz` is 0"),
        (lambda: formants([1.0, 0.5], RATE_HZ, 0), "`n_formants` is 0"),
        (lambda: formants([1.0, 0.5], RATE_HZ, low_hz=-1), "`low_hz` is -1"),
        (lambda: formants([1.0, 0.5], RATE_HZ, low_hz=500, high_hz=400), "`high_hz` is 400"),
        (lambda: formants([1.0, 0.5], RATE_HZ, max_bandwidth_hz=np.nan), "`max_bandwidth_hz` is nan"),
        (lambda: formant_tracks([1.0, 0.5], RATE_HZ), "`a` has shape"),
        (lambda: formant_tracks([[1.0, 0.5]], RATE_HZ, 9), "`n_formants` is 9"),
        (lambda: formant_tracks([[1.0, 0.5]], RATE_HZ, neutral_hz=-5), "`neutral_hz` is -5"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def cost_of(path, resonances):
    """Sum what the docstring says a path costs; None is a missing formant."""
    total = 0.0
    for t, frame in enumerate(path):
        used = [c for c in frame if c is not None]
        skipped = set(range(max(used, default=0))) - set(used)
        total += sum(_SKIP_COST * (1 - resonances[1][t][c] / 700) for c in skipped)
        for i, c in enumerate(frame):
            f, b = (None, None) if c is None else (resonances[0][t][c], resonances[1][t][c])
            total += _MISSING_COST if f is None else abs(f - 500 * (2 * i + 1)) / 1000 + b / f
            if t:
                before = None if path[t - 1][i] is None else resonances[0][t - 1][path[t - 1][i]]
                if f is not None and before is not None:
                    total += abs(np.log2(f / before))
                elif (f is None) != (before is None):
                    total += _BREAK_COST
    return total


@pytest.mark.parametrize("seed", range(5))
def test_no_path_is_cheaper(seed):
    rng = np.random.default_rng(seed)
    f, b = np.sort(rng.uniform(200, 4000, (3, 3))), rng.uniform(30, 600, (3, 3))
    a = [resonators(*row) for row in zip(f, b, strict=True)]
    options = [None, 0, 1, 2]
    frames = [p for p in product(options, repeat=2) if None in p or p[0] < p[1]]
    best = min(product(frames, repeat=3), key=lambda path: cost_of(path, (f, b)))
    expected = [[np.nan if c is None else f[t][c] for c in frame] for t, frame in enumerate(best)]
    np.testing.assert_allclose(formant_tracks(a, RATE_HZ, 2)[0], expected, rtol=1e-6)
