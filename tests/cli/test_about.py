"""`--version` and `--print-completion`."""

import os
import subprocess

import pytest

import lpcnet_cq
from lpcnet_cq.checkpoint.weights import installed
from lpcnet_cq.cli import main


def test_version_names_package_bitstream_and_weights(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    lines = capsys.readouterr().out.splitlines()
    assert stop.value.code == 0
    assert lines[:2] == [f"lpcnet-cq {lpcnet_cq.__version__}", "bitstream 1 (files), 2 (live streams)"]
    assert lines[2:] == [f"weights {path.stem} {model_hash}" for model_hash, path in installed().items()]
    assert any(line.startswith("weights cq3 ") for line in lines)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(capsys, shell):
    with pytest.raises(SystemExit) as stop:
        main(["--print-completion", shell])
    script = capsys.readouterr().out
    assert stop.value.code == 0
    assert all(word in script for word in ("encode", "decode", "export", "bitrate", "expected-loss"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["dec"], ["decode"]),
        (["encode", "--exp"], ["--expected-loss"]),
        (["decode", "--backend", "n"], ["numpy"]),
        (["info", "so"], ["some.cq"]),
        (["export", "--onnx", "fo"], ["folder"]),
    ],
)
def test_bash_completes(tmp_path, monkeypatch, capsys, words, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some.cq").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(SystemExit):
        main(["--print-completion", "bash"])
    line = " ".join(["lpcnet-cq", *words])
    script = f"""{capsys.readouterr().out}
COMP_WORDS=({line}) COMP_CWORD={len(words)} COMP_LINE="{line}" COMP_POINT={len(line)}
_shtab_lpcnet_cq lpcnet-cq "{words[-1]}" "{(["lpcnet-cq", *words])[-2]}" 2> /dev/null
echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=os.environ)
    assert done.stdout.split() == expected, done.stderr


def test_other_shells_are_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--print-completion", "cmd"])
    assert stop.value.code == 2 and "choose from" in capsys.readouterr().err
