"""The command line around a stand-in codec: arguments, files, pipes, messages and exit status."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import lpcnet_cq
from lpcnet_cq import cli_training
from lpcnet_cq.audio import resample, to_pcm16
from lpcnet_cq.bitstream.container import Header, read_header, read_segments, write_header, write_segment
from lpcnet_cq.cli import main
from lpcnet_cq.errors import BitstreamError

INSTALLED = "0123456789abcdef"


class StandIn:
    """Behave as a codec does at its border; carry 16-bit PCM in segments, one packet per 50 samples."""

    bitrates_bps = (9000, 24000)
    sample_rate_hz, channels, name = 16000, 1, "stand-in"

    def __init__(self, model_hash=INSTALLED):
        self.model_hash = model_hash

    def encode(self, x, sample_rate_hz, bitrate_bps=9000, layers=1, cbr=False, progress=None):
        pcm = to_pcm16(resample(x, sample_rate_hz, 16000)).tobytes()
        file = io.BytesIO()
        write_header(file, Header(len(pcm) // 2, sample_rate_hz, bitrate_bps, self.model_hash))
        packets = [pcm[i : i + 100] for i in range(0, len(pcm), 100)]
        groups = [packets[i : i + 500] for i in range(0, len(packets), 500)] or [[]]
        for i, group in enumerate(groups):
            write_segment(file, group, last=i == len(groups) - 1)
            if progress:
                progress((i + 1) / len(groups))
        return file.getvalue()

    def decode(self, data, progress=None):
        file = io.BytesIO(data)
        header = read_header(file)
        if header.model_hash != INSTALLED:
            raise BitstreamError(f"model {header.model_hash} is not installed, only {INSTALLED}")
        pcm = b"".join(segment.payload for segment in read_segments(file))
        y = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        return resample(y, 16000, header.sample_rate_hz), header.sample_rate_hz

    def info(self, data):
        header = read_header(io.BytesIO(data))
        bits = {"lsf": 300, "latents": 900}
        found = {"duration_s": header.n_samples / 16000, "bitrate_bps": 9012, "bits": bits, "model": INSTALLED}
        return found | {"layers": 1}

    def thin(self, data, layers):
        return data[:-1] + bytes([layers])


@pytest.fixture(autouse=True)
def codec(monkeypatch, tmp_path):
    """Stand in for the real codec, in an empty folder; `codec.asked` are the names of models asked for."""
    monkeypatch.chdir(tmp_path)
    standin = StandIn()
    standin.asked = []
    models = {INSTALLED: "the weights that made it"}
    monkeypatch.setitem(sys.modules, "lpcnet_cq.codec", SimpleNamespace(installed=lambda: models))
    monkeypatch.setattr(
        lpcnet_cq, "load", lambda name=None: standin.asked.append(name) or standin, raising=False
    )
    return standin


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / "in.wav", 0.3 * np.sin(np.arange(8000) / 7), 16000)
    return str(tmp_path / "in.wav")


def header(path="a.cq"):
    with open(path, "rb") as file:
        return read_header(file)


def error(capsys):
    """Return the sentence on standard error, which must be one line and no traceback."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("lpcnet-cq: error: ")
    return lines[0].removeprefix("lpcnet-cq: error: ")


def test_there_and_back(wav, capsys):
    assert main(["encode", wav, "a.cq"]) == 0
    assert main(["decode", "a.cq", "b.wav"]) == 0
    x, y = soundfile.read(wav)[0], soundfile.read("b.wav")[0]
    np.testing.assert_array_equal(x, y)
    assert capsys.readouterr() == ("", "")
    assert sorted(os.listdir()) == ["a.cq", "b.wav", "in.wav"]


@pytest.mark.parametrize(("text", "bps"), [("9k", 9000), ("9.6k", 9600), ("9000", 9000), ("24K", 24000)])
def test_bitrates_are_bits_per_second(wav, text, bps):
    assert main(["encode", wav, "a.cq", "--bitrate", text]) == 0
    assert header().bitrate_bps == bps


@pytest.mark.parametrize(
    "text", ["7q", "", "k", "-9k", "1e4", "nan", "9 k", "0", "٩k", "8999", "25k", "9" * 99]
)
def test_other_bitrates_are_refused_with_the_range(wav, capsys, text):
    assert main(["encode", wav, "a.cq", f"--bitrate={text}"]) == 2
    said = error(capsys)
    assert text in said and "from 9000 to 24000 bit/s" in said
    assert not os.path.exists("a.cq")


