"""Corpora in tar shards: what they give is what recordings give, in an order that the seed and the step determine."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from dsp.frames import FrameSpec
from lpcnet_cq.training import tar_corpus
from lpcnet_cq.training.data import Clip, open_corpus
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.speech_data import Batches, build_shards, read_shard
from lpcnet_cq.training.tar_corpus import ShardBatches, dev_clips, recordings, shards_of, write_shards
from lpcnet_cq.training.tasks import task_of
from lpcnet_cq.training.train import prepare
from lpcnet_cq.work.tar_shards import members

SPEC = FrameSpec()
SECONDS = 1.5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, vowel):
    """Return a folder of recordings of seven speakers, one of whom is held out, and a folder of their shards."""
    root = tmp_path_factory.mktemp("corpus")
    rows = [("path", "split", "speaker")]
    for i in range(7):
        path = f"s{i}/a.wav"
        (root / "clips" / f"s{i}").mkdir(parents=True)
        soundfile.write(root / "clips" / path, vowel(100 + 10 * i, seconds=SECONDS), 16000)
        rows.append((path, "dev" if i == 3 else "train", f"s{i}"))
    with open(root / "clips" / "index.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert write_shards(open_corpus(root / "clips"), root / "shards", SECONDS / 60, 0, 16000) == 7
    return root


def test_shards_have_the_recordings_of_their_split(corpus):
    found = {split: shards_of(corpus / "shards", split) for split in ("train", "dev")}
    names = {split: [name for path in paths for name, _ in members(path)] for split, paths in found.items()}
    assert sorted(name[:2] for name in names["train"]) == ["s0", "s1", "s2", "s4", "s5", "s6"]
    assert [name[:3] for name in names["dev"]] == ["s3/"] and shards_of(corpus / "clips", "train") == []


def test_a_shard_is_read_as_its_recordings_are(corpus, tmp_path):
    (name,) = [name for name, _ in members(shards_of(corpus / "shards", "train")[0])]
    clips = [clip for clip in open_corpus(corpus / "clips") if clip.speaker == name[:2]]
    one, other = build_shards(clips, tmp_path, SPEC), read_shard(shards_of(corpus / "shards", "train")[0], SPEC)
    np.testing.assert_array_equal(one.pcm, other.pcm)
    np.testing.assert_allclose(one.lsf, other.lsf, atol=1e-4)


def batches(corpus, seed=0, batch=4, **changes):
    def draw(path):
        return Batches(read_shard(path, SPEC), batch, 0.2, seed, **changes)

    return ShardBatches(shards_of(corpus / "shards", "train"), draw, batch, seed)


def test_every_epoch_deals_all_shards_in_another_order(corpus):
    found = [batches(corpus).shard(lane, visit) for visit in range(9) for lane in range(4)]
    epochs = [found[i : i + 6] for i in range(0, 36, 6)]
    assert all(sorted(epoch) == shards_of(corpus / "shards", "train") for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 3
    assert [batches(corpus, seed=1).shard(lane, 0) for lane in range(4)] != found[:4]


def test_a_resumed_run_reads_what_an_uninterrupted_one_reads(corpus, monkeypatch):
    monkeypatch.setattr(tar_corpus, "SHARD_STEPS", 3)
    whole = batches(corpus)
    found = [whole.batch(step) for step in range(8)]
    assert found[0]["x"].shape == (4, 0.2 * 16000 + SPEC.look_ahead)
    for step in (7, 2, 5):
        np.testing.assert_array_equal(batches(corpus).batch(step)["x"], found[step]["x"])
        np.testing.assert_array_equal(batches(corpus).batch(step)["lsf"], found[step]["lsf"])
    assert not np.array_equal(found[0]["x"], found[3]["x"])
    assert not np.array_equal(batches(corpus, seed=1).batch(0)["x"], found[0]["x"])


def test_processes_read_their_rows_and_only_their_shards(corpus, monkeypatch):
    monkeypatch.setattr(tar_corpus, "SHARD_STEPS", 3)
    half, opened = batches(corpus, masks=True), []
    draw = half._draw
    monkeypatch.setattr(half, "_draw", lambda path: opened.append(path) or draw(path))
    rows = half.batch(4, range(2, 4))
    assert all(future.result() for future in half._held.values())
    assert sorted(opened) == sorted(half.shard(*key) for key in [(2, 1), (2, 2), (3, 1), (3, 2)])
    whole = batches(corpus, masks=True).batch(4)
    for name, value in rows.items():
        np.testing.assert_array_equal(value, whole[name][2:])


def test_few_shards_are_held_at_a_time(corpus, monkeypatch):
    monkeypatch.setattr(tar_corpus, "SHARD_STEPS", 1)
    stream = batches(corpus)
    for step in range(6):
        stream.batch(step)
        assert len(stream._held) == 2 * stream.lanes == 8


def test_crops_of_a_lane_are_those_of_its_shard(corpus):
    stream = batches(corpus, batch=1)
    shard = read_shard(stream.shard(0, 0), SPEC)
    np.testing.assert_array_equal(stream.batch(5)["x"], Batches(shard, 1, 0.2, 0).batch(5)["x"])


def test_held_out_recordings_are_unpacked_once(corpus, tmp_path):
    (clip,) = dev_clips(corpus / "shards", tmp_path)
    assert (clip.speaker, clip.split, clip.source) == ("s3", "dev", "shards")
    time_ns = clip.path.stat().st_mtime_ns
    assert dev_clips(corpus / "shards", tmp_path)[0].path.stat().st_mtime_ns == time_ns
    x, rate_hz = soundfile.read(clip.path)
    assert (len(x), rate_hz) == (SECONDS * 16000, 16000)


def test_shards_have_all_channels_and_names_of_collections(tmp_path, plucked):
    (tmp_path / "in" / "s").mkdir(parents=True)
    soundfile.write(tmp_path / "in" / "s" / "both.wav", plucked, 44100)
    soundfile.write(tmp_path / "in" / "s" / "one.wav", plucked[:, 0], 44100)
    clips = [Clip(path, "s", "train", "notes/long") for path in sorted((tmp_path / "in" / "s").iterdir())]
    assert write_shards(clips, tmp_path / "out", 1.0, 0, 44100, channels=2) == 1
    found = {name[:15]: x for name, x in recordings(tmp_path / "out" / "train-000000.tar", 44100, channels=2)}
    assert sorted(found) == ["notes-long/both", "notes-long/one-"]
    np.testing.assert_allclose(found["notes-long/both"], plucked, atol=2**-15)
    np.testing.assert_allclose(found["notes-long/one-"], plucked[:, 0], atol=2**-15)


@pytest.mark.parametrize("preset", ["tiny", "audio-tiny"])
def test_a_training_draws_from_the_shards_of_its_corpus(tmp_path, plucked, preset):
    t = replace(PRESETS[preset], data=str(tmp_path / "out"), seconds=0.2, batch=2)
    spec, is_music = t.codec.spec, preset.startswith("audio")
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", np.roll(np.tile(plucked, (5, 1)), 1000 * i), 44100)
    clips = [Clip(tmp_path / f"{i}.wav", "s", "train", "notes") for i in range(3)]
    assert write_shards(clips, tmp_path / "out", 0.04, 0, spec.sample_rate_hz, channels=1 + is_music) == 3
    found, task = prepare(t).batches, task_of(t.codec)
    own = [task.batches(task.read_shard(found.shard(lane, 0), spec), t).batch(4, [lane])["x"] for lane in range(2)]
    np.testing.assert_array_equal(found.batch(4)["x"], np.concatenate(own))
