"""Small systems and a vowel for the tests of the published systems; compiled quickly, to slower code."""

from dataclasses import replace

import pytest

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


@pytest.fixture(scope="module", autouse=True)
def quickly(quick_compilation):
    """Compile all tests of this folder quickly."""
