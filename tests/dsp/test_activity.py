"""Voice activity: noise, silence, tones and vowels in noise, by construction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from dsp.activity import detect_activity, start_activity

FS, FRAME = 16000, 320


def active(x, sample_rate_hz=FS):
    return detect_activity(start_activity(sample_rate_hz), x)[1]


def noise(level_db, seconds, seed=0, a=(1,)):
    x = lfilter([1], a, np.random.default_rng(seed).standard_normal(round(seconds * FS)))
    return 10 ** (level_db / 20) * x / np.sqrt(np.mean(x**2))


@pytest.mark.parametrize("a", [(1,), (1, -0.9), (1, -1.8, 0.82)], ids=["white", "pink", "brown"])
@pytest.mark.parametrize("level_db", [-20, -40, -60, -75, -90])
def test_steady_noise_is_inactive_after_a_second(level_db, a):
    assert not active(noise(level_db, 10, a=a))[50:].any()


def test_silence_is_inactive_from_the_start():
    assert not active(np.zeros(FS)).any()


@pytest.mark.parametrize("pole", [0, 0.9], ids=["white", "coloured"])
def test_vowels_in_noise_are_found_and_pauses_too(vowel, pole):
    voice = [vowel(f0_hz, seconds=s) for f0_hz, s in ((110, 1.0), (180, 0.6), (250, 2.4))]
    x = np.concatenate([part for v in voice for part in (np.zeros(2 * FS), v)] + [np.zeros(2 * FS)])
    level_db = 10 * np.log10(np.mean(np.concatenate(voice) ** 2)) - 20
    found = active(x + noise(level_db, len(x) / FS, seed=1, a=(1, -pole)))
    power = np.mean(x.reshape(-1, FRAME) ** 2, axis=1)
    speech = power > 10**-2.5 * power.max()
    assert speech.sum() > 150
    assert found[speech].mean() >= 0.98
    pause = power == 0
    for lag in range(12):  # the hangover, and the frame that follows speech
        pause[1:] &= power[:-1] == 0 if lag == 0 else pause[:-1]
    pause[:50] = False
    assert pause.sum() > 200
    assert found[pause].mean() < 0.05


@pytest.mark.parametrize("amplitude", [0.5, 0.01])
def test_a_steady_tone_remains_active(amplitude):
    tone = amplitude * np.sin(2 * np.pi * 1000 * np.arange(30 * FS) / FS)
    assert active(np.concatenate([noise(-70, 2), tone + noise(-70, 30)]))[100:].all()


def test_hum_is_background():
    time = np.arange(10 * FS) / FS
    hum = sum(0.01 / k * np.sin(2 * np.pi * 50 * k * time) for k in (1, 2, 3))
    assert not active(hum + noise(-65, 10))[100:].any()


def test_louder_noise_becomes_background_within_three_seconds():
    found = active(np.concatenate([noise(-60, 4), noise(-30, 6, seed=2)]))
    assert found[200:250].all()
    assert not found[350:].any()


@pytest.mark.parametrize("sample_rate_hz", [8000, 44100, 48000])
def test_other_sample_rates(sample_rate_hz):
    n = round(0.02 * sample_rate_hz)
    x = 0.001 * np.random.default_rng(3).standard_normal(200 * n)
    x[100 * n : 120 * n] += 0.1 * np.sin(2 * np.pi * 700 * np.arange(20 * n) / sample_rate_hz)
    found = active(x, sample_rate_hz)
    assert found[100:120].all()
    assert not found[50:100].any()
    assert not found[140:].any()


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(0, 5))
def test_the_division_into_calls_does_not_matter(counts, seed):
    random = np.random.default_rng(seed)
    x = random.standard_normal(150 * FRAME) * np.repeat(10 ** random.uniform(-4, 0, 30), 5 * FRAME)
    state, found, start = start_activity(FS), [], 0
    for count in (*counts, 150):
        before, copies = state, [np.copy(value) for value in state]
        state, part = detect_activity(state, x[start : start + count * FRAME])
        found.append(part)
        start += count * FRAME
        assert all(np.array_equal(a, b) for a, b in zip(before, copies, strict=True))
    np.testing.assert_array_equal(np.concatenate(found), active(x))


@pytest.mark.parametrize("rate_hz", [4000, "16000", None, np.inf, np.nan, 16000.5])
def test_wrong_sample_rates_are_refused(rate_hz):
    with pytest.raises(ValueError, match=r"^`sample_rate_hz` is .*, it must be a whole number from 8000 to 768000$"):
        start_activity(rate_hz)


def test_wrong_signals_are_refused():
    for shape in ((321,), (1, 320), ()):
        with pytest.raises(ValueError, match="multiple of a frame, 320"):
            detect_activity(start_activity(FS), np.zeros(shape))
    for bad in (np.full(FRAME, np.nan), np.full(FRAME, np.inf), np.zeros(FRAME, complex), [[0.0], [0.0, 1.0]], "a"):
        with pytest.raises(ValueError, match=r"^`x` [^\n]*, it must be [^\n]*$"):
            detect_activity(start_activity(FS), bad)
    with pytest.raises(ValueError, match=r"^`state` is of type NoneType, it must be a ActivityState$"):
        detect_activity(None, np.zeros(FRAME))  # pyright: ignore[reportArgumentType]
