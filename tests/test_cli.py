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
from lpcnet_cq import cli_coding, cli_training
from lpcnet_cq.audio import resample, to_pcm16
from lpcnet_cq.bitstream.container import Header, read_header, read_segments, write_header, write_segment
from lpcnet_cq.cli import main
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.file_decoder import Decoding

INSTALLED = "0123456789abcdef"


class StandIn:
    """Behave as a codec does at its border; carry 16-bit PCM in segments, one packet per 50 samples."""

    bitrates_bps = (9000, 24000)
    default_bitrate_bps, max_layers = 9000, 2
    sample_rate_hz, channels, name = 16000, 1, "stand-in"
    config = SimpleNamespace(spec=SimpleNamespace(hop=320))
    gain, live = 1.0, False

    def __init__(self, model_hash=INSTALLED):
        self.model_hash = model_hash

    def encode_blocks(self, file, blocks, sample_rate_hz, bitrate_bps, layers, mode, progress=None, n_samples=None):
        self.mode, x = mode, np.concatenate(list(blocks))
        pcm = to_pcm16(resample(x, sample_rate_hz, 16000)).tobytes()
        write_header(file, Header(len(pcm) // 2, sample_rate_hz, bitrate_bps, self.model_hash))
        packets = [pcm[i : i + 100] for i in range(0, len(pcm), 100)]
        groups = [packets[i : i + 500] for i in range(0, len(packets), 500)] or [[]]
        for i, group in enumerate(groups):
            write_segment(file, group, last=i == len(groups) - 1)
            if progress:
                progress((i + 1) / len(groups))

    def packet_bytes(self, bitrate_bps):
        return int(bitrate_bps * 0.02 / 8)

    def encode_live(self, file, blocks, sample_rate_hz, channels, bitrate_bps, layers, mode, expected_loss):
        self.live, self.expected_loss = True, expected_loss
        self.encode_blocks(file, blocks, sample_rate_hz, bitrate_bps, layers, mode)

    def decode_blocks(self, file, header=None):
        header = header or read_header(file)
        if header.model_hash != INSTALLED:
            raise BitstreamError(f"model {header.model_hash} is not installed, only {INSTALLED}")
        pcm = b"".join(segment.payload for segment in read_segments(file))
        y = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        y = resample(self.gain * y, 16000, header.sample_rate_hz)
        return Decoding(header, iter(np.array_split(y, 3)), len(y))

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
    cli_coding.loaded.cache_clear()
    standin = StandIn()
    standin.asked, standin.n_bytes = [], None
    monkeypatch.setattr(cli_coding, "size_bytes", lambda file: standin.n_bytes or 0)  # PCM is more than any rate
    models = {INSTALLED: "the weights that made it"}
    monkeypatch.setitem(sys.modules, "lpcnet_cq.codec", SimpleNamespace(installed=lambda: models))
    monkeypatch.setattr(
        lpcnet_cq, "load", lambda name=None: standin.asked.append(name) or standin, raising=False
    )
    yield standin
    cli_coding.loaded.cache_clear()


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
    assert capsys.readouterr().err == "lpcnet-cq: 2 layers do not fit 9000 bit/s; wrote 1\n"


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
    codec.max_layers = 1
    assert main(["encode", wav, "a.cq", "--layers", "2"]) == 2
    assert error(capsys) == "--layers 2 must be at most 1 with `stand-in`"


def test_models_are_asked_for_by_name(wav, codec):
    main(["encode", wav, "a.cq", "--model", "mine"])
    main(["decode", "a.cq", "b.wav", "--model", "yours"])
    main(["info", "a.cq", "--model", "theirs"])
    assert codec.asked == ["mine", "yours", "theirs"]


def test_streams_choose_among_the_installed_models(wav, codec):
    main(["encode", wav, "a.cq"])
    main(["decode", "a.cq", "b.wav"])
    main(["info", "a.cq"])
    assert codec.asked == [None, "the weights that made it"], "which are loaded once"


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
        (b"\xcfcq\n\x01", "truncated"),
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
    main(["encode", wav, "a.cq", "--no-check"])
    assert main(["decode", "a.cq", "b.wav"]) == 1
    assert error(capsys) == f"model feedfeedfeedfeed is not installed, only {INSTALLED}"
    assert not os.path.exists("b.wav")


def test_missing_files_and_folders_are_named(wav, capsys):
    assert main(["encode", "none.wav", "a.cq"]) == 1
    assert error(capsys) == "cannot read `none.wav`: No such file or directory"
    assert main(["decode", "none.cq", "b.wav"]) == 1
    assert error(capsys) == "cannot read `none.cq`: No such file or directory"
    assert main(["encode", wav, "nowhere/a.cq"]) == 1
    assert error(capsys) == "`nowhere/a.cq`: its folder does not exist"


def test_decode_writes_wav_only(wav, capsys):
    main(["encode", wav, "a.cq"])
    assert main(["decode", "a.cq", "b.flac"]) == 2
    assert error(capsys) == "`b.flac` must have the suffix .wav, the format that is written"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_named(wav, capsys):
    main(["encode", wav, "a.cq"])
    for command in (["encode", wav, "/dev/full"], ["decode", "a.cq", "/dev/full"]):
        assert main(command) == 1
        assert error(capsys) == "`/dev/full`: No space left on device"


def test_a_broken_pipe_is_one_sentence(wav):
    """Standard output whose reader has gone: no traceback, not even from Python's own shutdown."""
    main(["encode", wav, "a.cq"])
    read_end, write_end = os.pipe()
    os.close(read_end)
    code = "import sys; from lpcnet_cq.audio import write_wav; import lpcnet_cq.cli as c, lpcnet_cq.cli_coding as d\n"
    code += "d.run_decode = lambda args: write_wav('-', [0.0] * 99999, 16000)\n"
    code += "sys.exit(c.main(['decode', '-', '-']))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write_end, stderr=subprocess.PIPE, env=environment()
    )
    os.close(write_end)
    assert done.returncode == 1
    assert done.stderr == b"lpcnet-cq: error: standard output was closed before the output was complete\n"


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
    assert {"model": "m", "data": None, "bitrate": None, "out": "o"}.items() <= vars(got[0]).items()
    assert main(["bench", "--model", "m"]) == 7
    assert got[1].model == "m"


def test_missing_extras_are_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "lpcnet_cq.training.train", None)
    assert main(["train"]) == 1
    need = "train needs the package `lpcnet_cq.training.train`"
    assert error(capsys) == f"{need}; `pip install 'lpcnet-cq[train]'` installs it"


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


