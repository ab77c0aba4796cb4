"""A packed corpus is one file of limited size, and the experiments read it as the folder that it was."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import pack_speech

from lpcnet_cq.training.data import open_corpus

N_CLIPS, N_BYTES = 3, 2044  # of each speaker; of a recording


@pytest.fixture
def corpus(tmp_path):
    for split, speaker in (("train", "ann"), ("train", "ben"), ("dev", "eve")):
        folder = tmp_path / "corpus" / split / speaker
        folder.mkdir(parents=True)
        for i in range(N_CLIPS):
            soundfile.write(folder / f"{i}.wav", np.full(1000, 0.1 * i), 16000)
    return tmp_path / "corpus"


def speakers(folder):
    return Counter((clip.speaker, clip.split) for clip in open_corpus(folder))


def test_all_recordings_with_their_speakers_and_splits(corpus, tmp_path):
    out = tmp_path / "speech.zip"
    pack_speech.main([str(corpus), str(out), "--megabytes", "1"])
    folder = pack_speech.unpack(str(out), tmp_path)
    assert speakers(folder) == speakers(corpus) and len(speakers(folder)) == 3
    clip, packed = (next(c for c in open_corpus(f) if c.speaker == "ben") for f in (corpus, folder))
    assert clip.path.read_bytes() == packed.path.read_bytes()


def test_a_limit_keeps_held_out_speech_and_all_speakers(corpus, tmp_path):
    n = N_CLIPS + 3
    assert (corpus / "train" / "ann" / "0.wav").stat().st_size == N_BYTES
    assert pack_speech.pack(str(corpus), tmp_path / "speech.zip", n * N_BYTES + 100) == n
    found = speakers(pack_speech.unpack(str(tmp_path / "speech.zip"), tmp_path))
    assert found == {("eve", "dev"): N_CLIPS, ("ann", "train"): 2, ("ben", "train"): 1}


def test_a_folder_is_used_as_it_is(corpus, tmp_path):
    assert pack_speech.unpack(str(corpus), tmp_path) == str(corpus)
