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


@pytest.mark.parametrize("seconds", [0.01, 0.2])
@pytest.mark.parametrize("name", ["pesq", "estoi", "visqol"])
def test_clips_too_short_to_score_have_none(name, seconds):
    need(name)
    x = speech_like(seconds, RATE_HZ).astype(np.float64)
    assert np.isnan(metrics.METRICS[name].score(x, x, RATE_HZ))


def test_music_too_short_for_visqol_has_no_score(music):
    assert np.isnan(metrics.visqol_audio(music[:FS], music[:FS], FS))


@pytest.mark.parametrize("name", WITH_PACKAGES)
def test_speech_metrics_refuse_other_sample_rates(name):
    need(name)
    with pytest.raises(ValueError, match=r"`sample_rate_hz` is 44100, for .* must be 16000"):
        metrics.METRICS[name].score(np.ones(FS), np.ones(FS), FS)


def test_lines_in_pauses_are_those_that_the_original_has_not():
    n = 4 * RATE_HZ
    x = np.repeat([1.0, 0.001], n // 2) * np.random.default_rng(4).standard_normal(n)
    hum, pulses = 0.003 * np.sin(2 * np.pi * 500 * np.arange(n) / RATE_HZ), 0.005 * (np.arange(n) % 64 == 0)
    score = metrics.METRICS["pause_lines_db"].score
    assert score(x + hum, x + hum, RATE_HZ) == 0
    assert score(x, x + pulses, RATE_HZ) > 10 and score(x + pulses, x, RATE_HZ) < -10
    assert np.isnan(score(x[:RATE_HZ], x[:RATE_HZ], RATE_HZ))


def test_lines_at_the_block_rate_of_music():
    n = 4 * FS
    x = 0.001 * np.random.default_rng(5).standard_normal((n, 2))
    pulses = 0.05 * (np.arange(n) % 1024 == 0)[:, None]
    assert metrics.METRICS["block_lines_db"].score(x, x + pulses, FS) > 10


def test_band_levels_are_signed_and_of_their_band():
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    low, high = np.sin(2 * np.pi * 500 * t), np.sin(2 * np.pi * 3000 * t)
    found = {k: metrics.METRICS[f"level_{k}_hz_db"].score(low + high, low + 0.5 * high, RATE_HZ) for k in (100, 2000)}
    assert found == {100: pytest.approx(0, abs=0.01), 2000: pytest.approx(20 * np.log10(0.5), abs=0.01)}


def test_modulation_of_both_channels_counts(music):
    still = 0.1 * np.sin(2 * np.pi * 1500 * np.arange(len(music)) / FS)
    moved = still * np.sqrt(1 + 0.5 * np.cos(2 * np.pi * 8 * np.arange(len(music)) / FS))
    one = metrics.modulation_db(np.stack([still, still], 1), np.stack([moved, still], 1), FS)
    both = metrics.modulation_db(np.stack([still, still], 1), np.stack([moved, moved], 1), FS)
    assert both == pytest.approx(2 * one) and one > 0.5


@pytest.mark.parametrize("kind", kinds())
def test_each_kind_of_codec_has_its_metrics(kind):
    found = metrics.metrics_for(SimpleNamespace(kind=kind))
    assert tuple(found) == record_named(kind).metrics and len(found) >= 3
    assert found.items() <= metrics.METRICS.items()


def test_missing_packages_are_named():
    odd = metrics.Metric("Odd", lambda x, y, sample_rate_hz: 0.0, ("numpy", "no_such_module"))
    assert metrics.missing_modules({"odd": odd, "snr_db": metrics.METRICS["snr_db"]}) == {"odd": "no_such_module"}