def test_changes_are_said(capsys):
    stereo = np.stack([np.linspace(-1, 1, 44100), np.zeros(44100)], axis=1)
    soundfile.write("s.wav", stereo, 44100)
    assert main(["encode", "s.wav", "a.cq"]) == 0
    said = capsys.readouterr().err
    assert said == "lpcnet-cq: mixed 2 channels to mono\nlpcnet-cq: resampled 44100 -> 16000 Hz\n"
    assert header() == Header(16000, 44100, 9000, INSTALLED)
    assert main(["decode", "a.cq", "b.wav"]) == 0
    assert soundfile.info("b.wav").samplerate == 44100


def test_nothing_is_overwritten_unless_told(wav, capsys):
    for command in (["encode", wav, "out"], ["decode", "a.cq", "out"]):
        with open("out", "w") as file:
            file.write("mine")
        assert main(command) == 2
        assert error(capsys) == "`out` exists; -f overwrites it"
        with open("out") as file:
            assert file.read() == "mine"
        main(["encode", wav, "a.cq", "-f"])
        assert main([*command, "-f"]) == 0
        assert os.path.getsize("out") > 8000


def test_layers_that_do_not_fit_are_said(wav, capsys):
    assert main(["encode", wav, "a.cq", "--layers", "2"]) == 0
    assert capsys.readouterr().err == "lpcnet-cq: 2 layers do not fit 9000 bit/s, wrote 1\n"


def test_thin_keeps_the_layers_asked_for(wav, capsys):
    main(["encode", wav, "a.cq"])
    assert main(["thin", "a.cq", "b.cq", "--layers", "2"]) == 0
    assert Path("b.cq").read_bytes() == Path("a.cq").read_bytes()[:-1] + b"\x02"
    assert main(["thin", "a.cq", "b.cq"]) == 2
    assert "exists" in error(capsys)


@pytest.mark.parametrize("command", ["encode", "thin"])
@pytest.mark.parametrize("layers", ["0", "3", "-1"])
def test_impossible_layers_are_refused(wav, capsys, command, layers):
    assert main([command, wav, "a.cq", f"--layers={layers}"]) == 2
    assert error(capsys) == f"--layers {layers} must be from 1 to 2"


def test_music_has_one_layer(wav, codec, capsys):
    codec.channels = 2
    assert main(["encode", wav, "a.cq", "--layers", "2"]) == 2
    assert error(capsys) == "--layers 2 must be 1 with `stand-in`, which codes music"


def test_models_are_asked_for_by_name(wav, codec):
    main(["encode", wav, "a.cq", "--model", "mine"])
    main(["decode", "a.cq", "b.wav", "--model", "yours"])
    main(["info", "a.cq", "--model", "theirs"])
    assert codec.asked == ["mine", "yours", "theirs"]


def test_streams_choose_among_the_installed_models(wav, codec):
    main(["encode", wav, "a.cq"])
    main(["decode", "a.cq", "b.wav"])
    main(["info", "a.cq"])
    assert codec.asked == [None, "the weights that made it", "the weights that made it"]


def test_info_in_words_and_as_json(wav, capsys):
    main(["encode", wav, "a.cq"])
    assert main(["info", "a.cq"]) == 0
    words = capsys.readouterr().out.splitlines()
    assert words[0].split() == ["duration", "0.50", "s"] and words[1].split() == ["bitrate", "9012", "bit/s"]
    assert words[4].split() == ["latents", "900", "75.0", "%"]
    assert main(["info", "a.cq", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bits"] == {"lsf": 300, "latents": 900}


def test_pipes(wav, monkeypatch):
    """`encode - - | decode - -` gives what the files give."""
    data = Path(wav).read_bytes()
    for command in ("encode", "decode"):
        out = io.BytesIO()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out, flush=out.flush))
        assert main([command, "-", "-"]) == 0
        data = out.getvalue()
    monkeypatch.undo()
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(data))[0], soundfile.read(wav)[0])


def test_long_files_show_progress_to_a_terminal_only(codec, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for seconds, stream, shown in (
        (40, Terminal(), True),
        (20, Terminal(), False),
        (40, io.StringIO(), False),
    ):
        soundfile.write("long.wav", np.zeros(16000 * seconds), 16000)
        monkeypatch.setattr(sys, "stderr", stream)
        assert main(["encode", "long.wav", "a.cq", "-f"]) == 0
        assert ("encoding  " in stream.getvalue() and " left" in stream.getvalue()) == shown
        assert stream.getvalue().endswith("\r\x1b[K") == shown


@pytest.mark.parametrize("command", [["decode", "a.cq", "b.wav"], ["info", "a.cq"]])
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the .cq file is empty"),
        (b"RIFF....WAVE", "this is not a .cq file"),
        (b"\xcfcq\n\x01", "cut off"),
    ],
)
def test_foreign_streams_are_named_before_a_model_is_loaded(capsys, codec, command, data, sentence):
    with open("a.cq", "wb") as file:
        file.write(data)
    assert main(command) == 1
    assert sentence in error(capsys)
    assert codec.asked == [] and not os.path.exists("b.wav")


