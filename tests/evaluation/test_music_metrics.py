"""Scores of music: known errors, the order of two codings, channels."""

import importlib.util

import numpy as np
import pytest

from dsp.psychoacoustics import noise_to_mask_ratio_db
from lpcnet_cq.evaluation import music_metrics as quality

FS = 44100


@pytest.fixture(scope="module")
def music():
    """Return two seconds of a chord in stereo, (n, 2)."""
    time = np.arange(2 * FS) / FS
    notes = [np.sin(2 * np.pi * f * time) * np.exp(-2 * (time % 0.5)) for f in (220, 277, 330, 2200)]
    return 0.1 * np.stack([sum(notes), notes[0] + notes[2]], axis=1)


def test_noise_to_mask_ratio_is_the_mean_of_powers(music):
    noise = 0.003 * np.random.default_rng(1).standard_normal(music.shape)
    left, right = (noise_to_mask_ratio_db(x, x + n, FS, 96.0, 512) for x, n in zip(music.T, noise.T, strict=True))
    judged = 10 * np.log10(np.mean(10 ** (np.stack([left, right]) / 10)))
    assert quality.nmr_db(music, music + noise, FS) == pytest.approx(judged)
    assert quality.nmr_db(music[:, 0], (music + noise)[:, 0], FS) != pytest.approx(judged)


def test_masked_noise_is_below_zero_and_each_decibel_counts(music):
    noise = np.random.default_rng(2).standard_normal(music.shape)
    ratios = [quality.nmr_db(music, music + a * noise, FS) for a in (1e-6, 1e-3, 1e-2)]
    assert ratios[0] < 0 < ratios[1]
    assert ratios[2] - ratios[1] == pytest.approx(20, abs=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("visqol") is None, reason="visqol is not installed")
def test_visqol_scores_the_middle(music):
    swapped = music[:, ::-1]
    noise = 0.02 * np.random.default_rng(3).standard_normal(len(music))[:, None]
    best, worst = quality.visqol_audio(music, swapped, FS), quality.visqol_audio(music, music + noise, FS)
    assert best > 4.6 > worst
