"""Checks of the encoder's input and of what becomes of it, on signals whose faults are known."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from lpcnet_cq.audio import checks
from lpcnet_cq.audio.checks import BandMeter, band_levels_db, clipped_share
from lpcnet_cq.registry import record_named

FS = 16000
TIME = np.arange(2 * FS) / FS


def coding_fault(x, y, sample_rate_hz, kind="speech"):
    """Return what is said of the coding of a signal by the codec for speech or music."""
    return checks.coding_fault(x, y, sample_rate_hz, record_named(kind).highpass_hz)


@pytest.fixture
def noise():
    return 0.1 * np.random.default_rng(1).standard_normal(2 * FS)


@pytest.mark.parametrize("gain", [1.5, 3.0, 10.0])
@pytest.mark.parametrize("level", [1.0, 0.9])
def test_share_of_clipped_samples_is_that_of_the_sine(gain, level):
    """A sine clipped at 1/g is clipped for 1 - 2 asin(1/g) / pi of the time; a later gain does not hide it."""
    x = level * np.clip(gain * np.sin(2 * np.pi * 101 * TIME), -1, 1)
    assert clipped_share(x) == pytest.approx(1 - 2 * np.arcsin(1 / gain) / np.pi, abs=0.02)
    assert clipped_share(np.stack([x, 0 * x], axis=1)) == pytest.approx(clipped_share(x) / 2)


def test_unclipped_signals_have_none(vowel, noise):
    assert clipped_share(vowel()) == clipped_share(noise) == clipped_share(np.zeros(100)) == 0
    assert clipped_share(np.sin(2 * np.pi * 101 * TIME)) < 1e-3
    assert clipped_share(0.2 * np.sign(noise)) == 0, "a square wave far below full scale is a signal of its own"
    offset = 0.7 + 1e-5 * noise
    assert clipped_share(np.ones(1000)) == clipped_share(offset) == 0, "an offset is not clipped"
    assert clipped_share(np.stack([offset, vowel()[0] + 0 * offset], axis=1)) == 0
    assert clipped_share(np.ones(2)) == clipped_share(np.zeros(0)) == 0


@pytest.mark.parametrize("sample_rate_hz", [8000, 16000, 44100])
def test_levels_are_those_of_the_signal(sample_rate_hz):
    """The bands of white noise together have its power, up to what lies above them."""
    x = 0.1 * np.random.default_rng(2).standard_normal(2 * sample_rate_hz)
    power = (10 ** (band_levels_db(x, sample_rate_hz) / 10)).sum(axis=1)
    assert 10 * np.log10(power) == pytest.approx(-20, abs=1.5)
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * sample_rate_hz) / sample_rate_hz)
    np.testing.assert_allclose(band_levels_db(tone, sample_rate_hz).max(axis=1), 10 * np.log10(0.125), atol=0.1)


def test_good_coding_passes(noise, vowel):
    rng = np.random.default_rng(3)
    for x in (noise, vowel(), np.stack([noise, -noise], axis=1)):
        y = 0.9 * x + 0.03 * np.std(x) * rng.standard_normal(x.shape)
        assert coding_fault(x, y, FS) is None
    assert coding_fault(np.zeros(FS), np.zeros(FS), FS) is None
    assert coding_fault(np.zeros(0), np.zeros(0), FS) is None


@pytest.mark.parametrize("hz", [0.0, 10.0, 30.0, 45.0, 50.0])
@pytest.mark.parametrize("level", [0.03, 0.5])
def test_what_the_encoder_removes_is_no_fault(noise, hz, level):
    """An offset or a hum, alone and below speech and its pauses."""
    low = level * np.cos(2 * np.pi * hz * TIME)
    speech = np.where(TIME < 1, noise, 1e-3 * noise)
    assert coding_fault(low, 0 * low, FS) is None
    assert coding_fault(low + speech, speech, FS) is None


@pytest.mark.parametrize(("hz", "level"), [(0.0, 0.5), (30.0, 0.1), (50.0, 0.1)])
def test_faults_are_found_beside_what_the_encoder_removes(noise, hz, level):
    said = coding_fault(noise + level * np.cos(2 * np.pi * hz * TIME), 0.4 * noise, FS)
    assert said is not None and "4 of 4 half-seconds" in said


@pytest.mark.parametrize("tone_level", [0.0, 0.1])
def test_silence_in_the_place_of_low_music_is_said(tone_level):
    """The codec for music keeps low frequencies, alone and below other tones."""
    time = np.arange(2 * 44100) / 44100
    x = 0.5 * np.sin(2 * np.pi * 60 * time) + tone_level * np.sin(2 * np.pi * 440 * time)
    said = coding_fault(x, 0 * x, 44100, "music")
    assert said is not None and "4 of 4 half-seconds" in said
    assert coding_fault(x, 0.999 * x, 44100, "music") is None
    assert coding_fault(0.5 + 0 * x, 0 * x, 44100, "music") is None, "an offset has no sound"


@pytest.mark.parametrize("seconds", [0.01, 0.04, 0.2])
def test_very_short_signals_are_not_compared(noise, seconds):
    x = noise[: round(seconds * FS)]
    assert coding_fault(x, 0 * x, FS) is None


@pytest.mark.parametrize("name", ["quieter", "louder", "low-pass", "other sound", "cancelled"])
def test_bad_coding_is_said(noise, name):
    y = {
        "quieter": 0.5 * noise,
        "louder": 2 * noise,
        "low-pass": sosfilt(butter(8, 2000, fs=FS, output="sos"), noise),
        "other sound": noise.std() * np.sqrt(2) * np.sin(2 * np.pi * 3000 * TIME),
        "cancelled": 0 * noise,
    }[name]
    said = coding_fault(noise, y, FS)
    assert said is not None and said.startswith("coding failed") and "4 of 4 half-seconds" in said


@pytest.mark.parametrize("tones_hz", [(2100,), (6900,), (350, 440), (697, 1209)])
@pytest.mark.parametrize("change_db", [-1.8, -1.2, 1.2, 1.8])
def test_levels_of_tones_are_measured_closely(tones_hz, change_db):
    """Receivers of fax and dial tones measure them; noise may change more."""
    x = 0.1 * sum(np.sin(2 * np.pi * hz * TIME) for hz in tones_hz)
    said = coding_fault(x, 10 ** (change_db / 20) * x, FS)
    assert (said is not None) is (abs(change_db) > 1.5)


def test_noise_may_change_more_than_tones(noise):
    assert coding_fault(noise, 10 ** (-1.8 / 20) * noise, FS) is None


@pytest.mark.parametrize(("level_db", "is_said"), [(-60, True), (-85, True), (-95, False)])
def test_faint_signals_are_compared_but_not_the_noise_of_digital_silence(noise, level_db, is_said):
    faint = 10 ** ((level_db + 20) / 20) * noise
    assert (coding_fault(faint, 0.45 * faint, FS) is not None) is is_said


def test_faint_pauses_are_not_compared(noise):
    """What a decoder makes of the noise in pauses of speech is masked."""
    x = np.concatenate([noise, 10 ** (-60 / 20) * noise])
    y = np.concatenate([noise, 10 ** (-66 / 20) * noise])
    assert coding_fault(x, y, FS) is None


def test_the_first_fault_is_named_and_few_faults_are_none():
    x = 0.1 * np.random.default_rng(4).standard_normal(20 * FS)
    y = x.copy()
    y[5 * FS : 6 * FS] = 0
    assert coding_fault(x, y, FS) is None, "one second of twenty"
    y[5 * FS : 12 * FS] = 0
    said = coding_fault(x, y, FS)
    assert said is not None and 4.4 < float(said.rsplit(" ", 2)[1]) < 5.1


@pytest.mark.parametrize("block", [100, 5000, 2 * FS])
def test_the_end_is_compared_and_blocks_change_nothing(noise, block):
    """A signal is compared up to its last sample, whatever the lengths of its sections and blocks."""
    y = noise.copy()
    y[-FS // 10 :] *= 10
    said = coding_fault(noise, y, FS)
    assert said is not None and "1 of 4 half-seconds" in said
    meter = BandMeter(FS)
    for start in range(0, len(y), block):
        meter.push(y[start : start + block])
    np.testing.assert_allclose(meter.levels_db(), band_levels_db(y, FS))
    np.testing.assert_array_equal(meter.levels_db(), meter.levels_db())


def test_mono_is_compared_with_the_mix(noise):
    assert coding_fault(np.stack([noise, noise], axis=1), noise, FS) is None
