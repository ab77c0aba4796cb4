"""Measurements of synthetic voices of men, women and children, of which everything is known."""

import tracemalloc

import numpy as np
import pytest
from scipy.signal import lfilter

from dsp.report import default_order, measure, measure_blocks
from dsp.report_table import TABLES, columns

RATE_HZ = 16000
# G. Peterson and H. Barney, "Control methods used in a study of the vowels", J. Acoust. Soc. Am. 24 (1952): mean F1 to
# F3 of ten vowels; F4 and F5 are typical.
VOWELS_HZ = {
    "men": "270 2290 3010,390 1990 2550,530 1840 2480,660 1720 2410,730 1090 2440,570 840 2410,440 1020 2240,"
    "300 870 2240,640 1190 2390,490 1350 1690",
    "women": "310 2790 3310,430 2480 3070,610 2330 2990,860 2050 2850,850 1220 2810,590 920 2710,470 1160 2680,"
    "370 950 2670,760 1400 2780,500 1640 1960",
    "children": "370 3200 3730,530 2730 3600,690 2610 3570,1010 2320 3320,1030 1370 3170,680 1060 3180,560 1410 3310,"
    "430 1170 3260,850 1590 3360,560 1820 2160",
}
UPPER_HZ = {"men": (3500, 4400), "women": (4100, 5100), "children": (4900, 6000)}
PITCH_HZ = {"men": (60, 70, 90, 120, 160), "women": (170, 220, 300, 420), "children": (265, 344, 500, 600)}


def voice(f0_hz, formants_hz, seconds=0.4, fs=RATE_HZ):
    """Glottal pulses through resonators, radiated, with a little noise."""
    f = list(formants_hz)
    while f[-1] + 1100 < fs / 2:
        f.append(f[-1] + 1100)
    z = np.exp((-np.pi * (60 + 0.03 * np.array(f)) + 2j * np.pi * np.array(f)) / fs)
    n = round(seconds * fs)
    # Band-limited pulses: pulses on whole samples would have the exact period of several true ones.
    harmonics = np.arange(1, int(fs / 2 / f0_hz) + 1)[:, None]
    pulses = np.cos(2 * np.pi * f0_hz / fs * harmonics * np.arange(n)).mean(axis=0)
    glottis = lfilter([1], [1, -1.92, 0.9216], pulses)
    y = np.diff(lfilter([1], np.poly([*z, *z.conj()]).real, glottis), prepend=0)
    return 0.3 * y / np.abs(y).max() + 1e-4 * np.random.default_rng(0).normal(size=n)


def vowels(who):
    return [[*map(float, v.split()), *UPPER_HZ[who]] for v in VOWELS_HZ[who].split(",")]


@pytest.mark.parametrize("who", VOWELS_HZ)
def test_pitch_of_voices_has_no_octave_errors(who):
    for formants_hz in vowels(who)[::3]:
        for f0_hz in PITCH_HZ[who]:
            report = measure(voice(f0_hz, formants_hz), RATE_HZ)
            np.testing.assert_allclose(report.pitch_hz[6:-6], f0_hz, rtol=0.03, err_msg=f"{formants_hz}")
            assert np.median(report.voicing[6:-6]) > 0.9


@pytest.mark.parametrize("who", VOWELS_HZ)
def test_formants_of_vowels_keep_their_numbers(who):
    f0_hz = {"men": 120, "women": 220, "children": 265}[who]
    for formants_hz in vowels(who):
        found = np.nanmedian(measure(voice(f0_hz, formants_hz), RATE_HZ).formant_hz[6:-6], axis=0)
        # Harmonics are f0 apart, and draw the lowest formants to them.
        allowed = np.maximum(0.08 * np.array(formants_hz[:4]), 0.35 * f0_hz)
        assert (np.abs(found - formants_hz[:4]) < allowed).all(), (formants_hz, found)


@pytest.mark.parametrize(("who", "f0_hz", "fs"), [("men", 65, RATE_HZ), ("men", 110, 8000), ("women", 210, 8000)])
def test_a_high_second_formant_is_not_taken_for_the_third(who, f0_hz, fs):
    """The vowel of "heed", spoken very low, and on the telephone, where the fourth formant may be missing."""
    true_hz = [f for f in vowels(who)[0] if f < fs / 2 - 300]
    found = np.nanmedian(measure(voice(f0_hz, true_hz, fs=fs), fs).formant_hz[6:-6, :3], axis=0)
    np.testing.assert_allclose(found, true_hz[:3], rtol=0.1)


def test_a_missing_formant_is_nan_in_its_own_column():
    for f0_hz, scale in ((120, 1.0), (220, 1.17)):
        report = measure(voice(f0_hz, scale * np.array([500, 2500, 3500, 4500])), RATE_HZ)
        steady = report.formant_hz[6:-6]
        assert np.isnan(steady[:, 1]).mean() > 0.9
        np.testing.assert_allclose(
            np.nanmedian(steady[:, [0, 2, 3]], axis=0), scale * np.array([500, 2500, 3500]), rtol=0.1
        )


