"""The benchmark of `experiments/`: tables, resumption, and the coding by peers."""

import csv
import doctest
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("matplotlib", reason="the curves need it")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import benchmark
import coders
import peers
import plots

from lpcnet_cq.evaluation.bench import speech_like
from lpcnet_cq.evaluation.metrics import Metric
from lpcnet_cq.training.data import Clip

RATE_HZ = peers.RATE_HZ


@pytest.mark.parametrize("module", [benchmark, coders, peers], ids=lambda module: module.__name__)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


# ------------------------------------------------------------------------------------------------ rates


def test_rate_to_ask_brings_an_undershooting_codec_onto_the_point():
    asked = coders.to_ask(lambda a: 0.95 * a - 0.1, 12.0, benchmark.ACCEPTED)
    assert 0.95 * asked - 0.1 == pytest.approx(12.0, rel=1e-3)
    assert coders.to_ask(lambda a: 1.2 * a, 12.0, benchmark.ACCEPTED) == 12.0  # more than requested is left alone
    assert coders.to_ask(lambda a: 1.2 * a, 12.0, (1.0, 1.0)) == pytest.approx(10.0)


def test_recordings_are_weighed_by_seconds_in_the_rate_to_ask():
    """A codec of 10 kbps for short and 4 for long recordings, whatever is requested, times the request over 7."""
    peer = replace(PLAIN, steerable=True)
    measured = lambda self, x, sample_rate_hz, kbps: (10.0 if len(x) == 100 else 4.0) * kbps / 7  # noqa: E731
    recordings = [(np.zeros(100), 100), (np.zeros(300), 100)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peers.PacketPeer, "measured_kbps", measured)
        assert coders.steer(peer, recordings, 11.0, (1.0, 1.0)) == pytest.approx(11.0 * 7 / 5.5)
        assert coders.steer(PLAIN, recordings, 11.0, (1.0, 1.0)) == 11.0


@pytest.mark.parametrize("shape", [(400,), (400, 2)])
@pytest.mark.parametrize("lag", [-5, 0, 7])
def test_copies_are_aligned(shape, lag):
    x = np.random.default_rng(0).standard_normal(shape)
    kept = slice(10, 380)
    moved = coders.align(x, np.roll(x, lag, axis=0)[: 400 - 3], range(-8, 9))
    assert moved.shape == shape
    np.testing.assert_array_equal(moved[kept], x[kept])


# ------------------------------------------------------------------------------------------------ table and lists


def mean_product(x, y, sample_rate_hz):
    return float(np.mean(x * y))


TITLES = {"pesq": "PESQ-WB", "visqol": "ViSQOL", "estoi": "ESTOI"}
METRICS = {name: Metric(title, mean_product) for name, title in TITLES.items()}


def rows_of(codec, asked, scores, kbps=None):
    """One row per score; its clip lasts as many seconds as its number says."""
    return [
        {"codec": codec, "kbps_asked": float(asked), "kbps": kbps or float(asked), "clip": f"c{i}", "seconds": i + 1.0}
        | {"pesq": score, "visqol": score - 0.5, "estoi": score / 5}
        for i, score in enumerate(scores)
    ]


def cells(text):
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_table_is_by_rate_with_ours_first_and_names_what_is_absent():
    rows = rows_of("opus", 9, [3.0, 3.2], 8.5) + rows_of("amr-wb", 12.65, [3.5]) + rows_of("mine", 9, [3.6, 3.8])
    text = plots.table(plots.group(rows), "mine", METRICS, {"Lyra v2": "no models"})
    table = cells(text)
    assert [line[0] for line in table[2:]] == ["mine", "Opus 1.6", "AMR-WB (1 of 2 clips)", "Lyra v2"]
    assert "| **mine** |" in text
    assert table[3][1:3] == ["8.50", "3.10 ± 1.27"]  # t(0.975, 1) * 0.1 = 1.27
    assert table[4][2] == "3.50"  # one clip has no interval
    assert "no models" in table[5][2]
    assert {len(line) for line in table} == {2 + len(METRICS)}


def test_savings_are_over_the_clips_that_all_points_have():
    rows = rows_of("mine", 9, [3.0, 3.0]) + rows_of("mine", 18, [4.0, 4.0])
    rows += rows_of("opus", 12, [3.0, 3.0, 5.0]) + rows_of("opus", 24, [4.0, 4.0])  # the third clip must not count
    table = cells(plots.savings_table(plots.group(rows), "mine", METRICS))
    assert table[2] == ["Opus 1.6", "25 %", "25 %", "25 %"]
    assert plots.compare(plots.group(rows), "mine", "speex-wb", "pesq") is None


