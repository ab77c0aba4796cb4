"""Groups of processes: all run one command line, and a lost process is told from one that fails."""

import sys

import pytest

from lpcnet_cq.cli import launch
from lpcnet_cq.cli.launch import run_group, run_here


def test_a_lost_group_starts_again_and_a_failed_one_does_not(capsys):
    found = iter([(1, True), (1, True), (0, False)])
    assert run_group([], 2, lambda arguments, size: next(found)) == 0
    assert capsys.readouterr().err.count("starts again from its checkpoint") == 2
    assert run_group([], 2, lambda arguments, size: (2, False)) == 2
    assert run_group([], 2, lambda arguments, size: (1, True)) == 1


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that makes a text the program that all processes run."""

    def set_program(text):
        (tmp_path / "program.py").write_text(f"import os, signal, sys, time\n{text}\n")
        monkeypatch.setattr(launch, "COMMAND", (sys.executable, str(tmp_path / "program.py")))

    return set_program


def test_processes_know_their_group(program, tmp_path):
    names = "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"
    program(f"open(sys.argv[1] + os.environ['RANK'], 'w').write(' '.join(os.environ[n] for n in {names}))")
    assert run_here([f"{tmp_path}/rank-"], 2) == (0, False)
    first, second = ((tmp_path / f"rank-{i}").read_text().split() for i in range(2))
    assert first[:3] == ["0", "2", "127.0.0.1"] and second[:3] == ["1", "2", "127.0.0.1"] and first[3] == second[3]


def test_a_process_that_fails_ends_the_others(program, monkeypatch):
    monkeypatch.setattr(launch, "GRACE_S", 0.5)
    program("sys.exit(3) if os.environ['RANK'] == '1' else time.sleep(1e6)")
    assert run_here([], 2) == (3, False)


def test_a_process_that_is_killed_is_lost(program, monkeypatch):
    monkeypatch.setattr(launch, "GRACE_S", 0.5)
    program("os.kill(os.getpid(), signal.SIGKILL) if os.environ['RANK'] == '1' else time.sleep(1e6)")
    assert run_here([], 2)[1]


def test_a_process_that_fails_because_another_is_lost_counts_as_lost(program):
    program("time.sleep(0.5); os.environ['RANK'] == '0' and sys.exit(1); os.kill(os.getpid(), signal.SIGKILL)")
    assert run_here([], 2)[1]
