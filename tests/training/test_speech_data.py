"""Material of speech: shards that hold recordings and their analysis, and batches that are reproducible."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from dsp.frames import FrameSpec
from lpcnet_cq.speech.analysis import analyse_lsf
from lpcnet_cq.training import cache as pcm_cache
from lpcnet_cq.training import speech_data
from lpcnet_cq.training.active_level import active_level_dbov
from lpcnet_cq.training.data import Clip
from lpcnet_cq.training.psychoacoustic_loss import threshold_db
from lpcnet_cq.training.speech_data import Batches, build_shards, read_shard
from lpcnet_cq.work.tar_shards import ShardWriter

SPEC = FrameSpec()
FS = SPEC.sample_rate_hz


def tone(seconds, frequency_hz=440.0, amplitude=0.3, rate_hz=FS):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(0).normal(0, 0.01, len(t))
    return amplitude * np.sin(2 * np.pi * frequency_hz * t) + noise


def write(path, x, rate_hz=FS, **format):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x, rate_hz, **format)
    return path


@pytest.fixture
def shards(tmp_path):
    clips = []
    for source, seconds, frequency_hz in (("big", 8.0, 440.0), ("small", 2.5, 2000.0)):
        path = write(tmp_path / source / "s1" / "a.wav", tone(seconds, frequency_hz))
        clips.append(Clip(path, "s1", "train", source))
    return build_shards(clips, tmp_path / "cache", SPEC)


# ------------------------------------------------------------------------------------------------ shards


def test_shards_hold_the_recordings_and_the_analysis_of_the_joined_signal(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_data, "_CHUNK_PACKETS", 7)  # so that pieces have to meet
    clips = [Clip(write(tmp_path / f"{i}.wav", tone(0.4 + 0.11 * i, 300.0 * (i + 1))), "s", "train") for i in range(3)]
    shards = build_shards(clips, tmp_path / "cache", SPEC)
    lengths = [round((0.4 + 0.11 * i) * FS) // SPEC.hop * SPEC.hop for i in range(3)]
    assert len(shards.pcm) == sum(lengths)
    body = slice(SPEC.subframe, lengths[0] - SPEC.subframe)
    np.testing.assert_allclose(shards.pcm[body] / 32768, tone(0.4, 300.0)[body], atol=1.1 / 32768)
    np.testing.assert_array_equal(shards.lsf, analyse_lsf(shards.pcm / 32768.0, SPEC))


def test_shards_are_made_once_and_anew_when_something_changed(tmp_path, monkeypatch):
    clips = [Clip(write(tmp_path / "a.wav", tone(0.5)), "s", "train")]
    cache = tmp_path / "cache"
    first = build_shards(clips, cache, SPEC)
    with monkeypatch.context() as m:
        m.setattr(speech_data, "analyse_lsf", None)  # would fail if it were needed
        again = build_shards(clips, cache, SPEC)
    np.testing.assert_array_equal(first.lsf, again.lsf)
    build_shards(clips, cache, replace(SPEC, look_ahead=64))
    monkeypatch.setattr(pcm_cache, "ANALYSIS_VERSION", -1)
    build_shards(clips, cache, SPEC)
    assert len(list(cache.iterdir())) == 3


def test_failed_build_leaves_nothing(tmp_path):
    path = tmp_path / "bad.wav"
    path.write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"bad\.wav"):
        build_shards([Clip(path, "s", "train")], tmp_path / "cache", SPEC)
    assert list((tmp_path / "cache").iterdir()) == []


def test_nothing_to_train_on_is_said(tmp_path):
    with pytest.raises(ValueError, match="clips"):
        build_shards([], tmp_path, SPEC)
    short = Clip(write(tmp_path / "short.wav", np.zeros(100)), "s", "train")
    with pytest.raises(ValueError, match="packet"):
        build_shards([short], tmp_path / "cache", SPEC)


# ------------------------------------------------------------------------------------------------ batches


def test_batches_depend_on_seed_and_step_only(shards):
    a, b = Batches(shards, 4, 0.5, seed=3), Batches(shards, 4, 0.5, seed=3)
    for step in range(5):
        a.batch(step)
    for step in (4, 0):
        for k in ("x", "lsf"):
            np.testing.assert_array_equal(a.batch(step)[k], b.batch(step)[k])
    assert not np.array_equal(a.batch(0)["x"], a.batch(1)["x"])
    assert not np.array_equal(a.batch(0)["x"], Batches(shards, 4, 0.5, seed=4).batch(0)["x"])


def test_crops_start_on_packets_and_bring_their_lsf(shards):
    T = 25
    batch = Batches(shards, 8, T * SPEC.hop / FS, seed=0).batch(0)
    assert batch["x"].shape == (8, T * SPEC.hop + SPEC.look_ahead)
    assert batch["lsf"].shape == (8, T + 1, 16)
    assert batch["x"].dtype == batch["lsf"].dtype == np.float32
    # The LSFs do not depend on level, so the analysis of the scaled crop must give them again,
    # except where its window reaches beyond the crop's ends.
    for x, lsf in zip(batch["x"], batch["lsf"], strict=True):
        np.testing.assert_allclose(analyse_lsf(x, SPEC)[1:T], lsf[2:], atol=2e-3)


def test_levels_are_spread_and_never_clip(shards):
    x = np.concatenate([Batches(shards, 16, 0.5, seed=1).batch(s)["x"] for s in range(20)])
    levels = np.array([active_level_dbov(v, SPEC.hop) for v in x])
    assert levels.min() > -36.1
    assert levels.max() < -15.9
    assert np.histogram(levels, 4, (-36, -16))[0].min() > len(levels) / 4 / 1.6
    assert np.abs(x).max() < 1.0


def test_loud_peaks_limit_the_gain(tmp_path):
    x = np.zeros(FS * 2)
    x[::1000] = 0.9
    shards = build_shards([Clip(write(tmp_path / "clicks.wav", x), "s", "train")], tmp_path / "cache", SPEC)
    peaks = np.abs(Batches(shards, 16, 0.5, seed=0).batch(0)["x"]).max(axis=1)
    assert peaks.max() == pytest.approx(0.999, abs=1e-4)


def test_small_sources_are_drawn_more_often_than_their_share(shards):
    x = np.concatenate([Batches(shards, 64, 0.5, seed=0).batch(s)["x"] for s in range(25)])
    small = (np.diff(np.signbit(x), axis=1).mean(axis=1) > 0.15).mean()  # the small source is the higher tone
    a, b = 8.0 - 0.5, 2.5 - 0.5
    assert small == pytest.approx(b**0.75 / (a**0.75 + b**0.75), abs=0.03)  # 0.27; its share is 0.21


def test_silence_is_rare_and_keeps_its_level(tmp_path):
    half = np.r_[np.zeros(10 * FS), tone(10.0)]
    shards = build_shards([Clip(write(tmp_path / "x.wav", half), "s", "train")], tmp_path / "cache", SPEC)
    x = np.concatenate([Batches(shards, 16, 0.1, seed=0).batch(s)["x"] for s in range(20)])
    silent = np.abs(x).max(axis=1) == 0
    assert 0.05 < silent.mean() < 0.15  # 0.1 / 1.1 = 0.09 expected; drawn blindly it would be 0.5


def test_crops_longer_than_the_corpus_are_refused(shards):
    with pytest.raises(ValueError, match="`seconds` is 60"):
        Batches(shards, 1, 60, seed=0)


def test_batches_have_masking_thresholds_where_they_are_asked_for(shards):
    plain, masked = (Batches(shards, 2, 0.5, seed=0, masks=masks).batch(3) for masks in (False, True))
    assert "mask_db" not in plain
    np.testing.assert_array_equal(plain["x"], masked["x"])
    np.testing.assert_array_equal(masked["mask_db"], threshold_db(plain["x"], 16000))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b"x"}, "has no recording that is as long as a packet"),
        ({"a.wav": b"x"}, "has the member `a.wav`, which cannot be read"),
    ],
)
def test_tar_shards_without_recordings_are_refused(tmp_path, files, message):
    with open(tmp_path / "train-0.tar", "wb") as file, ShardWriter(file) as shard:
        for name, data in files.items():
            shard.add(name, data)
    with pytest.raises(ValueError, match=message):
        read_shard(tmp_path / "train-0.tar", SPEC)
