"""The sounds of `docs/samples`: page, list and files agree, and what is generated is aligned and licensed."""

import csv
import doctest
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("matplotlib", reason="the points of comparison are those of the curves")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import samples
import samples_page
import samples_table

import lpcnet_cq
from lpcnet_cq.bitstream.protection import choose_protection
from lpcnet_cq.evaluation.bench import speech_like
from lpcnet_cq.training.active_level import active_level_dbov

RATE_HZ = samples.RATE_HZ
FOLDER = samples_page.OUT
FOUND = json.loads((FOLDER / "samples.json").read_text(encoding="utf-8"))
FILES = [FOUND["originals"], *(version["files"] for version in FOUND["versions"])]
SECONDS = sum(r["samples"] for r in FOUND["recordings"]) / RATE_HZ


def read(file):
    x, rate_hz = soundfile.read(FOLDER / file, dtype="int16")
    assert rate_hz == RATE_HZ and x.ndim == 1
    return x / 2**15


def test_the_pages_are_those_of_the_list():
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == samples_table.markdown(FOUND)
    assert (FOLDER / "index.html").read_text(encoding="utf-8") == samples_table.html(FOUND)


def test_every_link_leads_to_a_file_and_every_file_has_a_link():
    listed = {file for files in FILES for file in files}
    streams = {file for version in FOUND["versions"] for file in version.get("streams", [])}
    pages = {"README.md", "index.html", "samples.json"}
    assert {path.name for path in FOLDER.iterdir()} == listed | streams | pages
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 6e6
    links = re.findall(r"\(([^)?]+\.flac)\?raw=true\)", samples_table.markdown(FOUND))
    played = re.findall(r'<audio [^>]*src="([^"]+)"', samples_table.html(FOUND))
    assert set(links) == set(played) == listed and len(links) == len(played) == len(listed)


def test_both_pages_name_licence_and_author_of_every_recording():
    for recording in FOUND["recordings"]:
        assert samples.FREE.match(recording["licence"])
        for page in (samples_table.markdown(FOUND), samples_table.html(FOUND)):
            assert recording["credit"] in page
            assert samples_table.licence_url(recording["licence"]) in page


@pytest.mark.parametrize("files", FILES, ids=lambda files: files[0])
def test_versions_are_as_long_as_the_originals_and_aligned_at_one_level(files):
    for original, file, recording in zip(FOUND["originals"], files, FOUND["recordings"], strict=True):
        x, y = read(original), read(file)
        assert len(x) == len(y) == recording["samples"]
        assert active_level_dbov(y, samples.FRAME) == pytest.approx(FOUND["levelDbov"], abs=0.05)
        around = np.fft.irfft(np.fft.rfft(y, 2 * len(x)) * np.conj(np.fft.rfft(x, 2 * len(x))))
        lag = int(np.argmax(around))
        assert min(lag, 2 * len(x) - lag) <= 2


@pytest.mark.parametrize("version", FOUND["versions"], ids=samples_table.heading)
def test_bitrates_are_those_of_the_bytes(version):
    assert version["kbps"] == round(sum(version["bits"]) / SECONDS / 1000, 2)
    for bits, stream in zip(version["bits"], version.get("streams", []), strict=False):
        assert bits == 8 * (FOLDER / stream).stat().st_size
    for bits, recording in zip(version["bits"], FOUND["recordings"], strict=True):
        assert 0.85 < bits / recording["samples"] * RATE_HZ / 1000 / version["kbps"] < 1.15


def test_the_files_of_ours_decode_to_the_sounds_of_the_page():
    codec = lpcnet_cq.load()
    assert codec.name == FOUND["weights"]
    coded = [version for version in FOUND["versions"] if "streams" in version]
    assert len(coded) == len(samples_page.OWN_KBPS)
    for version in coded:
        for file, stream in zip(version["files"], version["streams"], strict=True):
            y, _ = codec.decode((FOLDER / stream).read_bytes())
            np.testing.assert_allclose(read(file), samples.at_level(y, FOUND["levelDbov"]), rtol=0, atol=2.5 * 2**-15)


class Quiet:
    """A codec of eight bits that decodes to a tenth of the amplitude."""

    name, sample_rate_hz = "quiet", RATE_HZ

    def encode(self, x, sample_rate_hz, bitrate_bps):
        return np.round(x * 127).astype(np.int8).tobytes()

    def decode(self, data):
        return 0.1 * np.frombuffer(data, np.int8).astype(np.float32) / 127, RATE_HZ