def test_worst_recordings_are_against_the_best_opus_of_each():
    rows = rows_of("mine", 9, [3.0] * 12) + rows_of("opus", 9, [2.9] * 11 + [3.4])
    rows += rows_of("opus-lace", 9, [3.1] * 6 + [2.0] * 6) + rows_of("opus", 12, [4.5] * 12)
    found = plots.worst(plots.group(rows), "mine")
    assert len(found) == plots.N_WORST
    assert (found[0]["clip"], found[0]["rival"]) == ("c11", "opus")
    assert found[0]["difference"] == pytest.approx(-0.4)
    assert {entry["rival"] for entry in found[1:7]} == {"opus-lace"}
    assert [e["difference"] for e in found] == sorted(e["difference"] for e in found)


# ------------------------------------------------------------------------------------------------ runs


class Coarse:
    """A codec of eight bits for every second sample that counts its calls."""

    name, bitrates_bps, sample_rate_hz = "coarse", (60_000, 70_000), RATE_HZ

    def __init__(self):
        self.calls = 0

    def encode(self, x, sample_rate_hz, bitrate_bps):
        self.calls += 1
        return np.round(x[::2] * 127).astype(np.int8).tobytes()

    def decode(self, data):
        return np.repeat(np.frombuffer(data, np.int8).astype(np.float32) / 127, 2), RATE_HZ


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Return a function that runs the benchmark on two recordings, and the codec it measures."""
    for folder in ("dev/s1", "dev/s2", "train/s3"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        soundfile.write(tmp_path / "data" / folder / "a.wav", speech_like(0.5, RATE_HZ), RATE_HZ)
    codec = Coarse()
    monkeypatch.setattr("lpcnet_cq.load", lambda name: codec)
    monkeypatch.setattr("lpcnet_cq.evaluation.plots.DPI", 30)
    monkeypatch.setattr(benchmark, "METRICS", dict.fromkeys(METRICS, Metric("Score", mean_product)))
    monkeypatch.setattr(benchmark, "SIGNALS", {"pause_lines_db": benchmark.SIGNALS["pause_lines_db"]})
    monkeypatch.setattr(benchmark, "JUDGES", {})
    monkeypatch.setattr(benchmark, "LEVELS_DB", ())
    columns = ["codec", "kbps_asked", "kbps", "clip", "seconds", *METRICS, "pause_lines_db"]
    monkeypatch.setattr(benchmark, "COLUMNS", columns)
    monkeypatch.setattr(benchmark, "PEERS", {k: replace(p, load=cannot_load) for k, p in peers.PEERS.items()})

    def run(*options):
        here = ["--rates", "64k", "--results", str(tmp_path / "out")]
        benchmark.main([str(tmp_path / "data"), *here, *options])
        with open(tmp_path / "out" / "rows.csv", newline="") as file:
            return [row for row in csv.DictReader(file) if row["codec"] != plots.UNCODED]

    return run, codec, tmp_path / "out"


def cannot_load():
    raise OSError("it is not here")


def test_rows_are_measured_once(bench):
    run, codec, out = bench
    rows = run()
    assert [row["clip"] for row in rows] == ["data/s1/a.wav", "data/s2/a.wav"]
    assert [float(row["kbps"]) for row in rows] == [64.0, 64.0]  # 4000 bytes for half a second
    assert float(rows[0]["seconds"]) == 0.5
    assert codec.calls == 2
    assert run() == rows
    assert codec.calls == 2
    lines = (out / "rows.csv").read_text().splitlines(keepends=True)
    (out / "rows.csv").write_text("".join(lines[:-1]))  # stopped half way
    assert run() == rows
    assert codec.calls == 3
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_killed_run_goes_on_and_doubles_nothing(bench):
    """It was killed while it wrote the last row."""
    run, codec, out = bench
    whole = run()
    path = out / "rows.csv"
    path.write_bytes(path.read_bytes()[:-5])
    codec.calls = 0
    assert run() == whole and codec.calls == 1


def test_a_recording_that_ends_its_process_leaves_the_others(bench, monkeypatch, capsys):
    run, _, out = bench
    whole = run()
    (out / "rows.csv").unlink()
    completed = benchmark.completed

    def with_loss(gaps, engine):
        for i, (gap, row) in enumerate(completed(gaps, engine)):
            yield gap, row if i else benchmark.LOST

    monkeypatch.setattr(benchmark, "completed", with_loss)
    assert run() == whole[1:]
    assert "1 recordings were not measured, the first is data/s1/a.wav" in capsys.readouterr().out
    monkeypatch.setattr(benchmark, "completed", completed)
    assert run() == [*whole[1:], whole[0]]


def test_the_recordings_themselves_are_scored(bench, monkeypatch, capsys):
    run, codec, out = bench
    monkeypatch.setattr(benchmark, "METRICS", benchmark.METRICS | {"dnsmos": benchmark.METRICS["pesq"]})
    monkeypatch.setattr(benchmark, "COLUMNS", [*benchmark.COLUMNS, "dnsmos"])
    run("--model", "none")
    mean = np.mean(speech_like(0.5, RATE_HZ).astype(np.float64) ** 2)  # the metric of an untouched signal
    assert f"The recordings themselves have DNSMOS {mean:.2f} ± 0.00." in capsys.readouterr().out
    assert plots.UNCODED in (out / "rows.csv").read_text() and codec.calls == 0


def test_a_codec_is_forgotten_alone_and_has_another_name_by_a_label(bench):
    run, codec, _ = bench
    run()
    assert {row["codec"] for row in run("--label", "other")} == {"lpcnet_cq", "other"}
    assert codec.calls == 4
    assert len(run("--redo", "lpcnet_cq")) == 4
    assert codec.calls == 6


def test_scores_that_lacked_a_package_are_filled_in(bench, monkeypatch, capsys):
    run, _, _ = bench
    whole = benchmark.METRICS
    monkeypatch.setattr(benchmark, "METRICS", whole | {"estoi": Metric("Odd", mean_product, ("no_such_module",))})
    assert [row["estoi"] for row in run()] == ["", ""]
    assert "| Odd |  | not measured here: module no_such_module is not installed |" in capsys.readouterr().out
    monkeypatch.setattr(benchmark, "METRICS", whole | {"pesq": Metric("Score", lambda x, y, fs: 99.0)})
    filled = run()
    assert len(filled) == 2
    assert all(row["estoi"] == row["visqol"] for row in filled)  # measured now
    assert all(row["pesq"] == row["visqol"] for row in filled)  # and the others not again


def test_letters_are_counted_where_there_is_a_transcript_and_only_if_asked(bench, monkeypatch, capsys):
    run, codec, out = bench
    before = [dict(row) for row in run()]
    assert "cer" not in capsys.readouterr().out
    monkeypatch.setattr(benchmark, "COLUMNS", [*benchmark.COLUMNS, "cer"])  # the file has fewer: it is of before
    told = out.parent / "data" / "dev" / "s2" / "a.wav"
    monkeypatch.setattr(benchmark, "readers", lambda recogniser, data: {told: lambda y: round(len(y) / 16000, 3)})
    rows = run("--recogniser", "weights")
    assert [row.pop("cer") for row in rows] == ["", "0.5"] and rows == before
    assert codec.calls == 3  # only the recording with a transcript is coded again
    assert "cer 0.500" in capsys.readouterr().out


def test_peers_that_cannot_run_are_named_and_rates_out_of_reach_too(bench, capsys):
    run, _, _ = bench
    run()
    told = capsys.readouterr().out
    for peer in peers.PEERS.values():
        assert f"| {peer.title} |  | not measured here: it is not here |" in told
    run("--rates", "64k,9k")
    told = capsys.readouterr().out
    assert "| lpcnet_cq at 9 kbps |  | not measured here: coarse reaches 60000 to 70000 bps |" in told


def test_a_peer_that_breaks_down_is_named_and_the_others_go_on(bench, monkeypatch, capsys):
    run, _, _ = bench

    def break_down(packets):
        raise RuntimeError("it broke")

    broken = replace(PLAIN, rates=(9.0,), decode=break_down)
    working = replace(broken, decode=lambda packets: np.zeros(len(packets) * PLAIN.hop))
    monkeypatch.setattr(benchmark, "PEERS", {"opus": broken, "lc3": working})
    rows = run("--rates", "9k", "--model", "none")
    assert {row["codec"] for row in rows} == {"lc3"}
    assert "| opus at 9 kbps |  | not measured here: it broke |" in capsys.readouterr().out


def test_judges_score_the_middle_of_some_recordings_and_are_added_to_rows(bench, monkeypatch, capsys):
    run, codec, _ = bench
    before = run()
    seconds = Metric("Seconds judged", lambda x, y, sample_rate_hz: len(y) / sample_rate_hz)
    judges = {"seconds_judged": seconds, "odd": Metric("Odd", mean_product, ("no_such_module",))}
    monkeypatch.setattr(benchmark, "JUDGES", judges)
    monkeypatch.setattr(benchmark, "JUDGED_S", 0.25)
    monkeypatch.setattr(benchmark, "COLUMNS", [*benchmark.COLUMNS, *judges])
    assert [row["seconds_judged"] for row in run("--judges", "none")] == ["", ""] and codec.calls == 2
    rows = run("--judged", "1")
    assert sorted(row["seconds_judged"] for row in rows) == ["", "0.25"] and codec.calls == 3
    assert [{k: row[k] for k in before[0]} for row in rows] == before
    told = capsys.readouterr().out
    assert "recordings that each one has scored: Seconds judged 1." in told
    assert "| Odd |  | not measured here: module no_such_module is not installed |" in told
    assert [row["seconds_judged"] for row in run("--judges", "seconds_judged")] == ["0.25", "0.25"]
    assert codec.calls == 4  # the row that has a score is not coded again


def test_fewer_judged_recordings_are_a_part_of_more():
    clips = [Clip(Path(f"{name}.wav"), "s", "dev") for name in "abcdefgh"]
    chosen = [benchmark.judged_clips(clips, n) for n in (0, 3, 5, 99)]
    assert [len(c) for c in chosen] == [0, 3, 5, 8] and chosen[1] < chosen[2]
    assert benchmark.judged_clips(clips[::-1], 3) == chosen[1]


def test_noise_is_coded_once_for_each_level_and_in_the_table(bench, monkeypatch, capsys):
    run, codec, out = bench
    monkeypatch.setattr(benchmark, "LEVELS_DB", (-60, -20))
    run()
    rows = list(csv.DictReader((out / "noise_lines.csv").read_text().splitlines()))
    assert [row["level_db"] for row in rows] == ["-60", "-20"] and codec.calls == 4
    assert abs(float(rows[-1]["line_excess_db"])) < 0.5  # of a codec without subframes
    assert "| **lpcnet_cq** | **64** |" in capsys.readouterr().out
    run()
    assert codec.calls == 4
    run("--redo", "lpcnet_cq")
    assert len((out / "noise_lines.csv").read_text().splitlines()) == 3 and codec.calls == 8


def test_lines_in_pauses_are_at_the_rate_of_the_codec(monkeypatch):
    asked = []
    monkeypatch.setattr(benchmark.metrics, "pause_lines_db", lambda x, y, fs, step_hz: asked.append(step_hz) or 0.0)
    for point in benchmark.points_at(9.0, ["opus", "lyra-v2"], Coarse(), "ours", []):
        benchmark.score(np.ones(4), np.ones(4), ["pause_lines_db"], point.step_hz)
    assert asked == [250.0, 200.0, 50.0]


@pytest.mark.parametrize("wrong", [("--peers", "opsu"), ("--rates", "nine"), ("--judges", "justice")])
def test_wrong_words_are_named(wrong, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["data", *wrong])
    assert wrong[1] in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ peers

PLAIN = peers.PacketPeer(
    "plain", (256.0,), lambda: None, lambda frames, kbps: [row.tobytes() for row in frames], cannot_load, 104, 20.0
)


@pytest.mark.parametrize("late", [101, 104, 107])
@pytest.mark.parametrize("n_samples", [320, 1000, 3201])
def test_sound_lies_on_the_original_and_the_flush_is_not_charged(late, n_samples):
    def delayed(packets):
        y = np.frombuffer(b"".join(packets), "<i2") / coders.FULL_SCALE
        return np.concatenate([np.zeros(late), y])[: len(y)]

    peer = replace(PLAIN, decode=delayed)
    x = speech_like(1.0, RATE_HZ)[:n_samples].astype(float)
    packets = peer.packets(x, 256.0)
    assert np.abs(peer.decoded(packets, x) - x).max() <= 0.5 / coders.FULL_SCALE
    assert peer.payload_kbps(packets, n_samples) == pytest.approx(256.0)
    assert len(packets) > n_samples / peer.hop  # there was something to flush
