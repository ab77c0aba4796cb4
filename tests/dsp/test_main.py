"""`python -m dsp`: what it prints, what it writes, and what it says when it cannot."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile
from scipy.signal import lfilter, resample_poly

from dsp.__main__ import main, write_whole

RATE_HZ = 16000
FORMANTS_HZ = (600.0, 1400.0, 2500.0, 3500.0)


def vowel(seconds=0.4, sample_rate_hz=RATE_HZ, pitch_hz=125.0):
    """Pulses of constant pitch through four resonators 80 Hz wide."""
    source = np.zeros(round(seconds * sample_rate_hz))
    source[:: round(sample_rate_hz / pitch_hz)] = 1.0
    pole = np.exp((-80 * np.pi + 2j * np.pi * np.array(FORMANTS_HZ)) / sample_rate_hz)
    x = lfilter([1.0], np.poly(np.concatenate([pole, pole.conj()])).real, lfilter([1], [1, -0.9], source))
    return 0.5 * x / np.abs(x).max()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a vowel in it."""
    monkeypatch.chdir(tmp_path)
    wavfile.write("vowel.wav", RATE_HZ, (vowel() * 32767).astype(np.int16))
    return tmp_path


def table(capsys, *arguments):
    assert main([*arguments, "--no-picture", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


def test_table_measures_a_vowel(folder, capsys):
    columns = table(capsys, "vowel.wav")
    steady = slice(5, -5)
    np.testing.assert_allclose(columns["time_s"], 0.005 + 0.01 * np.arange(40), atol=1e-9)
    np.testing.assert_allclose(columns["pitch_hz"][steady], 125.0, rtol=0.02)
    assert columns["voicing"][steady].min() > 0.7
    assert columns["prediction_gain_db"][steady].min() > 10
    for index, formant_hz in enumerate(FORMANTS_HZ, start=1):
        np.testing.assert_allclose(np.median(columns[f"f{index}_hz"][steady]), formant_hz, rtol=0.05)
    x = vowel()[800:-800]
    np.testing.assert_allclose(columns["level_dbfs"][steady], 10 * np.log10(2 * np.mean(x**2)), atol=1.5)


@pytest.mark.parametrize("sample_rate_hz", [22050, 44100, 48000, 96000, 192000])
def test_the_rate_of_the_file_moves_no_formant(folder, capsys, sample_rate_hz):
    expected = table(capsys, "vowel.wav")
    x = resample_poly(vowel(), sample_rate_hz // 50, RATE_HZ // 50)
    wavfile.write("fast.wav", sample_rate_hz, x.astype(np.float32))
    columns = table(capsys, "fast.wav")
    np.testing.assert_allclose(columns["time_s"], expected["time_s"], atol=1e-9)
    for name in ("pitch_hz", "f1_hz", "f2_hz", "f3_hz", "f4_hz"):
        np.testing.assert_allclose(columns[name][5:-5], expected[name][5:-5], rtol=0.02)
    np.testing.assert_allclose(columns["level_dbfs"][5:-5], expected["level_dbfs"][5:-5], atol=0.5)


def test_ranges_are_options_and_their_ends_are_flagged(folder, capsys):
    assert not table(capsys, "vowel.wav")["pitch_at_edge"][5:-5].any()
    assert main(["vowel.wav", "--no-picture", "--pitch", "70", "100", "--format", "csv"]) == 0
    out, _ = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))[5:-5]
    assert all(row["pitch_at_edge"] == "1" for row in rows if row["pitch_hz"])
    columns = table(capsys, "vowel.wav", "--formants", "90", "3000", "--neutral", "520")
    assert np.isnan(columns["f4_hz"][5:-5]).all() and columns["formant_at_edge"][5:-5].all()
    assert np.isfinite(columns["f3_hz"][5:-5]).all()
    assert main(["vowel.wav", "--no-picture", "--formants", "90", "3000"]) == 0
    assert "frames have formants at or beyond an end of 90 to 3000 Hz\n" in capsys.readouterr().err


def test_the_three_formats_say_the_same(folder, capsys):
    columns = table(capsys, "vowel.wav")
    assert main(["vowel.wav", "--no-picture", "--format", "json"]) == 0
    parsed = json.loads(capsys.readouterr().out)
    assert parsed["sample_rate_hz"] == RATE_HZ and parsed["n_samples"] == 6400 and parsed["order"] == 18
    assert main(["vowel.wav", "--no-picture"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 40 == 2 + len(parsed["frames"])
    for name, values in columns.items():
        from_json = np.array([np.nan if row[name] is None else row[name] for row in parsed["frames"]])
        np.testing.assert_array_equal(from_json, values)
    for line, time_s, level_dbfs in zip(lines[2:], columns["time_s"], columns["level_dbfs"], strict=True):
        assert line.split()[:2] == [f"{time_s:.3f}", f"{level_dbfs:.1f}"]
    assert {line.split()[-1] for line in lines[2:]} <= {"-", "p", "f", "pf"}


def test_picture_is_a_png_beside_which_nothing_is_left(folder, capsys):
    assert main(["vowel.wav", "--at", "0.2", "-o", "seen.png"]) == 0
    assert capsys.readouterr().err == "wrote seen.png\n"
    assert (folder / "seen.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert sorted(os.listdir()) == ["seen.png", "vowel.wav"]


def test_an_existing_picture_is_kept_unless_forced(folder, capsys):
    (folder / "vowel.png").write_text("mine")
    assert main(["vowel.wav"]) == 2
    assert capsys.readouterr().err == "dsp: vowel.png exists, use -f to overwrite it\n"
    assert (folder / "vowel.png").read_text() == "mine"
    assert main(["vowel.wav", "-f"]) == 0
    assert (folder / "vowel.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("vowel.wav", "vowel.wav must be a file whose name ends in .png"),
        ("-", "- must be a file whose name ends in .png"),
        ("hard.png", "hard.png is the recording, the picture needs another name"),
        ("soft.png", "soft.png is the recording, the picture needs another name"),
    ],
)
def test_the_recording_is_not_overwritten(folder, capsys, output, said):
    before = (folder / "vowel.wav").read_bytes()
    os.link("vowel.wav", "hard.png")
    os.symlink("vowel.wav", "soft.png")
    assert main(["vowel.wav", "-f", "-o", output]) == 2
    assert capsys.readouterr().err == f"dsp: argument --output: {said}\n"
    assert (folder / "vowel.wav").read_bytes() == before and not (folder / "-").exists()


def test_devices_are_written_to_and_not_replaced(tmp_path):
    read_end, write_end = os.pipe()
    write_whole(Path(f"/dev/fd/{write_end}"), b"picture")
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        assert pipe.read() == b"picture"
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_whole(tmp_path / "link", b"picture")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"picture"


def test_a_full_disk_leaves_no_half_picture(folder, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert main(["vowel.wav"]) == 1
    assert capsys.readouterr().err == "dsp: cannot write vowel.png: No space left on device\n"
    assert os.listdir() == ["vowel.wav"]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_kind_of_wav_has_the_same_level(folder, capsys, subtype):
    soundfile.write("other.wav", vowel(), RATE_HZ, subtype=subtype)
    expected = table(capsys, "vowel.wav")["level_dbfs"]
    np.testing.assert_allclose(table(capsys, "other.wav")["level_dbfs"], expected, atol=0.1)


def test_other_formats_are_read_by_soundfile(folder, capsys, monkeypatch):
    soundfile.write("vowel.flac", vowel(), RATE_HZ)
    expected = table(capsys, "vowel.wav")["level_dbfs"]
    np.testing.assert_allclose(table(capsys, "vowel.flac")["level_dbfs"], expected, atol=0.01)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    assert main(["vowel.flac"]) == 1
    assert "this format needs the package soundfile" in capsys.readouterr().err
    assert main(["vowel.wav", "--no-picture"]) == 0


def test_notes_of_the_reader_go_to_standard_error(folder, capsys):
    (folder / "cut.wav").write_bytes(riff(folder)[:5000])
    assert main(["cut.wav", "--no-picture"]) == 0
    said = "the recording is cut off; the header states 0.400 s, the data contain 0.155 s\n"
    assert capsys.readouterr().err == said


def run(command, **streams):
    """Run a shell command in which $DSP is the program."""
    environment = os.environ | {"DSP": f"{sys.executable} -m dsp", "PYTHONUNBUFFERED": ""}  # as users have it
    return subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, **streams)


@pytest.mark.parametrize(
    ("command", "n_lines", "error"),
    [
        ("cat vowel.wav | $DSP - --no-picture", 42, ""),
        ("$DSP - --no-picture < vowel.wav", 42, ""),
        ("$DSP <(cat vowel.wav) --no-picture", 42, ""),
        ("$DSP vowel.wav --no-picture 2>&-", 42, ""),
        ("$DSP nowhere.wav --no-picture 2>&-; [ $? = 1 ]", 0, ""),
        ("$DSP - --no-picture <&-; [ $? = 1 ]", 0, "dsp: cannot read standard input: it is closed\n"),
        ("$DSP vowel.wav --no-picture >&-; [ $? = 1 ]", 0, "dsp: cannot write the table: standard output is closed\n"),
        (
            "$DSP vowel.wav --no-picture >/dev/full; [ $? = 1 ]",
            0,
            "dsp: cannot write the table: No space left on device\n",
        ),
        ("$DSP --help >/dev/full; [ $? = 1 ]", 0, "dsp: cannot write to standard output: No space left on device\n"),
        ("$DSP nowhere.wav 2>/dev/full; [ $? = 1 ]", 0, ""),
        ("$DSP vowel.wav --at x 2>/dev/full; [ $? = 2 ]", 0, ""),
        ("$DSP vowel.wav --no-picture --at 9 2>/dev/full; [ $? = 2 ]", 0, ""),
        (
            "$DSP - -o vowel.wav.png -f < vowel.wav.png; [ $? = 2 ]",
            0,
            "dsp: argument --output: vowel.wav.png is the recording, the picture needs another name\n",
        ),
        ("$DSP . --no-picture; [ $? = 1 ]", 0, "dsp: cannot read `.`: Is a directory\n"),
        (
            "$DSP /dev/zero --no-picture; [ $? = 1 ]",
            0,
            "dsp: `/dev/zero` is not an audio file that can be read: Format not recognised\n",
        ),
    ],
)
def test_pipes_devices_and_closed_streams(folder, command, n_lines, error):
    os.link("vowel.wav", "vowel.wav.png")
    done = run(command)
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, n_lines, error)


@pytest.mark.parametrize("name", ["x" * 251 + ".wav", "caf\udce9.wav", "-.wav", "a\nb.wav"])
def test_odd_names_have_a_picture(folder, capsys, name):
    os.rename("vowel.wav", name)
    assert main([f"./{name}"]) == 0
    assert sorted(os.listdir()) == sorted([name, name[:-4] + ".png"])


def test_names_that_are_too_long_are_one_sentence(folder, capsys):
    assert main(["vowel.wav", "-o", "x" * 300]) == 1
    assert capsys.readouterr().err == f"dsp: cannot write {'x' * 300}: File name too long\n"


def test_channels_are_mixed_and_said_to_be(folder, capsys):
    wavfile.write("two.wav", RATE_HZ, np.stack([vowel(), -vowel()], axis=1).astype(np.float32))
    assert main(["two.wav", "--no-picture", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert err.splitlines()[0] == "mixed 2 channels to mono" and "the channels cancel" in err
    assert float(out.splitlines()[5].split(",")[1]) == -120


def test_a_missing_matplotlib_is_named(folder, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = "the picture needs the package matplotlib, install it or use --no-picture\n"
    assert main(["vowel.wav"]) == 0
    out, err = capsys.readouterr()
    assert err == message and len(out.splitlines()) > 20
    assert main(["vowel.wav", "-o", "picture.png"]) == 1
    assert capsys.readouterr() == ("", f"dsp: {message}")
    assert os.listdir() == ["vowel.wav"]


@pytest.mark.parametrize(
    ("sample_rate_hz", "x"),
    [
        (8000, vowel(0.2, 8000)),
        (44100, vowel(0.2, 44100)),
        (RATE_HZ, np.zeros(3000)),
        (RATE_HZ, np.array([0.5])),
        (RATE_HZ, np.sign(vowel(0.2))),
        (RATE_HZ, np.ones(3000)),
        (RATE_HZ, np.sin(np.arange(3000))),
    ],
    ids=["8 kHz", "44.1 kHz", "silence", "one sample", "clipped", "constant", "pure tone"],
)
def test_odd_recordings_have_a_table_and_a_picture(folder, capsys, sample_rate_hz, x):
    wavfile.write("odd.wav", sample_rate_hz, x.astype(np.float32))
    assert main(["odd.wav", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["frames"]) == -(-len(x) // (sample_rate_hz // 100))
    assert (folder / "odd.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: FILE"),
        (["vowel.wav", "--colour"], "unrecognized arguments: --colour"),
        (["vowel.wav", "--order", "1"], "--order: 1 must be from 2 to 64"),
        (["vowel.wav", "--order", "x"], "invalid int value"),
        (["vowel.wav", "--at", "9"], "--at: 9 s must be from 0 to 0.400 s, the end of the file"),
        (["vowel.wav", "--at", "nan"], "--at: nan s must be from 0"),
        (["vowel.wav", "--no-picture", "-f"], "--no-picture cannot be combined with"),
        (["vowel.wav", "--pitch", "600", "60"], "--pitch: 600 60 must fulfil 30 <= LOW < HIGH <= 3200"),
        (["vowel.wav", "--pitch", "nan", "60"], "--pitch: nan 60 must fulfil"),
        (["vowel.wav", "--pitch", "60"], "argument --pitch: expected 2 arguments"),
        (["vowel.wav", "--formants", "90", "9000"], "--formants: 90 9000 must fulfil 0 <= LOW < HIGH <= 8000"),
        (["vowel.wav", "--neutral", "50"], "--neutral: 50 must be from 200 to 1500"),
    ],
)
def test_wrong_usage_is_exit_code_2(folder, capsys, arguments, words):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert words in err and err.startswith("dsp: ") and err.count("\n") == 1
    assert os.listdir() == ["vowel.wav"]


def riff(folder):
    return (folder / "vowel.wav").read_bytes()


BAD = {
    "a text": lambda folder: b"Lorem ipsum dolor sit amet" * 9,
    "an empty file": lambda folder: b"",
    "a header": lambda folder: riff(folder)[:20],
    "no samples": lambda folder: riff(folder)[:40] + bytes(4),
    "not a number": lambda folder: wav_bytes(np.array([0.1, np.nan])),
    "a rate of 100 Hz": lambda folder: wav_bytes(np.ones(100), 100),
    "a rate of 1 GHz": lambda folder: wav_bytes(np.ones(100), 1_000_000_000),
    "an unknown code": lambda folder: riff(folder)[:20] + b"\x99\x99" + riff(folder)[22:],
}


def wav_bytes(x, sample_rate_hz=RATE_HZ):
    file = io.BytesIO()
    wavfile.write(file, sample_rate_hz, x.astype(np.float32))
    return file.getvalue()


@pytest.mark.parametrize("kind", BAD)
def test_bad_data_is_exit_code_1(folder, capsys, kind):
    (folder / "bad.wav").write_bytes(BAD[kind](folder))
    assert main(["bad.wav"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("dsp: ") and "bad.wav" in err and err.count("\n") == 1
    assert sorted(os.listdir()) == ["bad.wav", "vowel.wav"]


def test_a_missing_file_is_exit_code_1(folder, capsys):
    assert main(["nowhere.wav"]) == 1
    assert capsys.readouterr().err == "dsp: cannot read `nowhere.wav`: No such file or directory\n"


def test_help_needs_no_numpy():
    code = (
        "import sys\nfrom dsp.__main__ import main\ntry:\n    main(['--help'])\nexcept SystemExit as end:\n"
        "    heavy = {'numpy', 'scipy', 'matplotlib', 'soundfile'} & set(sys.modules)\n"
        "    sys.exit(f'{heavy}' if heavy or end.code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--format" in done.stdout


def test_a_reader_who_has_seen_enough_is_no_error(folder):
    command = [sys.executable, "-m", "dsp", "vowel.wav", "--no-picture"]
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    done.stdout.close()
    err = done.stderr.read()
    done.stderr.close()
    assert (done.wait(), err) == (0, b"")
