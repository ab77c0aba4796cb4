"""Corpora: who speaks, what is held out, and recordings read at the coding rate."""

import csv

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from dsp.frames import FrameSpec
from lpcnet_cq.training import data
from lpcnet_cq.training.data import Clip, hold_out, open_corpus, read_clip

FS = FrameSpec().sample_rate_hz


def tone(seconds, frequency_hz=440.0, amplitude=0.3, rate_hz=FS):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(0).normal(0, 0.01, len(t))
    return amplitude * np.sin(2 * np.pi * frequency_hz * t) + noise


def write(path, x, rate_hz=FS, **format):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x, rate_hz, **format)
    return path


def touch(root, *paths):
    for p in paths:
        write(root / p, tone(0.05))


# ------------------------------------------------------------------------------------------------ corpora


@pytest.mark.parametrize(
    ("paths", "speakers"),
    [
        (["84/121123/84-1.flac", "174/50561/174-1.flac"], {"84", "174"}),
        (["dev-clean/84/121123/84-1.flac", "dev-clean/174/5/174-1.flac"], {"84", "174"}),
        (["LibriSpeech/dev-other/84/1/a.flac", "LibriSpeech/dev-other/9/1/b.flac"], {"84", "9"}),
        (
            ["wav48_silence_trimmed/p225/p225_001_mic1.flac", "wav48_silence_trimmed/p226/x.flac"],
            {"p225", "p226"},
        ),
        (["VCTK-Corpus/wav48/p225/p225_001.wav", "VCTK-Corpus/wav48/p226/p226_001.wav"], {"p225", "p226"}),
        (["TRAIN/DR1/FCJF0/SA1.WAV", "TEST/DR2/MABC0/SA1.WAV"], {"FCJF0", "MABC0"}),
        (["ann/1.wav", "ann/deeper/2.ogg", "bob/3.flac"], {"ann", "bob"}),
    ],
)
def test_speakers_of_common_layouts(tmp_path, paths, speakers):
    touch(tmp_path, *paths)
    clips = open_corpus(tmp_path)
    assert {c.path for c in clips} == {tmp_path / p for p in paths}
    assert {c.speaker for c in clips} == speakers
    assert {c.split for c in clips} == {"train", "dev"}


def test_split_folders_decide_who_is_held_out(tmp_path):
    touch(tmp_path, "TIMIT/TRAIN/DR1/FA/SX1.WAV", "TIMIT/TRAIN/DR1/FB/SX1.WAV", "TIMIT/TEST/DR1/MC/SX1.WAV")
    assert {c.speaker: c.split for c in open_corpus(tmp_path)} == {"FA": "train", "FB": "train", "MC": "dev"}


def test_second_microphone_and_hidden_files_are_left_out(tmp_path):
    touch(tmp_path, "p1/p1_001_mic1.flac", "p1/p1_001_mic2.flac", "p2/p2_001_mic1.flac", "p2/._x.wav")
    (tmp_path / "p2" / "notes.txt").write_text("no audio")
    assert sorted(c.path.name for c in open_corpus(tmp_path)) == ["p1_001_mic1.flac", "p2_001_mic1.flac"]


def test_index_is_taken_at_its_word(tmp_path):
    touch(tmp_path, "speech/train/a/1.flac", "speech/dev/b/2.flac", "audio/train/piano.flac", "stray/3.wav")
    rows = [
        ("speech/train/a/1.flac", "train", "read", "a"),
        ("speech/dev/b/2.flac", "dev", "read", "b"),
        ("audio/train/piano.flac", "train", "piano", ""),
    ]
    with open(tmp_path / "index.csv", "w", newline="") as f:
        csv.writer(f).writerows([("path", "split", "source", "speaker"), *rows])
    clips = open_corpus(tmp_path)
    assert [(c.path.name, c.speaker, c.split, c.source) for c in clips] == [
        ("1.flac", "a", "train", "read"),
        ("2.flac", "b", "dev", "read"),
    ]