def test_a_model_that_is_not_installed_is_named(wav, capsys, codec):
    codec.model_hash = "feedfeedfeedfeed"
    main(["encode", wav, "a.cq"])
    assert main(["decode", "a.cq", "b.wav"]) == 1
    assert error(capsys) == f"model feedfeedfeedfeed is not installed, only {INSTALLED}"
    assert not os.path.exists("b.wav")


def test_missing_files_and_folders_are_named(wav, capsys):
    assert main(["encode", "none.wav", "a.cq"]) == 1
    assert error(capsys) == "cannot read `none.wav`: No such file or directory"
    assert main(["decode", "none.cq", "b.wav"]) == 1
    assert error(capsys) == "cannot read `none.cq`: No such file or directory"
    assert main(["encode", wav, "nowhere/a.cq"]) == 1
    assert error(capsys) == "nowhere/a.cq: No such file or directory"


def test_decode_writes_wav_only(wav, capsys):
    main(["encode", wav, "a.cq"])
    assert main(["decode", "a.cq", "b.flac"]) == 2
    assert error(capsys) == "`b.flac` must be named .wav, which is what decode writes"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_named(wav, capsys):
    main(["encode", wav, "a.cq"])
    for command in (["encode", wav, "/dev/full"], ["decode", "a.cq", "/dev/full"]):
        assert main(command) == 1
        assert error(capsys) == "/dev/full: No space left on device"


def test_a_broken_pipe_is_one_sentence(wav):
    """Standard output whose reader has gone: no traceback, not even from Python's own shutdown."""
    main(["encode", wav, "a.cq"])
    read_end, write_end = os.pipe()
    os.close(read_end)
    code = "import sys; from lpcnet_cq.audio import write_wav; import lpcnet_cq.cli as c\n"
    code += "c.run_decode = lambda args: write_wav('-', [0.0] * 99999, 16000)\n"
    code += "sys.exit(c.main(['decode', '-', '-']))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write_end, stderr=subprocess.PIPE, env=environment()
    )
    os.close(write_end)
    assert done.returncode == 1
    assert done.stderr == b"lpcnet-cq: error: standard output was closed before all was written\n"


def environment():
    """Return the environment with this project importable."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


@pytest.mark.parametrize(
    "arguments", [[], ["encode"], ["sing"], ["train", "--minutes", "-1"], ["train", "--batch=x"]]
)
def test_usage_errors_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "usage: lpcnet-cq" in capsys.readouterr().err


def test_training_gets_its_arguments(monkeypatch):
    got = []
    monkeypatch.setattr(cli_training, "run_train", lambda args: got.append(args) or 0)
    assert main(["train", "--bitrate", "9.6k", "--minutes=2.5", "--data", "d", "--seed=3", "--resume"]) == 0
    expected = {
        "bitrate": (9600, 9600),
        "minutes": 2.5,
        "data": "d",
        "init": None,
        "out": None,
        "seed": 3,
        "batch": None,
        "preset": None,
    }
    assert expected.items() <= vars(got[0]).items() and got[0].resume is True


def test_evaluation_and_benchmark_get_theirs_and_give_their_status(monkeypatch):
    got = []
    monkeypatch.setattr(cli_training, "run_evaluate", lambda args: got.append(args) or 7)
    monkeypatch.setattr(cli_training, "run_bench", lambda args: got.append(args) or 7)
    assert main(["evaluate", "--model", "m", "--out", "o"]) == 7
    assert {"model": "m", "data": None, "bitrate": 9000, "out": "o"}.items() <= vars(got[0]).items()
    assert main(["bench", "--model", "m"]) == 7
    assert got[1].model == "m"


def test_missing_extras_are_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "lpcnet_cq.training.train", None)
    assert main(["train"]) == 1
    assert (
        error(capsys) == "train needs the package `lpcnet_cq.training.train`; pip install 'lpcnet-cq[train]' brings it"
    )


def test_interruption_is_no_traceback(monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_training, "run_bench", interrupted)
    assert main(["bench"]) == 130
    assert error(capsys) == "interrupted"


@pytest.mark.parametrize("arguments", [["--help"], ["encode", "--help"], ["train", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    code = f"import runpy, sys\nsys.argv[1:] = {arguments}\n"
    code += "try: runpy.run_module('lpcnet_cq', run_name='__main__')\nexcept SystemExit: pass\n"
    code += "print(sorted({'jax', 'flax', 'numpy', 'scipy', 'soundfile'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout.startswith("usage: lpcnet-cq") and done.stdout.endswith("[]\n")
