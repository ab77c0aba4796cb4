"""The program as a whole: usage, version, help, exit status, and what the commands of training are given."""

import io
import subprocess
import sys

import pytest

from lpcnet_cq.cli import main, training
from lpcnet_cq.cli.arguments import Parser

pytestmark = pytest.mark.usefixtures("codec")


@pytest.mark.parametrize("arguments", [[], ["encode"], ["sing"], ["train", "--minutes", "-1"], ["train", "--batch=x"]])
def test_usage_errors_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "usage: lpcnet-cq" in capsys.readouterr().err


def test_training_gets_its_arguments(monkeypatch):
    got = []
    monkeypatch.setattr(training, "run_train", lambda args: got.append(args) or 0)
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
    monkeypatch.setattr(training, "run_evaluate", lambda args: got.append(args) or 7)
    monkeypatch.setattr(training, "run_bench", lambda args: got.append(args) or 7)
    assert main(["evaluate", "--model", "m", "--out", "o"]) == 7
    assert {"model": "m", "data": None, "bitrate": None, "out": "o"}.items() <= vars(got[0]).items()
    assert main(["bench", "--model", "m"]) == 7
    assert got[1].model == "m"


def test_missing_extras_are_named(monkeypatch, error):
    monkeypatch.setitem(sys.modules, "lpcnet_cq.training.train", None)
    assert main(["train"]) == 1
    need = "train needs the package `lpcnet_cq.training.train`"
    assert error() == f"{need}; `pip install 'lpcnet-cq[train]'` installs it"


def test_interruption_is_no_traceback(monkeypatch, error):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "run_bench", interrupted)
    assert main(["bench"]) == 130
    assert error() == "interrupted"


@pytest.mark.parametrize("arguments", [["--help"], ["encode", "--help"], ["train", "--help"]])
def test_help_imports_nothing_heavy(arguments, environment):
    code = f"import runpy, sys\nsys.argv[1:] = {arguments}\n"
    code += "try: runpy.run_module('lpcnet_cq', run_name='__main__')\nexcept SystemExit: pass\n"
    code += "print(sorted({'jax', 'flax', 'numpy', 'scipy', 'soundfile'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith("usage: lpcnet-cq") and done.stdout.endswith("[]\n")


def test_help_goes_to_the_file_that_is_asked_for(capsys):
    parser, file = Parser(prog="program", description="What it does."), io.StringIO()
    parser.print_help(file)
    assert "What it does." in file.getvalue() and capsys.readouterr().out == ""
    parser.print_help()
    assert capsys.readouterr().out == file.getvalue()
