import csv
import json
import struct

import numpy as np
import pytest
import soundfile

from lpcnet_cq.evaluation import evaluate as ev
from lpcnet_cq.training.data import Clip

pictures = pytest.importorskip("lpcnet_cq.evaluation.plots", reason="needs matplotlib")
RATE_HZ = ev.METRIC_RATE_HZ


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
    lines = [
        {"step": i, "minutes": i / 10} | {k: float(i) for k in keys if k != "mel" or i > 2}
        for i in range(1, 60)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class EightBit:
    """A codec of one byte a sample: known rate, known distortion."""

    kind, sample_rate_hz, channels = "speech", RATE_HZ, 1

    def encode(self, x, sample_rate_hz, bitrate_bps):
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
    """Only the metrics that need no package, and small pictures."""
    monkeypatch.setattr(pictures, "DPI", 40)
    monkeypatch.setattr(ev, "N_SAMPLES", 1)
    monkeypatch.setattr(ev, "METRICS", {k: v for k, v in ev.METRICS.items() if not v[2]})


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


def test_report_scores_held_out_speakers_and_draws_the_training(tmp_path, fast, capsys):
    for speaker in ("x1", "x2"):
        (tmp_path / "corpus" / speaker).mkdir(parents=True)
        soundfile.write(tmp_path / "corpus" / speaker / f"{speaker}.wav", speech(1.0), RATE_HZ)
    out = tmp_path / "out"
    out.mkdir()
    write_log(out / "metrics.jsonl")
    ev.report(EightBit(), tmp_path / "corpus", 9000, out)
    assert "| all | 1 | 1 |" in capsys.readouterr().out
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
    assert sorted(c.speaker for c in ev.spread(clips, 4.0)) == list("abcd")
    assert sorted(c.speaker for c in ev.spread(clips, 8.0)) == sorted("abcd" * 2)
    assert ev.spread(clips[::-1], 6.0) == ev.spread(clips, 6.0)
    assert ev.spread(clips, None) == clips


# ------------------------------------------------------------------------------------------------ metrics


def test_snr_and_si_sdr_of_orthogonal_noise():
    t = np.arange(RATE_HZ) / RATE_HZ
    x, n = np.sin(2 * np.pi * 200 * t), np.cos(2 * np.pi * 200 * t)
    assert ev.snr_db(x, x + 0.1 * n) == pytest.approx(20.0)
    assert ev.si_sdr_db(x, 3 * (x + 0.1 * n) + 0.5) == pytest.approx(20.0)
    assert ev.snr_db(x, 0 * x) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("name", "best", "worst"),
    [("pesq", (4.6, 4.65), 3.0), ("estoi", (0.999, 1.001), 0.9), ("visqol", (3.5, 5.0), 3.0)],
)
def test_packages_score_identity_high_and_noise_low(name, best, worst):
    if name in ev.missing_metrics():
        pytest.skip(f"module {ev.missing_metrics()[name]} is not installed")
    x = speech(3.0)
    metric = ev.METRICS[name][1]
    assert best[0] <= metric(x, x) <= best[1]
    assert metric(x, x + 0.05 * np.random.default_rng(1).normal(size=len(x))) < worst


@pytest.mark.parametrize("level", [0, 1])
def test_silence_has_no_score(level):
    """Neither of silence, nor of silence in the place of speech."""
    x, silence = level * speech(1.0), np.zeros(RATE_HZ, np.float32)
    row = ev.score(Clip(ev.Path("a.wav"), "s", "dev"), x, silence, b"", ev.METRICS, RATE_HZ)
    assert all(np.isnan(row[k]) for k in ev.METRICS)


@pytest.mark.parametrize("name", ["pesq", "estoi"])
def test_clips_too_short_to_score_count_as_missing(name):
    if name in ev.missing_metrics():
        pytest.skip(f"module {ev.missing_metrics()[name]} is not installed")
    x = speech(0.2)
    assert np.isnan(ev.METRICS[name][1](x, x))


def test_missing_packages_are_named_in_the_table(clips, tmp_path, fast, monkeypatch):
    ev.METRICS["odd"] = ("Odd Score", lambda x, y: 0.0, ("no_such_module",))
    assert ev.missing_metrics() == {"odd": "no_such_module"}
    rows = ev.evaluate(EightBit(), clips, 9000, tmp_path / "out")
    assert "odd" not in rows[0]
    assert (
        "Not measured: Odd Score (module 'no_such_module' is missing)"
        in (tmp_path / "out/evaluation.md").read_text()
    )


def test_interval_is_students():
    from scipy import stats

    v = np.random.default_rng(0).normal(3, 0.2, 12)
    mean, half = ev.mean_and_interval([*v, np.nan])
    low, high = stats.t.interval(0.95, 11, np.mean(v), stats.sem(v))
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert np.isnan(ev.mean_and_interval([1.0])[1])
    assert np.isnan(ev.mean_and_interval([np.nan])[0])


def test_table_weighs_rates_by_seconds():
    rows = [
        {"source": "a", "speaker": "s", "seconds": 1.0, "bytes": 2000, "snr_db": 1.0},
        {"source": "a", "speaker": "t", "seconds": 3.0, "bytes": 2000, "snr_db": 3.0},
    ]
    last = ev.table(rows, {}).splitlines()[-1]
    assert [c.strip() for c in last.strip("|").split("|")] == ["all", "2", "2", "0.1", "8.00", "2.00 ± 12.71"]
    alone = ev.table(rows[:1], {}).splitlines()[-1]
    assert alone.endswith("| 1.00 |")  # one clip has no interval


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
