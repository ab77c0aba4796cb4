"""The cache of recordings: what lies where in it, and trainings that fill it at once."""

import numpy as np

from dsp.frames import FrameSpec
from lpcnet_cq.training import cache
from lpcnet_cq.training.data import Clip

SPEC = FrameSpec()


def test_recordings_lie_one_behind_the_other_and_are_clipped(tmp_path):
    x = {"a": np.array([0.5, 2.0]), "b": np.array([-2.0]), "c": np.array([1 / 32768, 0.0, -0.25])}
    clips = [Clip(tmp_path / name, "s", "train", source) for name, source in (("a", "one"), ("b", "two"), ("c", "one"))]
    spans = cache.write_pcm(clips, tmp_path / "pcm.i16", lambda clip: x[clip.path.name])
    assert spans == {"one": [(0, 2), (3, 6)], "two": [(2, 3)]}
    assert np.fromfile(tmp_path / "pcm.i16", np.int16).tolist() == [16384, 32767, -32768, 1, 0, -8192]


def test_samples_of_channels_lie_side_by_side(tmp_path):
    clips = [Clip(tmp_path / "a", "s", "train", "one")]
    spans = cache.write_pcm(clips, tmp_path / "pcm.i16", lambda clip: np.array([[0.5, -0.5], [0.25, 0.0]]))
    assert spans == {"one": [(0, 2)]}
    assert np.fromfile(tmp_path / "pcm.i16", np.int16).tolist() == [16384, -16384, 8192, 0]


def test_two_trainings_may_fill_the_same_cache(tmp_path):
    """Whoever comes second takes what the first has made, and leaves nothing of its own."""
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    clips = [Clip(tmp_path / "a.wav", "s", "train")]

    def fill(name):
        return lambda _, folder: (folder / name).touch()

    def fill_late(clips, folder):
        cache.cached(clips, tmp_path / "cache", SPEC, fill("first"))
        fill("second")(clips, folder)

    folder = cache.cached(clips, tmp_path / "cache", SPEC, fill_late)
    assert [path.name for path in folder.iterdir()] == ["first"]
    assert list((tmp_path / "cache").iterdir()) == [folder]
