import csv
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from dsp.frames import FrameSpec
from lpcnet_cq.speech.analysis import analyse_lsf
from lpcnet_cq.training import data
from lpcnet_cq.training.active_level import active_level_dbov
from lpcnet_cq.training.data import Batches, Clip, build_shards, hold_out, open_corpus, read_clip
from lpcnet_cq.training.psychoacoustic_loss import threshold_db

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


def touch(root, *paths):
    for p in paths:
        write(root / p, tone(0.05))


@pytest.fixture
def shards(tmp_path):
    clips = []
    for source, seconds, frequency_hz in (("big", 8.0, 440.0), ("small", 2.5, 2000.0)):
        path = write(tmp_path / source / "s1" / "a.wav", tone(seconds, frequency_hz))
        clips.append(Clip(path, "s1", "train", source))
    return build_shards(clips, tmp_path / "cache", SPEC)


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
    with pytest.raises(ValueError, match=r"2\.wav.*'holdout'"):
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


# ------------------------------------------------------------------------------------------------ shards


def test_shards_hold_the_recordings_and_the_analysis_of_the_joined_signal(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "_CHUNK_PACKETS", 7)  # so that pieces have to meet
    clips = [
        Clip(write(tmp_path / f"{i}.wav", tone(0.4 + 0.11 * i, 300.0 * (i + 1))), "s", "train")
        for i in range(3)
    ]
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
        m.setattr(data, "analyse_lsf", None)  # would fail if it were needed
        again = build_shards(clips, cache, SPEC)
    np.testing.assert_array_equal(first.lsf, again.lsf)
    build_shards(clips, cache, replace(SPEC, look_ahead=64))
    monkeypatch.setattr(data, "ANALYSIS_VERSION", -1)
    build_shards(clips, cache, SPEC)
    assert len(list(cache.iterdir())) == 3


def test_two_trainings_may_fill_the_same_cache(tmp_path):
    """Whoever comes second takes what the first has made, and leaves nothing of its own."""
    clips = [Clip(write(tmp_path / "a.wav", tone(0.5)), "s", "train")]

    def fill(name):
        return lambda _, folder: (folder / name).touch()

    def fill_late(clips, folder):
        data.cached(clips, tmp_path / "cache", SPEC, fill("first"))
        fill("second")(clips, folder)

    folder = data.cached(clips, tmp_path / "cache", SPEC, fill_late)
    assert [path.name for path in folder.iterdir()] == ["first"]
    assert list((tmp_path / "cache").iterdir()) == [folder]


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
    with pytest.raises(ValueError, match=r"seconds: 60"):
        Batches(shards, 1, 60, seed=0)


def test_batches_have_masking_thresholds_where_they_are_asked_for(shards):
    plain, masked = (Batches(shards, 2, 0.5, seed=0, masks=masks).batch(3) for masks in (False, True))
    assert "mask_db" not in plain
    np.testing.assert_array_equal(plain["x"], masked["x"])
    np.testing.assert_array_equal(masked["mask_db"], threshold_db(plain["x"], 16000))
