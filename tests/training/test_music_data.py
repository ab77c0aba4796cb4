"""Material for music: what lies in the cache, and batches that are reproducible, loud, and know their masks."""

import numpy as np
import pytest
import soundfile

from lpcnet_cq.training.data import Clip
from lpcnet_cq.training.music_data import PEAKS_DB, MusicBatches, build_recordings, read_shard
from lpcnet_cq.training.music_objective import compared
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.psychoacoustic_loss import threshold_db
from lpcnet_cq.training.tar_corpus import ShardBatches, shards_of, write_shards
from lpcnet_cq.work.tar_shards import ShardWriter

C = PRESETS["audio-tiny"].codec
FS, N = C.spec.sample_rate_hz, C.spec.hop
SECONDS = 0.1


@pytest.fixture(scope="module")
def recordings(tmp_path_factory, plucked):
    """Return a piece of sixteen seconds in stereo, and some short sounds with one channel, ever lower."""
    folder = tmp_path_factory.mktemp("music")
    soundfile.write(folder / "piece.wav", np.tile(plucked, (32, 1)), FS)
    clips = [Clip(folder / "piece.wav", "a", "train", "pieces")]
    for i in range(4):
        soundfile.write(folder / f"{i}.wav", plucked[:: i + 1, 0], FS)
        clips.append(Clip(folder / f"{i}.wav", "b", "train", "notes"))
    return build_recordings(clips, folder / "cache", C.spec), clips, folder / "cache"


def test_recordings_lie_one_behind_the_other_in_two_channels(recordings, plucked):
    made, clips, cache = recordings
    assert [len(made.sources[k]) for k in ("notes", "pieces")] == [4, 1]
    (first, stop), note = made.sources["pieces"][0], made.sources["notes"][1]
    np.testing.assert_allclose(made.pcm[first:stop] / 32768, np.tile(plucked, (32, 1)), atol=1 / 32768)
    assert (made.pcm[slice(*note), 0] == made.pcm[slice(*note), 1]).all()
    before = {p: p.stat().st_mtime_ns for p in cache.rglob("*")}
    build_recordings(clips, cache, C.spec)
    assert {p: p.stat().st_mtime_ns for p in cache.rglob("*")} == before


def test_batches_are_a_function_of_seed_and_step(recordings):
    a, b, other = (MusicBatches(recordings[0], 3, SECONDS, seed, C) for seed in (1, 1, 2))
    for step in (0, 5):
        for k, v in a.batch(step).items():
            np.testing.assert_array_equal(v, b.batch(step)[k])
    assert not np.array_equal(a.batch(0)["x"], other.batch(0)["x"])
    assert not np.array_equal(a.batch(0)["x"], a.batch(1)["x"])


def test_batches_have_the_shapes_and_the_masks_of_what_is_compared(recordings):
    batches = MusicBatches(recordings[0], 2, SECONDS, 0, C)
    T = round(SECONDS * FS / N)
    batch = batches.batch(3)
    assert batch["x"].shape == (2, 2, (T + 2) * N) and batch["x"].dtype == np.float32
    assert batch["is_short"].shape == (2, T + 2) and set(batch["is_short"].ravel()) <= {0.0, 1.0}
    judged = threshold_db(batch["x"][..., compared(C, T)], FS)
    np.testing.assert_array_equal(batch["mask_db"], judged)


def test_crops_are_loud_and_some_have_one_channel_only(recordings):
    batches = MusicBatches(recordings[0], 16, SECONDS, 0, C)
    x = np.concatenate([batches.batch(i)["x"] for i in range(10)])
    peaks_db = 20 * np.log10(np.abs(x).max(axis=(1, 2)))
    assert PEAKS_DB[0] - 3.1 < peaks_db.min() < -10 and -2 < peaks_db.max() <= PEAKS_DB[1] + 0.1  # mono may be softer
    mono = (x[:, 0] == x[:, 1]).all(axis=1).mean()
    assert 0.05 < mono < 0.5


def test_too_long_is_refused(recordings):
    made = recordings[0]
    alone = type(made)(made.pcm, {"pieces": made.sources["pieces"]}, made.spec)
    with pytest.raises(ValueError, match="at most the length of the longest recording"):
        MusicBatches(alone, 1, 60, 0, C)


def test_a_tar_shard_is_read_as_its_recordings_are(recordings, tmp_path):
    """Collections keep their names, so that short sounds are mixed to scenes; only the order differs."""
    made, clips, _ = recordings
    assert write_shards(clips, tmp_path, 10.0, 0, FS, channels=2) == 1
    found = read_shard(tmp_path / "train-000000.tar", C.spec)
    assert {name: len(spans) for name, spans in found.sources.items()} == {"notes": 4, "pieces": 1}
    for name, spans in found.sources.items():
        here, there = (
            sorted(r.pcm[a:b].tobytes() for a, b in of) for r, of in ((found, spans), (made, made.sources[name]))
        )
        assert here == there


def test_batches_of_shards_are_those_of_their_shard(recordings, tmp_path):
    write_shards(recordings[1], tmp_path, 10.0, 0, FS, channels=2)

    def draw(path):
        return MusicBatches(read_shard(path, C.spec), 2, SECONDS, 0, C)

    (path,) = shards_of(tmp_path, "train")
    stream = ShardBatches([path], draw, 2, 0)
    for step in (0, 300):
        for name, value in draw(path).batch(step).items():
            np.testing.assert_array_equal(stream.batch(step)[name], value)
    np.testing.assert_array_equal(stream.batch(7, range(1, 2))["x"][0], draw(path).batch(7)["x"][1])


def test_a_tar_shard_without_recordings_is_refused(tmp_path):
    with open(tmp_path / "train-0.tar", "wb") as file, ShardWriter(file) as shard:
        shard.add("a.txt", b"x")
    with pytest.raises(ValueError, match=r"train-0\.tar` has no recording"):
        read_shard(tmp_path / "train-0.tar", C.spec)