def test_pitch_beyond_the_range_is_flagged():
    vowel_hz = vowels("children")[0]
    for f0_hz, pitch_range_hz in ((450, (60, 400)), (700, (60, 600)), (598, (60, 600))):
        report = measure(voice(f0_hz, vowel_hz), RATE_HZ, pitch_range_hz=pitch_range_hz)
        assert report.pitch_at_edge[6:-6].mean() > 0.9
        assert len(report.notes()) >= 1
    inside = measure(voice(450, vowel_hz), RATE_HZ)
    assert not inside.pitch_at_edge[6:-6].any()


@pytest.mark.parametrize("f0_hz", [35, 40, 45, 55, 57, 1200, 1210, 1300, 1500])
def test_a_pitch_far_beyond_the_range_is_flagged_although_another_is_found(f0_hz):
    """Of low voices a formant is found, of high ones a third of the pitch."""
    vowel_hz = (500, 1500, 2500, 3500) if f0_hz < 60 else (390, 1990, 2550, 3500)
    report = measure(voice(f0_hz, vowel_hz), RATE_HZ)
    found_hz = report.pitch_hz[6:-6]
    assert np.all((found_hz > 60 * 1.03) & (found_hz < 600 / 1.03))
    assert report.pitch_at_edge[6:-6].mean() > 0.9


@pytest.mark.parametrize("who", VOWELS_HZ)
def test_a_pitch_within_the_range_is_not_flagged(who):
    for formants_hz in vowels(who)[::3]:
        for f0_hz in {"men": (63, 70, 90, 120), "women": (160, 200, 300), "children": (265, 450, 580)}[who]:
            assert not measure(voice(f0_hz, formants_hz), RATE_HZ).pitch_at_edge[6:-6].any()


def test_the_neutral_vocal_tract_is_an_argument():
    x = voice(120, vowels("women")[0])
    assert measure(x, RATE_HZ).neutral_hz == pytest.approx(520, rel=0.02)
    assert measure(x, RATE_HZ, neutral_hz=600).neutral_hz == 600
    assert measure(np.zeros(8000), RATE_HZ).neutral_hz == 550


def test_the_order_is_that_of_the_analysis():
    assert [default_order(fs) for fs in (8000, 11025, 16000, 44100, 96000)] == [10, 13, 18, 18, 18]
    assert measure(np.zeros(4410), 44100).order == 18
    assert measure(np.zeros(4410), 44100, 24).lpc.shape == (10, 25)


def test_integers_are_scaled_and_other_layouts_refused():
    x = voice(120, vowels("men")[0])
    whole = measure(np.round(x * 32767).astype(np.int16), RATE_HZ)
    np.testing.assert_allclose(whole.level_dbfs, measure(x, RATE_HZ).level_dbfs, atol=0.1)
    with pytest.raises(ValueError, match=r"^`x` has shape \(6400, 2\), it must be \(n,\)$"):
        measure(np.stack([x, x], axis=1), RATE_HZ)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"x": []}, "`x` has shape"),
        ({"x": [0.1, np.nan]}, "`x` holds NaN"),
        ({"sample_rate_hz": 3999}, "`sample_rate_hz` is 3999, it must be a whole number from 4000 to 768000"),
        ({"sample_rate_hz": 16000.5}, "`sample_rate_hz` is 16000.5"),
        ({"order": 1}, "`order` is 1, it must be a whole number from 2 to 64"),
        ({"pitch_range_hz": (20, 600)}, "`pitch_range_hz` is 20 to 600, it must be two numbers, 30 <= low"),
        ({"pitch_range_hz": 60}, "`pitch_range_hz` is 60, it must be two numbers"),
        ({"formant_range_hz": (5500, 90)}, "`formant_range_hz` is 5500 to 90"),
        ({"neutral_hz": 100}, "`neutral_hz` is 100, it must be a number from 200 to 1500"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        measure(**{"x": np.zeros(1000), "sample_rate_hz": RATE_HZ, **arguments})


@pytest.mark.parametrize("sample_rate_hz", [RATE_HZ, 44100])
def test_blocks_are_measured_as_one_recording(sample_rate_hz):
    x = voice(120, vowels("men")[4], fs=sample_rate_hz)
    whole, parts = measure(x, sample_rate_hz), measure_blocks(np.split(x, [1, 160, 161, 5000]), sample_rate_hz)
    for name, values in columns(whole).items():
        np.testing.assert_allclose(columns(parts)[name], values, rtol=1e-9, err_msg=name)
    for t in range(len(whole.level_dbfs)):
        frame = x[round(t * sample_rate_hz / 100) : round((t + 1) * sample_rate_hz / 100)]
        np.testing.assert_allclose(whole.level_dbfs[t], 10 * np.log10(2 * np.mean(frame**2)), atol=1e-6)


def test_a_long_recording_needs_little_more_than_its_samples():
    x = np.tile(voice(120, vowels("men")[4]), 100).astype(np.float32)  # 40 seconds
    tracemalloc.start()
    report = measure_blocks(np.split(x, 100), RATE_HZ)
    for writer in TABLES.values():
        assert sum(len(line) for line in writer(report)) > 300_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * x.nbytes + (10 << 20)
