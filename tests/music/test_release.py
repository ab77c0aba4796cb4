"""The released weights for music: that they are what they say, meet their rate, and read a stream written before."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.bitstream.packet import join
from lpcnet_cq.evaluation.metrics import nmr_db
from lpcnet_cq.training.presets import PRESETS

VECTOR = Path(__file__).parents[1] / "vectors" / "audio.cq"  # `chords()` at 64 kbps
INTEGERS = "366df6e4567b748f"
SOUND = (-0.0163, 0.0482, 0.0136, -0.0816, -0.0195, 0.0179, 0.0501, 0.0132, -0.0813, -0.0159)


@pytest.fixture(scope="module")
def codec():
    return lpcnet_cq.load("audio")


def chords():
    """Return two seconds of plucked chords and hiss, each elsewhere between left and right, (n, 2)."""
    fs = PRESETS["audio"].codec.spec.sample_rate_hz
    time, random = np.arange(2 * fs) / fs, np.random.default_rng(1)
    decay = np.exp(-6 * (time % 0.5))
    low, high = (sum(np.sin(2 * np.pi * f * k * time) / k for k in range(1, 12)) * decay for f in (196, 523))
    hiss = np.diff(random.standard_normal(len(time)), prepend=0) * np.exp(-40 * (time % 0.25))
    x = np.stack([low + 0.4 * high + 0.2 * hiss, 0.5 * low + high + 0.1 * hiss], axis=1)
    return (0.5 * x / np.abs(x).max()).astype(np.float32)


@pytest.mark.parametrize("rate_bps", [40000, 64000, 80000, 96000, 112000])
def test_rate_is_met_in_bytes(codec, rate_bps):
    """Never above the rate, and within 2 % below it."""
    assert 0.98 * rate_bps < 8 * len(codec.encode(chords(), codec.sample_rate_hz, rate_bps)) / 2 <= rate_bps


def test_more_bits_leave_less_noise_above_the_mask(codec):
    x, fs = chords(), codec.sample_rate_hz
    ratios_db = [nmr_db(x, codec.decode(codec.encode(x, fs, rate_bps))[0], fs) for rate_bps in (64000, 96000, 128000)]
    assert ratios_db[0] > ratios_db[1] + 1 > ratios_db[2] + 2


def test_it_is_as_large_as_promised(codec):
    assert codec.config == PRESETS["audio"].codec
    assert codec.n_parameters <= 0.9e6 and codec.channels == 2
    low, high = codec.bitrates_bps
    assert low <= 32000 and high >= 128000


def test_a_stream_written_before_is_read_as_before(codec):
    """Integers bit for bit; sound, which floats make, nearly."""
    data = VECTOR.read_bytes()
    n = join(codec._parts.entropy, [part for segment in codec._read(data)[1] for part in segment.parts])
    digest = sha256(b"".join(np.asarray(v, "<i8").tobytes() for v in (n.step, n.side, n.latents)))
    assert digest.hexdigest()[:16] == INTEGERS
    y, fs = codec.decode(data)
    assert y.shape == (2 * fs, 2)
    np.testing.assert_allclose(y[:: fs // 5, 0], SOUND, atol=1e-3)
