"""Ray: results, work that is lost, and a cluster that is not there."""

import os

import pytest

from lpcnet_cq.work.engine import LOST, completed
from lpcnet_cq.work.where import Where


@pytest.fixture
def where(monkeypatch):
    """Return a local cluster of two cores, which no other process of this machine can make short of memory."""
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    return Where(2, "local")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_results_come_from_tasks_and_lost_workers_are_noticed(where):
    engine = where.engine(abs)
    assert engine.slots == 2
    assert sorted(completed([-3, 2, -1], engine)) == [(-3, 3), (-1, 1), (2, 2)]
    assert list(completed([3], where.engine(os._exit))) == [(3, LOST)]


def test_paths_of_a_cluster_are_absolute():
    assert Where(None, "auto").path("a/b") == os.path.abspath("a/b") and Where(2).path("a/b") == "a/b"
