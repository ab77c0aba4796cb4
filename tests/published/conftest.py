"""Small systems and a vowel for the tests of the published systems; compiled quickly, to slower code."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.signal import lfilter

from dsp.frames import FrameSpec
from lpcnet_cq.published.config import AutoencoderConfig, SystemConfig

FRAMES = FrameSpec(window=128, hop=112, look_ahead=16, subframe=16)


@pytest.fixture(scope="session")
def tiny():
    """Return a maker of small systems: frames of 128, four channels, four LSFs."""

    def make(kind="bottleneck", **changes):
        system = SystemConfig(
            AutoencoderConfig(kind, channels=4, hidden=2), spec=FRAMES, order=4, n_centroids=8, n_lsf_centroids=32
        )
        return replace(system, **changes)

    return make


@pytest.fixture(scope="session")
def vowel():
    """Return a maker of pulses, slowly gliding and swelling, through three resonances."""

    def make(f0_hz=130, formants_hz=(500, 1500, 2500), seconds=1.0, sample_rate_hz=16000):
        random = np.random.default_rng(int(f0_hz))
        time = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
        phase = np.cumsum(f0_hz * (1 + 0.1 * np.sin(2 * np.pi * 1.5 * time))) / sample_rate_hz
        x = np.diff(np.floor(phase), prepend=0) + 0.02 * random.standard_normal(len(time))
        for f_hz in formants_hz:
            radius = np.exp(-np.pi * 90 / sample_rate_hz)
            x = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * f_hz / sample_rate_hz), radius**2], x)
        x *= 0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)
        return (0.3 * x / np.abs(x).max()).astype(np.float32)

    return make


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
