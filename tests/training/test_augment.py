"""Augmentation: what it keeps, what it changes, and how often."""

import numpy as np
import pytest

from lpcnet_cq.training import augment as aug

FS = 16000


def tone(f_hz=1000.0, n=FS):
    return np.sin(2 * np.pi * f_hz * np.arange(n) / FS).astype(np.float32)


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.12])
def test_speed_moves_frequencies_and_length(speed):
    y = aug.change_speed(tone(), speed)
    assert y.dtype == np.float32 and abs(len(y) - FS / speed) <= 1
    spectrum = np.abs(np.fft.rfft(y[:8000] * np.hanning(8000)))
    assert spectrum.argmax() * 2 == pytest.approx(1000 * speed, abs=2)


def test_room_adds_a_tail_behind_the_sound_alone():
    """A click: it stays itself, nothing comes before it, and what follows dies away."""
    x = np.zeros(FS, np.float32)
    x[1000] = 1.0
    y = aug.room(x, FS, np.random.default_rng(1))
    assert y.shape == x.shape and y[1000] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(y[:1000], 0, atol=1e-6)
    direct_db = -10 * np.log10(np.sum(y[1001:] ** 2))
    assert aug.DIRECT_DB[0] - 0.01 <= direct_db <= aug.DIRECT_DB[1] + 0.01
    assert np.sum(y[1001:3000] ** 2) > 10 * np.sum(y[8000:10000] ** 2)


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_the_level_drawn(seed):
    x = tone()
    w = aug.noise(x, np.random.default_rng(seed)) - x
    snr_db = 10 * np.log10(np.sum(x**2) / np.sum(w**2))
    assert aug.NOISE_DB[0] - 0.01 <= snr_db <= aug.NOISE_DB[1] + 0.01
    power = np.abs(np.fft.rfft(w)) ** 2
    assert power[1:2000].mean() > power[4000:].mean(), "noise of rooms and roads lies low"


def test_silence_stays_silent():
    x = np.zeros(4000, np.float32)
    for change in (lambda r: aug.noise(x, r), lambda r: aug.room(x, FS, r)):
        np.testing.assert_array_equal(change(np.random.default_rng(0)), x)


def test_shares_and_what_is_said_of_them():
    rng, x = np.random.default_rng(3), tone(n=3200)
    speeds = [aug.draw_speed(rng) for _ in range(2000)]
    assert np.mean([s != 1 for s in speeds]) == pytest.approx(aug.SHARES["speed"], abs=0.05)
    assert all(aug.SPEED[0] <= s <= aug.SPEED[1] for s in speeds)
    results = [aug.augment(x, 1.0, FS, rng) for _ in range(500)]
    either = 1 - (1 - aug.SHARES["room"]) * (1 - aug.SHARES["noise"])
    assert np.mean([changed for _, changed in results]) == pytest.approx(either, abs=0.06)
    assert all(changed or y is x for y, changed in results)