def write_index(root, rows):
    touch(root, *(path for path, *_ in rows))
    with open(root / "index.csv", "w", newline="") as f:
        csv.writer(f).writerows([("path", "split", "speaker"), *rows])


def test_third_split_of_an_index_is_never_trained_on(tmp_path):
    rows = [(f"{s}{i}.wav", s, f"{s}-{i}") for s in ("train", "dev", "test", "valid") for i in range(3)]
    write_index(tmp_path, rows)
    got = {c.path.name: c.split for c in open_corpus(tmp_path)}
    assert got == {path: "train" if split == "train" else "dev" for path, split, _ in rows}


def test_recordings_without_a_split_go_with_their_speaker(tmp_path):
    rows = [
        ("1.wav", "train", "a"),
        ("2.wav", "dev", "b"),
        ("3.wav", "", "a"),
        ("4.wav", "", "b"),
        ("5.wav", "", "c"),
    ]
    write_index(tmp_path, rows)
    assert {c.path.name[0]: c.split for c in open_corpus(tmp_path)} == {
        "1": "train",
        "2": "dev",
        "3": "train",
        "4": "dev",
        "5": "train",
    }


def test_unknown_split_is_refused(tmp_path):
    write_index(tmp_path, [("1.wav", "train", "a"), ("2.wav", "holdout", "b")])
    with pytest.raises(ValueError, match=r"'holdout' for '.*2\.wav'"):
        open_corpus(tmp_path)


def test_held_out_speakers_hang_on_names_alone():
    clips = [Clip(data.Path(f"{s}/{i}.wav"), f"s{s}", "") for s in range(40) for i in range(3)]
    held = {c.speaker for c in hold_out(clips) if c.split == "dev"}
    assert len(held) == 4
    assert held.isdisjoint(c.speaker for c in hold_out(clips) if c.split == "train")
    assert {c.speaker for c in hold_out(clips[::-1]) if c.split == "dev"} == held


def test_single_speaker_holds_out_files(tmp_path):
    touch(tmp_path, *(f"{i}.wav" for i in range(20)))
    assert sum(c.split == "dev" for c in open_corpus(tmp_path)) == 2


@pytest.mark.parametrize("make", ["missing", "empty", "dangling", "no path column"])
def test_unusable_folders_say_so(tmp_path, make):
    folder = tmp_path / "corpus"
    if make != "missing":
        folder.mkdir()
    if make == "dangling":
        (folder / "index.csv").write_text("path,split\nspeech/gone.wav,train\n")
    if make == "no path column":
        (folder / "index.csv").write_text("file,split\na.wav,train\n")
    with pytest.raises(ValueError, match=r"data: .*corpus"):
        open_corpus(folder)


# ------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_any_rate_and_channels_become_mono_at_the_coding_rate(tmp_path, suffix):
    x = tone(1.0, rate_hz=48000)
    path = write(tmp_path / f"x{suffix}", np.stack([x, 0.5 * x], 1), 48000)
    y = read_clip(Clip(path, "s", "train"), FS)
    ref = resample_poly(0.75 * x, 1, 3)
    assert y.shape == (FS,)
    assert y.dtype == np.float32
    inner = slice(1600, -1600)
    assert np.sqrt(np.mean((y - ref)[inner] ** 2)) < 0.02 * np.sqrt(np.mean(ref[inner] ** 2)) + 0.008


def test_sphere_files_are_read(tmp_path):
    x = tone(0.1)
    path = write(tmp_path / "SA1.WAV", x, format="NIST", subtype="PCM_16")
    assert path.read_bytes().startswith(b"NIST_1A")
    np.testing.assert_allclose(read_clip(Clip(path, "s", "train"), FS), x, atol=1 / 32768)


def test_unreadable_and_not_finite_files_are_named(tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio at all")
    nan = write(tmp_path / "nan.wav", np.array([0.0, np.nan]), subtype="FLOAT")
    for path in (bad, nan):
        with pytest.raises(ValueError, match=path.name):
            read_clip(Clip(path, "s", "train"), FS)
