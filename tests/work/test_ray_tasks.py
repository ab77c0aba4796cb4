"""Ray: results, work that is lost, and a cluster that is not there."""

import os
import subprocess
import sys

import pytest

from lpcnet_cq.work.where import Where

PROGRAM = """
import os
from lpcnet_cq.cli.launch import run_on_ray
from lpcnet_cq.work.engine import LOST, completed
from lpcnet_cq.work.where import Where

if __name__ == "__main__":
    where = Where(2, "local")
    engine = where.engine(abs)
    assert engine.slots == 2
    assert sorted(completed([-3, 2, -1], engine)) == [(-3, 3), (-1, 1), (2, 2)]
    assert list(completed([3], where.engine(os._exit))) == [(3, LOST)]
    assert run_on_ray("local")(["info", os.devnull], 2) == (1, False)  # the command line fails in both processes
    print("done")
"""


def test_results_come_from_tasks_and_lost_workers_are_noticed(tmp_path):
    """In a process of its own: Ray forks, and this one may have threads of JAX."""
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    (tmp_path / "program.py").write_text(PROGRAM)
    # no other process of this machine can make the cluster short of memory
    settings = {"RAY_memory_monitor_refresh_ms": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    found = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        env=os.environ | settings | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    assert found.stdout.endswith("done\n"), found.stderr


def test_paths_of_a_cluster_are_absolute():
    assert Where(None, "auto").path("a/b") == os.path.abspath("a/b") and Where(2).path("a/b") == "a/b"
