import csv
import json
import struct

import numpy as np
import pytest
import soundfile

from lpcnet_cq.evaluation import evaluate as ev
from lpcnet_cq.evaluation import metrics
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.training.data import Clip

pictures = pytest.importorskip("lpcnet_cq.evaluation.plots", reason="needs matplotlib")
RATE_HZ = metrics.METRIC_RATE_HZ


def speech(seconds, seed=0):
    """Vowel-like: a pulse train of wandering pitch through resonances, in bursts of a quarter second."""
    from scipy.signal import lfilter

    rng = np.random.default_rng(seed)
    n = round(seconds * RATE_HZ)
    corners = np.arange(0, n + 4000, 4000)
    phase = np.cumsum(np.interp(np.arange(n), corners, rng.uniform(90, 180, len(corners))))
    x = np.diff(np.floor(phase / RATE_HZ), prepend=0.0) + 0.01 * rng.normal(size=n)
    for frequency_hz, width_hz in ((600, 80), (1500, 120), (2800, 200)):
        r = np.exp(-np.pi * width_hz / RATE_HZ)
        x = lfilter([1], [1, -2 * r * np.cos(2 * np.pi * frequency_hz / RATE_HZ), r * r], x)
    x *= 0.05 + np.clip(np.sin(2 * np.pi * 2 * np.arange(n) / RATE_HZ), 0, 1)
    return 0.5 * x / np.abs(x).max()


