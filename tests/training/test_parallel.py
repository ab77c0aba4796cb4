"""Data parallel training: two processes on the loopback address train as one does, and survive a kill.

The model is a line, because compiling a codec takes a minute: `experiments/parallel.py` compares the losses of a codec.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lpcnet_cq.checkpoint.weights import read_tensors
from lpcnet_cq.cli import launch
from lpcnet_cq.training import parallel

LINE_STEPS = 24
WHOLE = LINE_STEPS, 60.0, 0.0  # steps, minutes between checkpoints, and seconds that a batch takes
JOIN = """
import json, sys, time
from pathlib import Path
import jax
jax.config.update("jax_disable_most_optimizations", True)
from lpcnet_cq.training import parallel
from lpcnet_cq.training.parallel import is_first, join_group, leave_group, rows_here
parallel.HEARTBEAT_S = 10
join_group()
from lpcnet_cq.training import loop
loop.LOG_EVERY, folder = 1, Path(sys.argv[2])
"""
LINE = """
import jax.numpy as jnp, numpy as np
from flax import nnx
from lpcnet_cq.training.schedule import two_phases
steps, checkpoint_minutes, pause_s = json.loads(sys.argv[1])
class Line(nnx.Module):
    def __init__(self):
        self.slope, self.offset = nnx.Param(jnp.zeros(1)), nnx.Param(jnp.zeros(1))
graph, params = nnx.split(Line(), nnx.Param)
def batch(i):
    time.sleep(pause_s)
    return {"x": np.random.default_rng(i).standard_normal(8).astype(np.float32)[list(rows_here(8))]}
def loss(model, phase, batch, control, setting, key):
    x = batch["x"] + 0.1 * jax.random.normal(key, batch["x"].shape)
    error = jnp.mean((model.slope[...] * x + model.offset[...] - 2 * x - 1) ** 2)
    return error, ({"loss": error, "bps": error, "nsr_db": error}, error)
run = loop.Run(
    graph=graph, phases=two_phases([("slope",), ("offset",)], (0.1, 0.1, 0.1), (1, 1, 1)), batch=batch,
    setting=lambda phase, position: loop.Setting(jnp.float32(0.1), {"progress": jnp.float32(position.progress)}),
    loss=loss, update_control=lambda control, phase, setting, parts, other: control + other,
    budget=loop.Budget(1.0, steps), checkpoint_minutes=checkpoint_minutes,
)
loop.train(run, folder, {}, params, jnp.float32(0), quiet=True)
alone = jax.process_count() == 1
leave_group()
time.sleep(0 if alone else 2 * is_first())  # the first one goes on alone
assert jnp.arange(3.0).sum() == 3
"""


def start(program, settings, folder, size):
    """Start a group of processes that train in a folder."""
    port = launch.free_port()
    groups = [launch.variables(rank, size, "127.0.0.1", port) for rank in range(size)] if size > 1 else [{}]
    line = [sys.executable, "-c", JOIN + program, json.dumps(settings), str(folder)]
    own = {"LPCNET_CQ_CACHE": str(folder.parent / "cache"), "PYTHONPATH": str(Path(__file__).parents[2])}
    return [subprocess.Popen(line, env=os.environ | own | group) for group in groups]


def train(program, settings, folder, size):
    assert [process.wait() for process in start(program, settings, folder, size)] == [0] * size


def lines(folder):
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "minutes"} for line in found]


def state(folder):
    tensors, metadata = read_tensors(folder / "checkpoint.safetensors")
    return tensors, {name: value for name, value in json.loads(metadata["notes"]).items() if name != "minutes"}


def assert_same_run(a, b):
    assert lines(a) == lines(b) and state(a)[1] == state(b)[1]
    for name, value in state(a)[0].items():
        np.testing.assert_array_equal(state(b)[0][name], value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of a run of two processes, in phases, that was not disturbed."""
    folder = tmp_path_factory.mktemp("line") / "whole"
    train(LINE, WHOLE, folder, 2)
    return folder


def test_two_processes_learn_what_one_does(whole, tmp_path):
    train(LINE, WHOLE, tmp_path / "one", 1)
    one, two = ([line["loss"] for line in lines(folder)] for folder in (tmp_path / "one", whole))
    assert len(one) == LINE_STEPS and one[-1] < 0.1 * one[0]
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-5)


def test_one_process_resumes_exactly_what_two_have_saved(whole, tmp_path):
    """What it reads is what it saves, as the run is over; and a longer run goes on from there."""
    shutil.copytree(whole, tmp_path / "on")
    train(LINE, WHOLE, tmp_path / "on", 1)
    assert_same_run(whole, tmp_path / "on")


def test_a_killed_process_loses_and_doubles_nothing(whole, tmp_path):
    """The other process ends, too; the next group goes on from the checkpoint, as if nothing had happened."""
    first, second = start(LINE, (LINE_STEPS, 0.0, 0.05), tmp_path / "run", 2)
    metrics = tmp_path / "run" / "metrics.jsonl"
    while first.poll() is None and not (metrics.exists() and metrics.read_bytes().count(b"\n") > 5):
        time.sleep(0.02)
    second.kill()
    second.wait()
    assert first.wait() != 0 and 5 < len(lines(tmp_path / "run")) < LINE_STEPS
    with open(metrics, "a") as log:
        log.write(json.dumps({"step": LINE_STEPS - 1, "loss": 0.0}) + "\n{")  # of a run that had come further
    train(LINE, WHOLE, tmp_path / "run", 2)
    assert_same_run(whole, tmp_path / "run")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"RANK": "0", "WORLD_SIZE": "2"}, False),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "a"}, True),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, False),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "4"}, True),
    ],
)
def test_groups_are_known_by_their_variables(environ, expected):
    assert parallel.in_group(environ) == expected


def test_a_rank_outside_its_group_is_refused():
    with pytest.raises(ValueError, match="RANK is 2, it must be 0 to WORLD_SIZE - 1, which is 1"):
        parallel.join_group(launch.variables(2, 2, "127.0.0.1", 1))


def test_one_process_has_all_rows(monkeypatch):
    assert parallel.rows_here(3) == range(3)
    monkeypatch.setattr(parallel.jax, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="`batch` is 3, it must be a multiple of the number of devices, 2"):
        parallel.rows_here(3)
