"""Metrics: known errors, the order of two codings, channels, and what is refused."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest

from dsp.psychoacoustics import noise_to_mask_ratio_db
from lpcnet_cq.evaluation import metrics
from lpcnet_cq.evaluation.bench import speech_like
from lpcnet_cq.registry import kinds, record_named

FS = 44100
RATE_HZ = metrics.METRIC_RATE_HZ
WITH_PACKAGES = ("pesq", "estoi", "visqol", "dnsmos")


def need(name):
    """Skip a test if a package of a metric is missing."""
    for module in metrics.missing_modules({name: metrics.METRICS[name]}).values():
        pytest.skip(f"module {module} is not installed")


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
    assert metrics.nmr_db(music, music + noise, FS) == pytest.approx(judged)
    assert metrics.nmr_db(music[:, 0], (music + noise)[:, 0], FS) != pytest.approx(judged)


def test_masked_noise_is_below_zero_and_each_decibel_counts(music):
    noise = np.random.default_rng(2).standard_normal(music.shape)
    ratios = [metrics.nmr_db(music, music + a * noise, FS) for a in (1e-6, 1e-3, 1e-2)]
    assert ratios[0] < 0 < ratios[1]
    assert ratios[2] - ratios[1] == pytest.approx(20, abs=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("visqol") is None, reason="visqol is not installed")
def test_visqol_scores_the_middle(music):
    swapped = music[:, ::-1]
    noise = 0.02 * np.random.default_rng(3).standard_normal(len(music))[:, None]
    best, worst = metrics.visqol_audio(music, swapped, FS), metrics.visqol_audio(music, music + noise, FS)
    assert best > 4.6 > worst


def test_snr_and_si_sdr_of_orthogonal_noise():
    t = np.arange(RATE_HZ) / RATE_HZ
    x, n = np.sin(2 * np.pi * 200 * t), np.cos(2 * np.pi * 200 * t)
    assert metrics.snr_db(x, x + 0.1 * n) == pytest.approx(20.0)
    assert metrics.si_sdr_db(x, 3 * (x + 0.1 * n) + 0.5) == pytest.approx(20.0)
    assert metrics.snr_db(x, 0 * x) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("name", "best", "worst"),
    [("pesq", (4.6, 4.65), 3.0), ("estoi", (0.999, 1.001), 0.9), ("visqol", (3.5, 5.0), 3.0)],
)
def test_packages_score_identity_high_and_noise_low(name, best, worst):
    need(name)
    x, metric = speech_like(3.0, RATE_HZ).astype(np.float64), metrics.METRICS[name].score
    assert best[0] <= metric(x, x, RATE_HZ) <= best[1]
    assert metric(x, x + 0.05 * np.random.default_rng(1).normal(size=len(x)), RATE_HZ) < worst


def test_dnsmos_needs_no_original():
    need("dnsmos")
    y = speech_like(2.0, RATE_HZ)
    score = metrics.dnsmos(y, y)
    assert 1 <= score <= 5 and metrics.dnsmos(0 * y, y) == score
    assert metrics.dnsmos(y, np.tile(y, 5)) == pytest.approx(score)  # a shorter signal is repeated


@pytest.mark.parametrize("name", ["pesq", "estoi"])
def test_clips_too_short_to_score_have_none(name):
    need(name)
    x = speech_like(0.2, RATE_HZ).astype(np.float64)
    assert np.isnan(metrics.METRICS[name].score(x, x, RATE_HZ))


def test_music_too_short_for_visqol_has_no_score(music):
    assert np.isnan(metrics.visqol_audio(music[:FS], music[:FS], FS))


@pytest.mark.parametrize("name", WITH_PACKAGES)
def test_speech_metrics_refuse_other_sample_rates(name):
    need(name)
    with pytest.raises(ValueError, match=r"`sample_rate_hz` is 44100, for .* must be 16000"):
        metrics.METRICS[name].score(np.ones(FS), np.ones(FS), FS)


@pytest.mark.parametrize("kind", kinds())
def test_each_kind_of_codec_has_its_metrics(kind):
    found = metrics.metrics_for(SimpleNamespace(kind=kind))
    assert tuple(found) == record_named(kind).metrics and len(found) >= 3
    assert found.items() <= metrics.METRICS.items()


def test_missing_packages_are_named():
    odd = metrics.Metric("Odd", lambda x, y, sample_rate_hz: 0.0, ("numpy", "no_such_module"))
    assert metrics.missing_modules({"odd": odd, "snr_db": metrics.METRICS["snr_db"]}) == {"odd": "no_such_module"}