def write_log(path):
    """Write a training log whose first lines lack a column."""
    keys = ("loss", "nsr_db", "mel", "latent_bps", "lsf_bps", "gain_bps")
    lines = [{"step": i, "minutes": i / 10} | {k: float(i) for k in keys if k != "mel" or i > 2} for i in range(1, 60)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class EightBit:
    """A codec of one byte a sample: known rate, known distortion."""

    kind, sample_rate_hz, channels, config = "speech", RATE_HZ, 1, SpeechConfig()
    encoded = 0

    def encode(self, x, sample_rate_hz, bitrate_bps):
        self.encoded += 1
        return struct.pack("<II", sample_rate_hz, len(x)) + np.round(x * 127).astype(np.int8).tobytes()

    def decode(self, data):
        rate_hz, n = struct.unpack("<II", data[:8])
        return np.frombuffer(data[8:], np.int8, n).astype(np.float32) / 127, rate_hz

    def info(self, data):
        return {"bits": {"latents": 8 * (len(data) - 8), "overhead": 64}}


@pytest.fixture
def clips(tmp_path):
    made = []
    for i, (source, speaker) in enumerate((("a", "s1"), ("a", "s2"), ("b", "s3"))):
        path = tmp_path / f"{speaker}.wav"
        soundfile.write(path, speech(1.5, i), RATE_HZ)
        made.append(Clip(path, speaker, "dev", source))
    return made


@pytest.fixture
def fast(monkeypatch):
    """Score with the metrics that need no package, and draw small pictures."""
    monkeypatch.setattr(pictures, "DPI", 40)
    monkeypatch.setattr(ev, "N_SAMPLES", 1)
    monkeypatch.setattr(ev, "metrics_for", lambda codec: {k: metrics.METRICS[k] for k in ("si_sdr_db", "snr_db")})


def test_rates_and_scores_are_those_of_the_bytes(clips, tmp_path, fast):
    rows = ev.evaluate(EightBit(), clips, 9000, tmp_path / "out")
    assert [r["speaker"] for r in rows] == ["s1", "s2", "s3"]
    for r in rows:
        assert r["bytes"] == 8 + RATE_HZ * 1.5
        assert r["kbps"] == pytest.approx(8 * (8 + RATE_HZ * 1.5) / 1500)
        assert r["latents_bits"] + r["overhead_bits"] == 8 * r["bytes"]
    x, _ = soundfile.read(clips[0].path)
    error = np.round(x * 127) / 127 - x
    assert rows[0]["snr_db"] == pytest.approx(10 * np.log10(np.var(x) / np.var(error)), abs=0.05)


def test_evaluation_leaves_table_rows_pictures_and_sound(clips, tmp_path, fast):
    out = tmp_path / "out"
    rows = ev.evaluate(EightBit(), clips, 9000, out)
    with open(out / "evaluation.csv", newline="") as f:
        read = list(csv.DictReader(f))
    assert [float(r["kbps"]) for r in read] == pytest.approx([r["kbps"] for r in rows], rel=1e-4)
    markdown = (out / "evaluation.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in markdown] == ["", "---", "all", "a", "b"]
    assert (out / "bits.png").read_bytes().startswith(b"\x89PNG")
    y, rate_hz = soundfile.read(out / "samples" / "s1-s1-decoded.wav")
    assert rate_hz == RATE_HZ
    assert np.abs(y - soundfile.read(clips[0].path)[0]).max() < 1 / 200
    assert (out / "samples" / "s1-s1.png").stat().st_size > 10_000


def test_a_second_run_measures_only_what_the_manifest_lacks(clips, tmp_path, fast):
    pytest.importorskip("pyarrow", reason="needs the extra `cluster`")
    from lpcnet_cq.work.manifest import Manifest

    codec, whole = EightBit(), ev.evaluate(EightBit(), clips, 9000, tmp_path / "whole")
    for measured in (clips[:2], clips):
        with Manifest(tmp_path / "m.parquet", {}, unit_of=str) as manifest:
            rows = ev.evaluate(codec, measured, 9000, tmp_path / "parts", manifest=manifest)
    assert rows == whole and list(map(list, rows)) == list(map(list, whole))
    assert (tmp_path / "parts" / "evaluation.csv").read_bytes() == (tmp_path / "whole" / "evaluation.csv").read_bytes()
    assert codec.encoded == 3


def test_a_recording_that_cannot_be_read_is_named(clips, tmp_path, fast):
    clips[1].path.write_bytes(b"no sound")
    with pytest.raises(ValueError) as found:
        ev.evaluate(EightBit(), clips, 9000, tmp_path / "out")
    said = str(found.value)
    assert said.endswith("; 1 of 3 recordings could not be scored")
    assert said.count("s2") == 1 and str(clips[1].path) in said, "the path, once, and no other name"


def test_a_manifest_of_other_metrics_is_refused(tmp_path, monkeypatch, capsys):
    """A package that was installed in between brings a metric that the rows lack."""
    pytest.importorskip("pyarrow", reason="needs the extra `cluster`")
    from lpcnet_cq.cli import main

    monkeypatch.setattr(ev, "report", lambda *_, **__: None)
    monkeypatch.setattr(metrics, "missing_modules", lambda asked: {"pesq": "pesq"})
    command = ["evaluate", "--model", "cq", "--manifest", str(tmp_path / "m.parquet")]
    assert main(command) == main(command) == 0
    monkeypatch.setattr(metrics, "missing_modules", lambda asked: {})
    assert main(command) == 1
    assert "is the manifest of a run with metrics ['estoi', " in capsys.readouterr().err


def test_report_scores_held_out_speakers_and_draws_the_training(tmp_path, fast, capsys):
    for speaker in ("x1", "x2"):
        (tmp_path / "corpus" / speaker).mkdir(parents=True)
        soundfile.write(tmp_path / "corpus" / speaker / f"{speaker}.wav", speech(1.0), RATE_HZ)
    out = tmp_path / "out"
    out.mkdir()
    write_log(out / "metrics.jsonl")
    ev.report(EightBit(), tmp_path / "corpus", 9000, out)
    told = capsys.readouterr().out
    assert "| all | 1 | 1 |" in told and told.startswith((out / "evaluation.md").read_text())
    assert "Lines in decoded white noise at multiples of 250 Hz" in told
    with open(out / "noise_lines.csv", newline="") as f:
        assert [row["level_db"] for row in csv.DictReader(f)] == ["-70", "-60", "-50", "-40", "-30", "-20"]
    assert (out / "training.png").is_file()


def test_no_clips_is_said(tmp_path):
    with pytest.raises(ValueError, match="clips"):
        ev.evaluate(EightBit(), [], 9000, tmp_path)


def test_limit_takes_every_speaker_before_a_second_clip(tmp_path):
    clips = []
    for speaker in "abcd":
        for i in range(5):
            path = tmp_path / f"{speaker}{i}.wav"
            soundfile.write(path, np.zeros(RATE_HZ), RATE_HZ)
            clips.append(Clip(path, speaker, "dev"))
    assert sorted(c.speaker for c in ev.select_clips(clips, 4.0)) == list("abcd")
    assert sorted(c.speaker for c in ev.select_clips(clips, 8.0)) == sorted("abcd" * 2)
    assert ev.select_clips(clips[::-1], 6.0) == ev.select_clips(clips, 6.0)
    assert ev.select_clips(clips, None) == clips


@pytest.mark.parametrize("level", [0, 1])
def test_silence_has_no_score(level):
    """Neither of silence, nor of silence in the place of speech."""
    x, silence = level * speech(1.0), np.zeros(RATE_HZ, np.float32)
    row = ev.score(x, silence, b"", metrics.METRICS, RATE_HZ)
    assert all(np.isnan(row[k]) for k in metrics.METRICS)


def test_missing_packages_are_named_in_the_table(clips, tmp_path, fast, monkeypatch):
    odd = metrics.Metric("Odd Score", lambda x, y, sample_rate_hz: 0.0, ("no_such_module",))
    monkeypatch.setattr(ev, "metrics_for", lambda codec: {"odd": odd, "snr_db": metrics.METRICS["snr_db"]})
    rows = ev.evaluate(EightBit(), clips, 9000, tmp_path / "out")
    assert "odd" not in rows[0] and "snr_db" in rows[0]
    text = (tmp_path / "out/evaluation.md").read_text()
    assert "Not measured: Odd Score (module 'no_such_module' is missing)" in text


def test_table_weighs_rates_by_seconds():
    rows = [
        {"source": "a", "speaker": "s", "seconds": 1.0, "bytes": 2000, "snr_db": 1.0},
        {"source": "a", "speaker": "t", "seconds": 3.0, "bytes": 2000, "snr_db": 3.0},
    ]
    last = ev.table(rows, metrics.METRICS, {}).splitlines()[-1]
    assert [c.strip() for c in last.strip("|").split("|")] == ["all", "2", "2", "0.1", "8.00", "2.0 ± 12.7"]
    alone = ev.table(rows[:1], metrics.METRICS, {}).splitlines()[-1]
    assert alone.endswith("| 1.0 |")  # one clip has no interval


def test_summary_has_the_rate_of_all_seconds_and_means_with_intervals():
    rows = [
        {"seconds": 1.0, "kbps": 16.0, "snr_db": 1.0, "estoi": 0.5},
        {"seconds": 3.0, "kbps": 8.0, "snr_db": 3.0, "estoi": float("nan")},
    ]
    found = ev.summary(rows)
    assert (found["clips"], found["kbps"], found["snr_db"], found["estoi"]) == (2, 10.0, 2.0, 0.5)
    assert found["snr_db_interval"] == pytest.approx(12.706, abs=1e-3) and np.isnan(found["estoi_interval"])


def test_held_out_clips_are_those_of_no_training(tmp_path):
    for name in ("train/a", "dev/b", "dev/c"):
        (tmp_path / name).mkdir(parents=True)
        soundfile.write(tmp_path / name / "x.wav", speech(0.5), RATE_HZ)
    assert [clip.speaker for clip in ev.held_out(tmp_path)] == ["b", "c"]
    assert len(ev.held_out(tmp_path, limit_s=0.1)) == 1


# ------------------------------------------------------------------------------------------------ pictures


def test_spectrogram_shows_a_tone_at_its_frequency_and_level():
    t = np.arange(RATE_HZ) / RATE_HZ
    s = pictures.log_spectrogram(np.sin(2 * np.pi * 2000 * t), RATE_HZ)
    middle = s[:, s.shape[1] // 2]
    assert middle.argmax() == 2000 // (RATE_HZ / 512)
    assert middle.max() == pytest.approx(20 * np.log10(0.5), abs=0.01)  # half of the amplitude at each of +-f


def test_training_curves_from_a_log_with_gaps(tmp_path):
    log = write_log(tmp_path / "metrics.jsonl")
    columns = pictures.read_metrics(log)
    assert np.isnan(columns["mel"][0])
    assert columns["loss"][-1] == 59
    pictures.training_curves(log, tmp_path / "training.png", 9000)
    assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")
