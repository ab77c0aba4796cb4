"""Scores of any two files or folders."""

import csv

import numpy as np
import pytest
import soundfile

from lpcnet_cq.cli import main
from lpcnet_cq.evaluation import compare as comparing
from lpcnet_cq.evaluation import metrics
from lpcnet_cq.evaluation.compare import chosen_metrics, compare, pairs_of, score_table
from lpcnet_cq.evaluation.metrics import METRICS

FS, SUFFIXES = 22050, {".wav", ".aiff"}


def write(path, x, sample_rate_hz=FS):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x, sample_rate_hz, subtype="FLOAT")


@pytest.fixture
def folders(tmp_path):
    """Return folders of two references and of versions with noise of -20 dB and -40 dB, one of them longer."""
    random, x = np.random.default_rng(0), np.sin(np.arange(FS) / 9)
    for name, gain in (("a", 0.1), ("deep/b", 0.01)):
        write(tmp_path / "ref" / f"{name}.wav", 0.1 * x)
        noise = gain * np.sqrt(0.5) * random.standard_normal(FS)
        write(tmp_path / "deg" / f"{name}.aiff", np.append(0.1 * (x + noise), np.ones(5)))
    return tmp_path / "ref", tmp_path / "deg"


def test_folders_are_paired_by_name_and_scored(folders):
    pairs, asked = pairs_of(*folders, SUFFIXES), chosen_metrics("snr_db,si_sdr_db")
    assert list(pairs) == ["a", "deep/b"]
    found = [compare(*pair, asked)[0] for pair in pairs.values()]
    assert [score["snr_db"] for score in found] == pytest.approx([20, 40], abs=0.3)
    assert found[0]["si_sdr_db"] == pytest.approx(20, abs=0.3)
    text = score_table([{"file": name} | score for name, score in zip(pairs, found, strict=True)], asked, {})
    assert "| mean | 30.0 ±" in text


def test_metrics_of_speech_get_16_khz(folders, monkeypatch):
    asked = {}

    def keep(name, x, y, sample_rate_hz):
        asked[name] = x.shape, y.shape, sample_rate_hz
        return 1.0

    replaced = {
        name: METRICS[name]._replace(score=lambda *args, name=name: keep(name, *args)) for name in ("pesq", "nmr_db")
    }
    compare(*pairs_of(*folders, SUFFIXES)["a"], replaced)
    assert asked == {"pesq": ((16000,), (16000,), 16000), "nmr_db": ((FS,), (FS,), FS)}


def test_silence_has_no_score(tmp_path):
    write(tmp_path / "x.wav", np.zeros(100))
    assert np.isnan(compare(tmp_path / "x.wav", tmp_path / "x.wav", chosen_metrics("snr_db"))[0]["snr_db"])


def test_unequal_lengths_are_named(tmp_path, capsys):
    write(tmp_path / "x.wav", np.ones(FS))
    write(tmp_path / "y.wav", np.ones(2 * FS))
    assert main(["evaluate", str(tmp_path / "x.wav"), str(tmp_path / "y.wav"), "--metrics", "snr_db"]) == 0
    said = f"`{tmp_path}/y.wav` has 2.000 s, its reference `{tmp_path}/x.wav` 1.000 s; compared 1.000 s"
    assert said in capsys.readouterr().err


def test_metrics_that_all_lack_their_package_are_an_error(folders, monkeypatch, capsys):
    monkeypatch.setattr(metrics, "missing_modules", lambda asked: dict.fromkeys(asked, "no-such-package"))
    assert main(["evaluate", *map(str, folders), "--metrics", "snr_db"]) == 1
    out, err = capsys.readouterr()
    assert not out and "no metric of snr_db can be measured without no-such-package; `pip install" in err


def test_names_that_are_no_text_are_escaped(folders, tmp_path, capsys):
    for folder, suffix in zip(folders, ("wav", "aiff"), strict=True):
        (folder / f"a.{suffix}").rename(folder / f"caf\udce9.{suffix}")
    assert main(["evaluate", *map(str, folders), "--metrics", "snr_db", "--csv", str(tmp_path / "scores.csv")]) == 0
    assert "| caf\\xe9 |" in capsys.readouterr().out
    assert "caf\\xe9," in (tmp_path / "scores.csv").read_text()


def test_mixtures_are_refused(folders, tmp_path):
    ref, deg = folders
    with pytest.raises(ValueError, match="two files or two folders"):
        pairs_of(ref, deg / "a.aiff", SUFFIXES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="contains no audio files"):
        pairs_of(ref, tmp_path / "empty", SUFFIXES)
    write(deg / "a.wav", np.zeros(100))
    with pytest.raises(ValueError, match="have the same name"):
        pairs_of(ref, deg, SUFFIXES)
    (deg / "a.wav").unlink()
    (deg / "._a.wav").write_bytes(b"no audio")
    assert "._a" not in pairs_of(ref, deg, SUFFIXES)
    with pytest.raises(ValueError, match="there is no metric `mos`, known are: pesq"):
        chosen_metrics("mos")


