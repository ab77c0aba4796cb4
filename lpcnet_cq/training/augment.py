"""Augmentation of training data: some crops get another speed, reverberation or noise.

Place in the chain: training only, between the shards and the analysis. A change of speed scales pitch and formants
together, as a shorter or longer vocal tract does.

References
----------
T. Ko et al., "Audio augmentation for speech recognition", Interspeech 2015 (speed); J.-D. Polack (1988) for the model
of reverberation as exponentially decaying noise.
"""

import numpy as np
import soxr
from scipy.signal import fftconvolve

SPEED = (0.9, 1.12)
SHARES = {"speed": 0.5, "room": 0.08, "noise": 0.12}  # share of crops with each augmentation
REVERBERATION_S = (0.15, 0.6)  # reverberation time (60 dB)
DIRECT_DB = (0.0, 12.0)  # ratio of direct sound to reverberation
NOISE_DB = (5.0, 30.0)  # signal-to-noise ratio


def draw_speed(rng: np.random.Generator) -> float:
    """Draw a speed factor; it is 1 for crops whose speed does not change."""
    if rng.random() >= SHARES["speed"]:
        return 1.0
    return float(np.exp(rng.uniform(*np.log(SPEED))))


def change_speed(x: np.ndarray, speed: float) -> np.ndarray:
    """Return x (n,) at `speed` times its speed, (about n / speed,); this scales pitch and formants, too.

    >>> change_speed(np.zeros(1100, np.float32), 1.1).shape
    (1000,)
    """
    return x if speed == 1.0 else soxr.resample(x, speed, 1.0, "MQ")


def room(x: np.ndarray, sample_rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """Return x (n,) with reverberation, whose impulse response is exponentially decaying noise after a short gap."""
    n = int(rng.uniform(*REVERBERATION_S) * sample_rate_hz)
    tail = rng.standard_normal(n).astype(np.float32) * 10 ** (-3 * np.arange(n, dtype=np.float32) / n)
    tail[: rng.integers(16, 160)] = 0
    ratio = 10 ** (-rng.uniform(*DIRECT_DB) / 20)
    return x + fftconvolve(x, ratio / np.linalg.norm(tail) * tail)[: len(x)].astype(np.float32)


def noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return x (n,) with noise whose spectrum decreases with a random power of the frequency."""
    n = len(x)
    tilt = rng.uniform(0.0, 1.0)
    spectrum = np.fft.rfft(rng.standard_normal(n)) * np.arange(1, n // 2 + 2) ** -tilt
    w = np.fft.irfft(spectrum, n).astype(np.float32)
    gain = np.sqrt(np.mean(x**2) / np.mean(w**2)) * 10 ** (-rng.uniform(*NOISE_DB) / 20)
    return x + np.float32(gain) * w


def augment(x: np.ndarray, speed: float, sample_rate_hz: int, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """Return an augmented crop, and whether it was changed.

    Parameters
    ----------
    x : float32 array (n,)
    speed : float
        From `draw_speed`.
    sample_rate_hz : int
    rng : Generator

    Returns
    -------
    float32 array (about n / speed,)
    bool
    """
    y = change_speed(x, speed)
    if rng.random() < SHARES["room"]:
        y = room(y, sample_rate_hz, rng)
    if rng.random() < SHARES["noise"]:
        y = noise(y, rng)
    return y, y is not x