# ------------------------------------------------------------------------------------------------ modes and notes


@pytest.mark.parametrize(
    ("option", "mode", "note"),
    [([], "mean", ""), (["--cap"], "capped", "packets of 22 bytes are 8800 bit/s"), (["--cbr"], "constant", "8800")],
)
def test_modes_reach_the_codec_and_whole_bytes_are_said(wav, codec, capsys, option, mode, note):
    assert main(["encode", wav, "a.cq", *option]) == 0
    assert codec.mode == mode
    said = capsys.readouterr().err
    assert note in said and (said.count("\n") == 1 if note else said == "")
    main(["encode", wav, "b.cq", *option, "--bitrate", "16k"])
    assert capsys.readouterr().err == "", "40 bytes are 16 kbit/s"


def test_modes_exclude_each_other(wav):
    with pytest.raises(SystemExit) as stop:
        main(["encode", wav, "a.cq", "--cap", "--cbr"])
    assert stop.value.code == 2


def test_rates_that_are_not_met_are_said(codec, capsys):
    soundfile.write("long.wav", 0.3 * np.sin(np.arange(32000) / 7), 16000)
    codec.n_bytes = 2500
    assert main(["encode", "long.wav", "a.cq"]) == 0
    assert capsys.readouterr().err == "lpcnet-cq: wrote 10000 bit/s instead of 9000: the signal needs more bits\n"
    assert main(["encode", "long.wav", "b.cq", "--cbr", "--bitrate", "16k"]) == 0
    assert capsys.readouterr().err == ""
    soundfile.write("short.wav", 0.3 * np.sin(np.arange(800) / 7), 16000)
    main(["encode", "short.wav", "c.cq"])
    assert "the file is short and its header counts" in capsys.readouterr().err


