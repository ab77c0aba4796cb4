"""Psychoacoustic model 1 against a plain reading of the standard, closed forms and symmetries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal

from dsp import psychoacoustics as pa

K = pa.N_FFT // 2 + 1
RATES = pytest.mark.parametrize("rate_hz", pa.SAMPLE_RATES_HZ)


def tone(line, amplitude=1.0, n=pa.N_FFT, phase=0.3):
    return amplitude * np.sin(2 * np.pi * line / pa.N_FFT * np.arange(n) + phase)


def some_frames(seed, n=6):
    """Frames of tones in noise of all levels, a silent one and a clipped one."""
    rng = np.random.default_rng(seed)
    frames = rng.normal(size=(n, pa.N_FFT)) * 10 ** rng.uniform(-4, -1, (n, 1))
    for frame in frames:
        for line in rng.uniform(1, 256, 8):
            frame += tone(line, 10 ** rng.uniform(-4, -1))
    frames[0] = 0
    frames[1] = np.clip(30 * frames[1], -1, 1)
    return frames


# --- the standard, read line by line with plain loops -------------------------------------------------------


def plain_spectrum(frame, full_scale_db):
    N = len(frame)
    h = [math.sqrt(8 / 3) * 0.5 * (1 - math.cos(2 * math.pi * i / N)) for i in range(N)]
    n = np.arange(N)
    X = []
    for k in range(N // 2 + 1):
        S = np.sum(h * frame * np.exp(-2j * np.pi * k * n / N)) / N
        sides = 1 if k in (0, N // 2) else 2
        X.append(full_scale_db + 10 * math.log10(max(abs(S) ** 2 * sides * 2, 1e-29)))
    return np.maximum(X, -200)


def plain_quiet(f_hz):
    f = max(f_hz, 20) / 1000
    return 3.64 * f**-0.8 - 6.5 * math.exp(-0.6 * (f - 3.3) ** 2) + 1e-3 * f**4


def plain_bark(f_hz):
    return 13 * math.atan(0.00076 * f_hz) + 3.5 * math.atan((f_hz / 7500) ** 2)


def plain_maskers(X, rate_hz):
    tonal, used = {}, set()
    for k in range(3, 251):
        if not (X[k] > X[k - 1] and X[k] >= X[k + 1]):
            continue
        offsets = [2] if k < 63 else [2, 3] if k < 127 else [2, 3, 4, 5, 6]
        if all(X[k] - X[k + s * j] >= 7 for j in offsets for s in (-1, 1)):
            tonal[k] = 10 * math.log10(sum(10 ** (X[i] / 10) for i in (k - 1, k, k + 1)))
            used |= set(range(k - offsets[-1], k + offsets[-1] + 1))
    bands = {}
    for k in range(1, len(X)):
        bands.setdefault(int(plain_bark(k * rate_hz / 512)), []).append(k)
    noise = {}
    for members in bands.values():
        power = sum(10 ** (X[k] / 10) for k in members if k not in used)
        centre = round(math.exp(sum(math.log(k) for k in members) / len(members)))
        if power > 0:
            noise[centre] = 10 * math.log10(power)
    return tonal, noise


def plain_decimate(tonal, noise, rate_hz):
    def heard(maskers):
        return {k: L for k, L in maskers.items() if plain_quiet(k * rate_hz / 512) <= L}

    kept = {}
    for k, L in sorted(heard(tonal).items(), key=lambda item: (-item[1], item[0])):
        if all(abs(plain_bark(k * rate_hz / 512) - plain_bark(i * rate_hz / 512)) >= 0.5 for i in kept):
            kept[k] = L
    return kept, heard(noise)


def plain_vf(dz, X):
    if -3 <= dz < -1:
        return 17 * (dz + 1) - (0.4 * X + 6)
    if -1 <= dz < 0:
        return (0.4 * X + 6) * dz
    if 0 <= dz < 1:
        return -17 * dz
    if 1 <= dz < 8:
        return -(dz - 1) * (17 - 0.15 * X) - 17
    return -math.inf


def plain_threshold(tonal, noise, rate_hz):
    total = [10 ** (plain_quiet(k * rate_hz / 512) / 10) for k in range(K)]
    for maskers, slope, offset in ((tonal, 0.275, 4.5), (noise, 0.175, 0.5)):
        for j, X in maskers.items():
            zj = plain_bark(j * rate_hz / 512)
            for i in range(K):
                vf = plain_vf(plain_bark(i * rate_hz / 512) - zj, X)
                total[i] += 10 ** ((X - 1.525 - slope * zj - offset + vf) / 10)
    return [10 * math.log10(t) for t in total]


def dense(maskers):
    out = np.full(K, -np.inf)
    for k, L in maskers.items():
        out[k] = L
    return out


@RATES
def test_every_step_agrees_with_a_plain_reading_of_the_standard(rate_hz):
    frames = some_frames(rate_hz)
    X = pa.power_spectrum_db(frames, 90.0)
    tonal, noise = pa.find_maskers(X, rate_hz)
    tonal_left, noise_left = pa.decimate(tonal, noise, rate_hz)
    threshold = pa.global_threshold_db(tonal_left, noise_left, rate_hz)
    assert np.isfinite(tonal_left).sum() > 10 and np.isfinite(tonal).sum() > np.isfinite(tonal_left).sum()
    for t, frame in enumerate(frames):
        assert_allclose(10 ** (X[t] / 10), 10 ** (plain_spectrum(frame, 90.0) / 10), rtol=1e-9, atol=1e-10)
        a, b = plain_maskers(X[t], rate_hz)
        assert_allclose(tonal[t], dense(a), rtol=1e-12)
        assert_allclose(noise[t], dense(b), rtol=1e-12)
        a, b = plain_decimate(a, b, rate_hz)
        assert_allclose(tonal_left[t], dense(a), rtol=1e-12)
        assert_allclose(noise_left[t], dense(b), rtol=1e-12)
        assert_allclose(threshold[t], plain_threshold(a, b, rate_hz), rtol=1e-12)


# --- levels -------------------------------------------------------------------------------------------------


@given(
    st.integers(3, 250), st.floats(-80, 0), st.floats(60, 120), st.floats(0, 2 * math.pi),
)  # fmt: skip
def test_a_tone_on_a_line_measures_its_level(line, level_dbfs, full_scale_db, phase):
    X = pa.power_spectrum_db(tone(line, 10 ** (level_dbfs / 20), phase=phase), full_scale_db)
    tonal, _ = pa.find_maskers(X, 44100)
    assert_array_equal(np.flatnonzero(tonal > -100), [line])
    assert_allclose(tonal[line], full_scale_db + level_dbfs, atol=1e-9)


def test_lines_add_up_to_the_power_of_a_steady_signal():
    x = np.random.default_rng(1).normal(size=(2000, pa.N_FFT)) * 0.05
    total = 10 ** (pa.power_spectrum_db(x, 96.0) / 10)
    expected = 96 + 10 * np.log10(2 * 0.05**2)  # a full-scale sinusoid has the power 1/2
    assert_allclose(10 * np.log10(total.sum(axis=-1).mean()), expected, atol=0.02)


def test_power_spectrum_is_that_of_scipy():
    x = np.random.default_rng(2).normal(size=pa.N_FFT) * 0.1
    _, density = signal.welch(x, fs=pa.N_FFT, window=signal.get_window("hann", pa.N_FFT), noverlap=0, detrend=False)
    assert_allclose(pa.power_spectrum_db(x, 0.0), 10 * np.log10(2 * density), atol=1e-9)


@given(st.integers(0, 2**32), st.floats(-30, 30))
def test_raising_the_signal_raises_levels_and_keeps_the_maskers(seed, gain_db):
    x = some_frames(seed)[2:]
    X, louder = pa.power_spectrum_db(x), pa.power_spectrum_db(x * 10 ** (gain_db / 20))
    assert_allclose(louder - X, gain_db, atol=1e-8)
    for before, after in zip(pa.find_maskers(X, 48000), pa.find_maskers(X + gain_db, 48000), strict=True):
        heard = before > -150
        assert_allclose(after[heard] - before[heard], gain_db, atol=1e-8)
    assert_allclose(pa.power_spectrum_db(x, 96.0 + gain_db), louder, atol=1e-8)


def test_a_quiet_frame_beside_a_loud_one_keeps_its_own_level():
    loud, quiet = tone(50, 1.0), tone(50, 1e-3)
    together = pa.power_spectrum_db(np.stack([loud, quiet]))
    assert_array_equal(together[1], pa.power_spectrum_db(quiet))
    assert_allclose(together[0, 50] - together[1, 50], 60, atol=1e-9)


# --- hearing ------------------------------------------------------------------------------------------------


def test_bark_meets_the_edges_of_the_critical_bands():
    # Zwicker 1961: edges of bands 1, 5, 8, 10, 15, 20 and 24; the formula claims 0.2 Bark.
    edges_hz = [100, 510, 920, 1270, 2700, 6400, 15500]
    assert_allclose(pa.hz_to_bark(edges_hz), [1, 5, 8, 10, 15, 20, 24], atol=0.2)
    assert (np.diff(pa.hz_to_bark(np.linspace(0, 24000, 1000))) > 0).all()


def test_curves_meet_the_tables_of_the_standard():
    # Table D.1, first lines at 32 and 44.1 kHz: frequency, critical-band rate, threshold in quiet.
    for f_hz, z, quiet_db in [(62.50, 0.617, 33.44), (86.13, 0.850, 25.87), (172.27, 1.694, 14.85)]:
        assert_allclose(pa.hz_to_bark(f_hz), z, atol=1e-3)
        assert_allclose(pa.threshold_in_quiet_db(f_hz), quiet_db, atol=0.015)


def test_threshold_in_quiet_has_its_known_shape():
    f = np.linspace(20, 20000, 20000)
    quiet = pa.threshold_in_quiet_db(f)
    assert 3200 < f[quiet.argmin()] < 3500 and -5.1 < quiet.min() < -4.9
    assert_allclose(pa.threshold_in_quiet_db(1000.0), 3.3690, atol=1e-4)
    assert_array_equal(pa.threshold_in_quiet_db([0.0, 10.0, 20.0]), pa.threshold_in_quiet_db([20.0] * 3))


@given(st.floats(-10, 10), st.floats(-20, 110))
def test_spreading_function_is_that_of_the_standard(dz, X):
    assert_allclose(pa.spreading_db(dz, X), plain_vf(dz, X), atol=1e-9)


@RATES
def test_silence_leaves_the_threshold_in_quiet(rate_hz):
    m = pa.masking(np.zeros(2000), rate_hz)
    assert_allclose(m.threshold_db, np.tile(pa.threshold_in_quiet_db(m.frequency_hz), (8, 1)), rtol=1e-12)
    assert np.isneginf(m.tonal_db).all() and np.isneginf(m.noise_db).all()
    assert (m.level_db == -200).all()


@pytest.mark.parametrize("level_db", [50.0, 80.0])
def test_a_tone_masks_along_the_slopes_of_the_spreading_function(level_db):
    rate_hz, line = 48000, 40
    threshold = pa.masking(tone(line, 10 ** ((level_db - 96) / 20), 3 * 512), rate_hz).threshold_db[3]
    f = np.arange(K) * rate_hz / pa.N_FFT
    dz = pa.hz_to_bark(f) - pa.hz_to_bark(f[line])
    slopes = {(-3, -1): 17.0, (-1, 0): 0.4 * level_db + 6, (0, 1): -17.0, (1, 8): 0.15 * level_db - 17}
    # Where the tone alone decides: 25 dB above the quiet, and its power is 1 part in 300 off at most.
    own = {ends: (dz >= ends[0]) & (dz <= ends[1]) & (threshold > pa.threshold_in_quiet_db(f) + 25) for ends in slopes}
    long_enough = [ends for ends in slopes if own[ends].sum() >= 3]
    assert len(long_enough) >= 2
    for ends in long_enough:
        assert_allclose(np.polyfit(dz[own[ends]], threshold[own[ends]], 1)[0], slopes[ends], atol=0.15)
    assert_allclose(level_db - threshold[line], 6.025 + 0.275 * pa.hz_to_bark(f[line]), atol=0.02)


def test_noise_masks_better_than_a_tone():
    z = pa.hz_to_bark(100 * 16000 / pa.N_FFT)
    nothing, masker = np.full((2, K), -np.inf)
    masker[100] = 70.0
    as_tone = pa.global_threshold_db(masker, nothing, 16000)[100]
    as_noise = pa.global_threshold_db(nothing, masker, 16000)[100]
    assert_allclose(as_noise - as_tone, 4.0 + 0.1 * z, atol=0.01)


# --- decimation ---------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.sampled_from(pa.SAMPLE_RATES_HZ))
def test_decimation_leaves_the_strongest_of_every_half_bark(seed, rate_hz):
    rng = np.random.default_rng(seed)
    tonal = np.where(rng.random((3, K)) < 0.3, rng.integers(0, 60, (3, K)).astype(float), -np.inf)
    nothing = np.full_like(tonal, -np.inf)
    left, _ = pa.decimate(tonal, nothing, rate_hz)
    z = pa.hz_to_bark(np.arange(K) * rate_hz / pa.N_FFT)
    quiet = pa.threshold_in_quiet_db(np.arange(K) * rate_hz / pa.N_FFT)
    for before, after in zip(tonal, left, strict=True):
        kept = np.flatnonzero(np.isfinite(after))
        assert_array_equal(after[kept], before[kept])
        assert (np.diff(z[kept]) >= 0.5).all() and (after[kept] >= quiet[kept]).all()
        for k in np.flatnonzero((before >= quiet) & np.isneginf(after)):
            assert (after[np.abs(z - z[k]) < 0.5] >= before[k]).any()
    assert_array_equal(pa.decimate(left, nothing, rate_hz)[0], left)


def test_of_a_chain_of_tones_the_far_end_survives():
    z = pa.hz_to_bark(np.arange(K) * 16000 / pa.N_FFT)
    lines = [np.abs(z - target).argmin() for target in (12.0, 12.4, 12.8)]
    tonal, nothing = np.full((2, K), -np.inf)
    tonal[lines] = 50.0, 60.0, 70.0  # the middle one falls to the last, and frees the first
    left, _ = pa.decimate(tonal, nothing, 16000)
    assert_array_equal(np.flatnonzero(np.isfinite(left)), [lines[0], lines[2]])


# --- whole signals ------------------------------------------------------------------------------------------


def test_frames_are_centred_and_independent():
    x = np.random.default_rng(3).normal(size=(2, 3, 1000)) * 0.1
    m = pa.masking(x, 32000, hop=200)
    assert m.threshold_db.shape == (2, 3, 6, K) == m.level_db.shape == m.tonal_db.shape == m.noise_db.shape
    one = np.pad(x[1, 2], 256)[600 : 600 + pa.N_FFT]  # frame 3 is centred on sample 600
    X = pa.power_spectrum_db(one)
    maskers = pa.decimate(*pa.find_maskers(X, 32000), 32000)
    assert_allclose(m.threshold_db[1, 2, 3], pa.global_threshold_db(*maskers, 32000), atol=1e-10)


def test_thresholds_of_long_signals_do_not_depend_on_the_blocks():
    x = np.random.default_rng(4).normal(size=60000) * 0.1  # 235 frames of 22 maskers and more: a dozen blocks
    m = pa.masking(x, 16000)
    assert np.isfinite(m.noise_db).sum() > 4096
    for t in (0, 92, 93, 94, 234):
        alone = pa.global_threshold_db(m.tonal_db[t], m.noise_db[t], 16000)
        assert_allclose(m.threshold_db[t], alone, atol=1e-10)


def test_error_at_the_threshold_has_ratio_zero():
    rate_hz, line = 16000, 60
    x = tone(20, 0.05, 8192)
    threshold = pa.masking(x, rate_hz).threshold_db[16]
    error = tone(line, 10 ** ((threshold[line] - 96) / 20), 8192)
    lines = [line - 1, line, line + 1]
    shares = 10 ** ((threshold[line] - threshold[lines]) / 10) * np.array([1, 4, 1]) / 6
    band = int(pa.hz_to_bark(line * rate_hz / 512))
    inside = [int(pa.hz_to_bark(k * rate_hz / 512)) == band for k in lines]
    ratio = pa.noise_to_mask_ratio_db(x, x + error, rate_hz)
    assert ratio.shape == (33, 22)
    assert_allclose(ratio[16, band], 10 * np.log10(shares[inside].sum()), atol=1e-3)
    assert abs(ratio[16, band]) < 1
    assert_allclose(pa.noise_to_mask_ratio_db(x, x + 2 * error, rate_hz)[16, band] - ratio[16, band], 6.0206,
                    atol=1e-3)  # fmt: skip


def test_an_error_under_speechlike_noise_is_less_audible_than_in_silence():
    rng = np.random.default_rng(5)
    error = rng.normal(size=16000) * 1e-3
    masked = pa.noise_to_mask_ratio_db(x := rng.normal(size=16000) * 0.1, x + error, 16000)
    heard = pa.noise_to_mask_ratio_db(0 * error, error, 16000)
    assert masked.max() < 0 < heard[:, 5:].min()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_real_array_is_read_and_none_is_written(dtype):
    x = np.random.default_rng(6).normal(size=(4000, 2)).astype(dtype) * dtype(0.1)
    expected = pa.masking(np.ascontiguousarray(x[:, 0], dtype=np.float64), 44100)
    x.flags.writeable = False
    m = pa.masking(x.T[0], 44100)
    assert m.threshold_db.dtype == np.float64
    assert_array_equal(m.threshold_db, expected.threshold_db)
    X = m.level_db[::2]
    X.flags.writeable = False
    tonal, noise = pa.find_maskers(X, 44100)
    tonal.flags.writeable = noise.flags.writeable = False
    assert_array_equal(pa.decimate(tonal, noise, 44100)[0], m.tonal_db[::2])


def test_functions_of_frequency_reach_their_limits():
    assert_allclose(pa.hz_to_bark(1e300), 16.5 * np.pi / 2)
    assert pa.threshold_in_quiet_db(1e300) == np.inf


X = np.zeros(K)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pa.masking(np.zeros(99), 22050), "`sample_rate_hz` is 22050"),
        (lambda: pa.masking(np.zeros(0), 16000), "`x` has shape (0,)"),
        (lambda: pa.masking(np.zeros(()), 16000), "`x` has shape ()"),
        (lambda: pa.masking([1.0, np.nan], 16000), "`x` holds NaN"),
        (lambda: pa.masking(np.zeros(9, complex), 16000), "`x` is of type complex128"),
        (lambda: pa.masking(np.zeros(99), 16000, hop=0), "`hop` is 0"),
        (lambda: pa.masking(np.zeros(99), 16000, full_scale_db=np.inf), "`full_scale_db` is inf"),
        (lambda: pa.masking(np.zeros(99), [16000]), "`sample_rate_hz` is [16000], it must be one of"),
        (lambda: pa.masking(np.zeros(99), 16000, hop="a"), "`hop` is 'a', it must be a whole number"),
        (lambda: pa.masking(np.zeros(99), [[1], [1, 2]]), "`sample_rate_hz` is [[1], [1, 2]], it must be one of"),
        (lambda: pa.masking(np.zeros(99), 16000, full_scale_db=True), "`full_scale_db` is True"),
        (lambda: pa.masking(np.zeros(99), 16000, hop=True), "`hop` is True"),
        (lambda: pa.power_spectrum_db(np.zeros(511)), "`frames` has shape (511,)"),
        (lambda: pa.find_maskers(X[1:], 16000), "`level_db` has shape (256,)"),
        (lambda: pa.find_maskers(X * np.nan, 16000), "`level_db` holds NaN"),
        (lambda: pa.decimate(X, X[None], 16000), "`noise_db` has shape (1, 257)"),
        (lambda: pa.global_threshold_db(X, X, 8000), "`sample_rate_hz` is 8000"),
        (lambda: pa.find_maskers("a", 16000), "`level_db` is of type <U1, it must be an array of real numbers"),
        (lambda: pa.decimate(X, 1j, 16000), "`noise_db` is of type complex128"),
        (lambda: pa.hz_to_bark({}), "`frequency_hz` is of type object"),
        (lambda: pa.threshold_in_quiet_db([[1], [1, 2]]), "`frequency_hz` has rows of unequal lengths"),
        (lambda: pa.hz_to_bark(-1.0), "`frequency_hz` has a value of -1"),
        (lambda: pa.threshold_in_quiet_db(np.nan), "`frequency_hz` has a value of nan, all values must be finite"),
        (lambda: pa.spreading_db(np.nan, 60.0), "`dz_bark` holds NaN"),
        (lambda: pa.spreading_db(0.0, -np.inf), "`level_db` holds NaN or infinity"),
        (
            lambda: pa.spreading_db([0.0, 1.0], [1.0, 2.0, 3.0]),
            "`level_db` has shape (3,), it must broadcast with that of `dz_bark`, (2,)",
        ),
        (lambda: pa.noise_to_mask_ratio_db(X, X[1:], 16000), "`degraded` has shape (256,)"),
    ],
)
def test_errors_name_the_argument_in_one_sentence(call, words):
    with pytest.raises(ValueError) as error:
        call()
    assert words in str(error.value)
    assert "\n" not in str(error.value) and ". " not in str(error.value)
