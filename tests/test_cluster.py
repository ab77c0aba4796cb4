"""The experiments on clusters: waiting for a cluster that starts."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import cluster


@pytest.mark.parametrize("error", [ConnectionRefusedError("nothing"), ValueError("another program answers there")])
def test_a_port_without_a_cluster_does_not_answer(monkeypatch, error):
    def refuse(address):
        raise error

    monkeypatch.setattr(cluster, "check_answer", refuse)
    assert not cluster.answers(6379)
    monkeypatch.setattr(cluster, "check_answer", lambda address: None)
    assert cluster.answers(6379)