def test_command_prints_and_writes_a_table(folders, tmp_path, capsys):
    ref, deg = map(str, folders)
    table = tmp_path / "scores.csv"
    command = ["evaluate", ref, deg, "--metrics", "snr_db", "--csv", str(table)]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert out.startswith("| file | SNR, dB |") and "| deep/b | 39.9 |" in out
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["file"] for row in rows] == ["a", "deep/b"] and float(rows[1]["snr_db"]) == pytest.approx(40, abs=0.3)
    assert main(command) == 2 and "exists; -f overwrites it" in capsys.readouterr().err


def test_files_that_cannot_be_scored_are_named_and_the_others_are_scored(folders, capsys):
    ref, deg = folders
    (deg / "a.aiff").write_bytes(b"no sound")
    assert main(["evaluate", str(ref), str(deg), "--metrics", "snr_db", "--jobs", "2"]) == 1
    out, err = capsys.readouterr()
    assert "| deep/b | 39.9 |" in out and "| a |" not in out
    assert err.count("a.aiff") == 1, "the error names the file already"
    assert f"error: `{deg}/a.aiff`" in err and "1 of 2 files were scored, 1 failed" in err


def test_errors_that_name_no_file_get_its_name(folders, capsys, monkeypatch):
    def fail(x, y, sample_rate_hz):
        raise ValueError("no utterance was found")

    ref, deg = folders
    monkeypatch.setitem(METRICS, "snr_db", METRICS["snr_db"]._replace(score=fail))
    assert main(["evaluate", str(ref), str(deg), "--metrics", "snr_db"]) == 1
    said = capsys.readouterr().err.splitlines()
    names = [deg / "a.aiff", deg / "deep/b.aiff"]
    assert said[-3:-1] == [f"lpcnet-cq: error: `{name}`: no utterance was found" for name in names]


def test_an_error_of_one_pair_is_one_sentence(folders, capsys):
    ref, deg = folders
    (deg / "a.aiff").write_bytes(b"no sound")
    assert main(["evaluate", str(ref / "a.wav"), str(deg / "a.aiff"), "--metrics", "snr_db"]) == 1
    out, err = capsys.readouterr()
    assert not out and err.startswith(f"lpcnet-cq: error: `{deg}/a.aiff`") and err.count("\n") == 1


def test_a_second_run_scores_what_is_missing_or_changed(folders, tmp_path, capsys, monkeypatch):
    pytest.importorskip("pyarrow", reason="needs the extra `cluster`")
    from lpcnet_cq.work.manifest import read_table

    ref, deg = folders
    command = ["evaluate", str(ref), str(deg), "--metrics", "snr_db", "--manifest", str(tmp_path / "m.parquet")]
    command += ["--csv", str(tmp_path / "scores.csv")]
    scored, compare = [], comparing.compare
    monkeypatch.setattr(comparing, "compare", lambda x, y, metrics: scored.append(x.stem) or compare(x, y, metrics))
    assert main(command) == 0
    table, rows = (tmp_path / "scores.csv").read_bytes(), read_table(tmp_path / "m.parquet")[1]
    assert main(command) == 0 and scored == ["a", "b"]
    assert (tmp_path / "scores.csv").read_bytes() == table and read_table(tmp_path / "m.parquet")[1] == rows
    assert [row["snr_db"] for row in rows] == pytest.approx([20, 40], abs=0.3)
    write(ref / "deep" / "b.wav", np.ones(FS))
    assert main(command) == 0 and scored == ["a", "b", "b"]
    assert len(read_table(tmp_path / "m.parquet")[1]) == 2
    capsys.readouterr()
    assert main([*command, "--metrics", "si_sdr_db"]) == 1
    assert "is the manifest of a run with metrics ['snr_db']; -f begins a new one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "b.wav", "--manifest", "m.parquet"], "--manifest is for folders, `a.wav` is none"),
        (["a.wav"], "needs two files or folders, only `a.wav` is given"),
        (["a.wav", "b.wav", "--bitrate", "9k"], "not for REF and DEG"),
        (["a.wav", "b.wav", "--csv", "b.wav"], "must have the suffix .csv"),
        (["a.wav", "."], "`a.wav` and `.` must be two files or two folders"),
        ([".", "a.wav"], "`.` and `a.wav` must be two files or two folders"),
    ],
)
def test_wrong_uses_are_refused(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.wav", np.ones(100))
    assert main(["evaluate", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_files_without_partner_fail_and_the_others_are_scored(folders, capsys):
    ref, deg = folders
    write(ref / "alone.wav", np.ones(100))
    write(deg / "other.wav", np.ones(100))
    assert pairs_of(ref, deg, SUFFIXES)["alone"] == (ref / "alone.wav", deg / "alone.wav")
    n_pairs = len(pairs_of(ref, deg, SUFFIXES)) - 2
    assert main(["evaluate", str(ref), str(deg), "--metrics", "snr_db"]) == 1
    out, err = capsys.readouterr()
    assert "| a |" in out and f"{n_pairs} of {n_pairs + 2} files were scored, 2 failed" in err
    assert all(f"`{path}`" in err for path in (deg / "alone.wav", ref / "other.wav"))