def test_clipped_input_and_failed_coding_are_noted(codec, capsys):
    soundfile.write("loud.wav", np.clip(3 * np.sin(np.arange(32000) / 7), -1, 1), 16000)
    assert main(["encode", "loud.wav", "a.cq"]) == 0
    assert "the input is clipped: 7" in capsys.readouterr().err
    codec.gain = 0.1
    assert main(["encode", "loud.wav", "b.cq"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("lpcnet-cq: coding failed: the band levels of the decoded signal are wrong by 20 dB")
    assert main(["encode", "loud.wav", "c.cq", "--no-check"]) == 0
    assert capsys.readouterr().err == ""


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out == f"lpcnet-cq {lpcnet_cq.__version__}\n"


# ------------------------------------------------------------------------------------------------ paths


def test_outputs_by_option(wav, capsys):
    assert main(["encode", wav, "-o", "a.cq"]) == 0 and os.path.exists("a.cq")
    for arguments in ([], ["b.cq", "-o", "c.cq"]):
        assert main(["encode", wav, *arguments]) == 2
        assert "needs one output" in error(capsys)
    assert sorted(os.listdir()) == ["a.cq", "in.wav"]


@pytest.mark.parametrize("link", [None, "hard", "soft"])
def test_the_input_is_never_the_output(wav, capsys, link):
    """By whatever name, and even with -f."""
    before, output = Path(wav).read_bytes(), "in.wav"
    if link:
        output = "same"
        os.link(wav, output) if link == "hard" else os.symlink(wav, output)
    assert main(["encode", wav, output, "-f"]) == 2
    assert "is the input" in error(capsys) if link else "must have the suffix .cq" in error(capsys)
    assert Path(wav).read_bytes() == before


@pytest.mark.parametrize("command", ["encode", "decode", "thin"])
@pytest.mark.parametrize("name", ["a.flac", "a.MP3", "a.opus"])
def test_outputs_named_like_another_format_are_refused(wav, capsys, command, name):
    main(["encode", wav, "in.cq"])
    assert main([command, wav if command == "encode" else "in.cq", name, "-f"]) == 2
    assert f"`{name}` must have the suffix ." in error(capsys) and not os.path.exists(name)


def test_other_suffixes_and_none_are_free(wav):
    assert main(["encode", wav, "coded"]) == 0
    assert main(["decode", "coded", "decoded.pcm16"]) == 0
    assert main(["decode", "coded", "wrong.cq"]) == 2


@pytest.mark.parametrize("name", ["b" * 252 + ".cq", "caf\udce9.cq", "two\nlines.cq", "-dash.cq"])
def test_names_of_any_kind(wav, capsys, name):
    outputs = [v for v in (f"./{name}", f"./{name[:-3]}.wav") if len(os.fsencode(os.path.basename(v))) <= 255]
    assert outputs
    for output in outputs:
        source = wav if output.endswith(".cq") else f"./{name}"
        assert main(["encode" if source == wav else "decode", source, output]) == 0
        assert os.path.exists(output)
    assert main(["encode", wav, f"./{name}"]) == 2
    error(capsys)


def test_pipes_by_name(wav):
    """A named pipe is written to and read from as it is; nothing else appears."""
    os.mkfifo("pipe")
    code = "import sys, shutil; shutil.copyfileobj(open('pipe', 'rb'), open('copy.cq', 'wb'))"
    with subprocess.Popen([sys.executable, "-c", code]) as reader:
        assert main(["encode", wav, "pipe"]) == 0
        assert reader.wait() == 0
    writer = subprocess.Popen([sys.executable, "-c", "open('pipe', 'wb').write(open('copy.cq', 'rb').read())"])
    assert main(["decode", "pipe", "b.wav"]) == 0 and writer.wait() == 0
    np.testing.assert_array_equal(soundfile.read("b.wav")[0], soundfile.read(wav)[0])
    assert sorted(os.listdir()) == ["b.wav", "copy.cq", "in.wav", "pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="this system has no /dev/fd")
def test_process_substitution(wav):
    """The shell's `>(program)` is a pipe below /dev/fd."""
    read_end, write_end = os.pipe()
    assert main(["encode", wav, f"/dev/fd/{write_end}"]) == 0
    os.close(write_end)
    with os.fdopen(read_end, "rb") as file:
        data = file.read()
    Path("a.cq").write_bytes(data)
    assert header().n_samples == 8000
    with open("a.cq", "rb") as file:
        assert main(["decode", f"/dev/fd/{file.fileno()}", "b.wav"]) == 0
    with open("redirected", "wb") as file:
        assert main(["encode", wav, f"/dev/fd/{file.fileno()}"]) == 0
    assert Path("redirected").read_bytes() == data


def test_closed_standard_streams(wav, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["encode", "-", "a.cq"]) == 1
    assert error(capsys) == "cannot read standard input: it is closed"
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["encode", wav, "-"]) == 1
    assert error(capsys) == "`-`: standard output is closed"
    assert main(["encode", wav, "a.cq"]) == 0
    monkeypatch.undo()


def test_messages_never_reach_standard_output(wav, monkeypatch, tmp_path, capsys):
    """Even if standard error is closed, where `print` would take standard output instead."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["encode", "none.wav", "-"]) == 1
    monkeypatch.undo()
    assert capsys.readouterr().out == ""


def test_folders_as_files_and_files_as_folders_are_refused(wav, capsys):
    os.mkdir("folder")
    soundfile.write("folder/a.wav", np.zeros(800), 16000)
    assert main(["encode", wav, "folder"]) == 2
    assert "`folder` must be a file" in error(capsys)
    assert main(["encode", "folder", "-o", wav, "-f"]) == 2
    assert "must be a folder" in error(capsys)


def test_permissions_of_an_overwritten_file_stay(wav):
    main(["encode", wav, "a.cq"])
    os.chmod("a.cq", 0o600)
    assert main(["encode", wav, "a.cq", "-f"]) == 0
    assert os.stat("a.cq").st_mode & 0o777 == 0o600


def test_a_failed_encoding_leaves_the_old_file(wav, codec, monkeypatch, capsys):
    main(["encode", wav, "a.cq"])
    before = Path("a.cq").read_bytes()

    def broken(*args, **kwargs):
        raise ValueError("no")

    monkeypatch.setattr(StandIn, "decode_blocks", broken)
    assert main(["encode", wav, "a.cq", "-f"]) == 1
    assert error(capsys) == "no" and Path("a.cq").read_bytes() == before
    assert sorted(os.listdir()) == ["a.cq", "in.wav"]


# ------------------------------------------------------------------------------------------------ live


def test_live_streams_are_chosen_or_asked_for(wav, codec):
    """`--live` for any input; by default only from pipe to pipe."""
    for options, source, live in (
        (["--live"], wav, True),
        ([], wav, False),
        (["--no-live"], wav, False),
    ):
        codec.live = False
        assert main(["encode", source, "a.cq", "-f", *options]) == 0
        assert codec.live is live
    os.mkfifo("in")
    for options, live in (([], True), (["--no-live"], False)):
        codec.live = False
        read_end, write_end = os.pipe()
        writer = subprocess.Popen([sys.executable, "-c", f"open('in', 'wb').write(open({wav!r}, 'rb').read())"])
        assert main(["encode", "in", f"/dev/fd/{write_end}", *options]) == 0
        os.close(write_end)
        assert writer.wait() == 0 and codec.live is live
        with os.fdopen(read_end, "rb") as file:
            assert read_header(file).n_samples == 8000


def test_live_codes_no_folder(capsys):
    os.mkdir("folder")
    assert main(["encode", "folder", "out", "--live"]) == 2
    assert error(capsys) == "a live stream is one signal, `folder` is a folder"


def test_expected_loss_is_percent_and_for_live_streams(wav, codec, capsys):
    assert main(["encode", wav, "a.cq", "--live", "--expected-loss", "5"]) == 0
    assert codec.expected_loss == 0.05
    assert main(["encode", wav, "b.cq", "--expected-loss", "5"]) == 2
    assert error(capsys) == "--expected-loss is for live streams: --live writes one"
    for text in ("-1", "101", "nan", "x"):
        with pytest.raises(SystemExit):
            main(["encode", wav, "b.cq", "--live", f"--expected-loss={text}"])