@pytest.fixture
def corpus(tmp_path):
    """Return a folder with a free recording and one that is not."""
    (tmp_path / "data").mkdir()
    with open(tmp_path / "data" / "index.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "split", "speaker", "source", "licence"))
        writer.writerows([("a.flac", "dev", "me", "<mine>", "CC0"), ("b.flac", "dev", "you", "x", "CC-BY-NC-4.0")])
    for name in "ab":
        soundfile.write(tmp_path / "data" / f"{name}.flac", speech_like(7.0, RATE_HZ), RATE_HZ)
    return tmp_path / "data"


def test_a_page_is_made_of_what_is_installed(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("lpcnet_cq.load", lambda name: Quiet())
    own = samples_page.Version("ours", lambda sounds: samples_page.code_own(Quiet(), 9.0, sounds))
    monkeypatch.setattr(samples_page, "versions", lambda codec: ([own], ["Opus is missing: no library."]))
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.flac").write_bytes(b"")
    samples_page.main([str(corpus), "--recordings", "me/a", "--out", str(out)])
    found = json.loads((out / "samples.json").read_text())
    assert found["versions"][0]["kbps"] == 128.0
    stem = "me-a-ours-128k"
    assert {p.name for p in out.glob("me-*")} == {f"{stem}.flac", f"{stem}.cq", "me-a-original.flac"}
    assert not (out / "old.flac").exists()
    text = (out / "index.html").read_text()
    assert "&lt;mine&gt;" in text and "Opus is missing" in text and "<mine>" not in text
    assert "training data" not in text and samples_table.LOSSES not in text
    assert {p.name for p in tmp_path.iterdir()} == {"data", "out"}


def test_speakers_are_called_unheard_for_the_default_corpus_and_released_weights_only(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("lpcnet_cq.load", lambda name: Quiet())
    monkeypatch.setattr(samples_page, "versions", lambda codec: ([], []))
    monkeypatch.setattr(samples_page, "default_corpus", lambda: corpus)
    words, options = "No speaker is in the training data", ["--recordings", "me/a", "--out", str(tmp_path / "out")]
    for credit, more, known in (
        ("Asterisk prompts", [], False),
        ("<mine>", [], True),
        ("<mine>", ["--model", "cq"], False),
        ("<mine>", [str(corpus)], False),
    ):
        monkeypatch.setattr(samples_page, "UNHEARD", credit)
        samples_page.main([*more, *options])
        assert (words in (tmp_path / "out" / "README.md").read_text()) == known


def test_a_coder_that_fails_leaves_the_folder_as_it_was(corpus, tmp_path, monkeypatch):
    def fail(sounds):
        raise ValueError("no library")

    monkeypatch.setattr("lpcnet_cq.load", lambda name: Quiet())
    monkeypatch.setattr(samples_page, "versions", lambda codec: ([samples_page.Version("x", fail)], []))
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.flac").write_bytes(b"old")
    with pytest.raises(ValueError, match="no library"):
        samples_page.main([str(corpus), "--recordings", "me/a", "--out", str(out)])
    assert [p.name for p in out.iterdir()] == ["old.flac"] and (out / "old.flac").read_bytes() == b"old"
    assert {p.name for p in tmp_path.iterdir()} == {"data", "out"}


@pytest.mark.parametrize("licence", ["CC BY", "CC-BY-SA-4", "public domain", "CC0 or not", "CC BY-NC 4.0", ""])
def test_licences_without_a_known_address_are_refused_in_words(licence):
    with pytest.raises(ValueError, match=f"^the licence '{licence}' must be CC0, CC BY or CC BY-SA"):
        samples_table.licence_url(licence)


@pytest.mark.parametrize(("name", "words"), [("you/b", "may not be shared"), ("me/c", "is not in")])
def test_recordings_that_cannot_be_taken_are_refused_in_words(corpus, name, words):
    with pytest.raises(ValueError, match=f"recordings: '{name}' {words}"):
        samples_page.chosen(str(corpus), [name])


def test_the_same_packets_of_all_codecs_are_lost():
    sounds = [np.zeros(320 * 200), np.zeros(320 * 100)]
    lost = samples_page.losses(sounds)
    assert [len(part) for part in lost] == [200, 100]
    assert np.concatenate(lost).mean() == pytest.approx(0.1, rel=0.02)
    assert all(np.array_equal(a, b) for a, b in zip(lost, samples_page.losses(sounds), strict=True))


def test_the_pages_say_how_our_encoder_prepares_for_losses():
    text = samples_table.markdown(FOUND)
    assert samples_table.LOSSES in text and "at 9 kbps, it adds no copies" in text
    protection = choose_protection(samples_page.LOSS_PERCENT / 100, 1000 * samples_page.LOSSY_KBPS)
    assert samples_page.LOSSY_KBPS == 9 and not protection.copies


def test_the_durations_are_those_of_all_recordings():
    assert samples_table.duration(FOUND) == "4 to 5 seconds"
    assert samples_table.duration(FOUND | {"recordings": FOUND["recordings"][:1]}) == "about 4 seconds"


def test_examples():
    assert doctest.testmod(samples_table).failed == 0
