"""Losses on frames against closed forms."""

import numpy as np
import pytest

from lpcnet_cq.published.losses import MEL_BANKS, mel_loss, time_loss
from lpcnet_cq.training.mel import mel_bank


def frames(seed=0):
    return np.random.default_rng(seed).standard_normal((2, 3, 512)).astype(np.float32)


def test_time_loss_is_the_mean_root_mean_square():
    x, y = frames(0), frames(1)
    assert float(time_loss(x, y)) == pytest.approx(np.sqrt(((x - y) ** 2).mean(-1)).mean(), rel=1e-4)


def test_mel_loss_of_twice_the_amplitude_is_a_constant():
    """All powers are four times as large; the narrowest of the 128 bands hold no bin at all, and no distance."""
    filled = [np.mean(mel_bank(n, 512, 16000, "htk").any(axis=0)) for n in MEL_BANKS]
    expected = np.log(4) * np.mean(np.sqrt(filled))
    assert float(mel_loss(frames(), 2 * frames(), 16000)) == pytest.approx(expected, rel=1e-3)


def test_losses_of_equals_are_their_floor():
    assert float(time_loss(frames(), frames())) == pytest.approx(1e-7**0.5, rel=1e-3)
    assert float(mel_loss(frames(), frames(), 16000)) == pytest.approx(1e-7**0.5, rel=1e-3)
