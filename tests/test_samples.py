"""Samples of the listening test: licences, excerpts, levels and the anchor."""

import csv
import doctest
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

pytest.importorskip("matplotlib", reason="the points of comparison are those of the curves")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import samples

from lpcnet_cq.evaluation.bench import speech_like
from lpcnet_cq.training.active_level import active_level_dbov

RATE_HZ = samples.RATE_HZ


class Quiet:
    """A codec of eight bits that decodes to a tenth of the amplitude."""

    name, sample_rate_hz = "quiet", RATE_HZ

    def encode(self, x, sample_rate_hz, bitrate_bps):
        return np.round(x * 127).astype(np.int8).tobytes()

    def decode(self, data):
        return 0.1 * np.frombuffer(data, np.int8).astype(np.float32) / 127, RATE_HZ


@pytest.fixture
def corpus(tmp_path):
    """Return a folder with held-out recordings of several licences."""
    rows = [("a", "CC0"), ("b", "CC-BY-NC-4.0"), ("c", ""), ("d", "CC-BY-4.0")]
    with open(tmp_path / "index.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "split", "speaker", "source", "licence"))
        writer.writerows((f"{name}.flac", "dev", name, "x", licence) for name, licence in rows)
        writer.writerow(("e.flac", "train", "e", "x", "CC0"))
    for speaker in "abcde":
        soundfile.write(tmp_path / f"{speaker}.flac", speech_like(9.0, RATE_HZ), RATE_HZ)
    return tmp_path


def test_samples_are_free_and_have_one_level(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("lpcnet_cq.load", lambda name: Quiet())
    samples.main([str(corpus), "--out", str(tmp_path / "out"), "--rates", "9k", "--peers", "none"])
    found = json.loads((tmp_path / "out" / "samples.json").read_text())
    assert {(item["name"], item["licence"]) for item in found["items"]} == {("a", "CC0"), ("d", "CC-BY-4.0")}
    (own,) = found["tests"][0]["systems"]
    assert own["name"] == "lpcnet_cq" and own["kbps"] == 128.0
    for files in (found["references"], found["anchor"]["files"], own["files"]):
        sounds = [soundfile.read(tmp_path / "out" / file)[0] for file in files]
        assert [active_level_dbov(x, samples.FRAME) for x in sounds] == pytest.approx(2 * [-26.0], abs=0.02)
        assert all(5.5 <= len(x) / RATE_HZ <= 6.5 for x in sounds)


def test_recordings_without_a_free_licence_are_refused_in_words(corpus):
    text = (corpus / "index.csv").read_text()
    (corpus / "index.csv").write_text(text.replace("CC0", "all rights reserved").replace("CC-BY-4.0", ""))
    with pytest.raises(ValueError, match=r"no held-out recording in .* has a licence that allows to share it"):
        samples.choose(str(corpus), 6)


def test_examples():
    assert doctest.testmod(samples).failed == 0


def test_an_excerpt_has_most_speech_and_is_cut_where_it_is_quiet():
    x = np.ones(12 * RATE_HZ)
    x[: 3 * RATE_HZ] = 0.001  # a long pause
    pauses = [round(3.4 * RATE_HZ), round(9.5 * RATE_HZ)]
    for at in pauses:
        x[at - 400 : at + 400] = 0
    y = samples.excerpt(x, 6.0)
    assert y[0] == y[-1] == 0 and y[len(y) // 2] == 1
    assert 5.5 <= len(y) / RATE_HZ <= 6.5
    assert np.mean(y == 1) > 0.9


def test_the_anchor_is_that_of_bs_1534():
    h = samples.anchor(np.r_[np.zeros(400), 1.0, np.zeros(400)])
    f, response = signal.freqz(h, worN=8192, fs=RATE_HZ)
    db = 20 * np.log10(np.abs(response) + 1e-9)
    assert np.abs(db[f <= 3500]).max() <= 0.1
    assert db[f >= 4000].max() <= -25
    assert db[f >= 4500].max() <= -50
    assert np.argmax(np.abs(h)) == 400
