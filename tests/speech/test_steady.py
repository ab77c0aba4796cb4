"""Steady sounds: tones and pulses from their sixth packet on, no noise, no voice, whatever the chunks."""

import numpy as np
import pytest

from lpcnet_cq.speech.steady import find_steady, start

HOP, FS = 320, 16000
TIME = np.arange(20 * HOP) / FS


def flags(x, chunks=(20,)):
    state, found, at = start(), [], 0
    for n in chunks:
        state, steady = find_steady(state, x[at : at + n * HOP].astype(np.float32), n)
        found.append(steady)
        at += n * HOP
    return np.concatenate(found)


@pytest.mark.parametrize("tones_hz", [[100], [2100], [7000], [697, 1209], [852, 1477], [350, 440]])
@pytest.mark.parametrize("level", [1e-3, 0.3])
def test_tones_are_steady_from_the_sixth_packet_on(tones_hz, level):
    x = level * sum(np.sin(2 * np.pi * f * TIME) for f in tones_hz)
    np.testing.assert_array_equal(flags(x), np.arange(20) >= 5)


@pytest.mark.parametrize("period", [6, 12, 50, 100, 320])
def test_pulses_are_steady(period):
    assert flags(0.1 * (np.arange(len(TIME)) % period == 0))[6:].all()


def test_silence_and_noise_are_not_steady():
    assert not flags(np.zeros(len(TIME))).any()
    assert not flags(np.random.default_rng(1).standard_normal(len(TIME))).any()


def test_a_voice_is_not_steady(vowel):
    assert not flags(vowel(seconds=0.4)).any()


@pytest.mark.parametrize(("tone_to_noise_db", "steady"), [(45, True), (15, False)])
def test_noise_makes_a_tone_unsteady(tone_to_noise_db, steady):
    noise = np.random.default_rng(1).standard_normal(len(TIME)) * 10 ** (-tone_to_noise_db / 20) / 2**0.5
    assert (flags(np.sin(2 * np.pi * 1000 * TIME) + noise)[6:] == steady).all()


def test_chunks_are_the_whole(vowel):
    x = np.concatenate([np.sin(2 * np.pi * 1000 * TIME), vowel(seconds=0.4)])[: 20 * HOP]
    np.testing.assert_array_equal(flags(x, [1] * 20), flags(x))
    np.testing.assert_array_equal(flags(x, [7, 13]), flags(x))
