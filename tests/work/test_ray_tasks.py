"""Ray: results, work that is lost, and a cluster that is not there."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from lpcnet_cq.cli import main
from lpcnet_cq.work import ray_tasks
from lpcnet_cq.work.where import Where

PROGRAM = """
import os
import sys
from lpcnet_cq.cli.launch import run_on_ray
from lpcnet_cq.work.engine import LOST, completed
from lpcnet_cq.work.where import Where

if __name__ == "__main__":
    where = Where(2, "local")
    engine = where.engine(abs)
    assert engine.slots == 2
    assert sorted(completed([-3, 2, -1], engine)) == [(-3, 3), (-1, 1), (2, 2)]
    assert run_on_ray("local")(["info", os.devnull], 2) == (1, False)  # the command line fails in both processes
    assert list(completed([3], where.engine(os._exit))) == [(3, LOST)]  # on the same cluster: each start takes seconds
    open(sys.argv[1], "x").close()  # Ray writes to the standard output of this process, too
"""


def test_results_come_from_tasks_and_lost_workers_are_noticed(tmp_path):
    """In a process of its own: Ray forks, and this one may have threads of JAX."""
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    (tmp_path / "program.py").write_text(PROGRAM)
    # no other process of this machine can make the cluster short of memory
    settings = {"RAY_memory_monitor_refresh_ms": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    found = subprocess.run(
        [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "done")],
        env=os.environ | settings | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    assert (tmp_path / "done").exists(), found.stdout + found.stderr
    assert found.returncode == 0


def test_paths_of_a_cluster_are_absolute():
    assert Where(None, "auto").path("a/b") == os.path.abspath("a/b") and Where(2).path("a/b") == "a/b"


@pytest.fixture
def answering():
    """Return a function that starts a program which answers the first message at a port of its own with some bytes."""
    servers = []

    def start(answer):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve():
            link, _ = server.accept()
            with link, suppress(OSError):  # if the other side ends the connection
                link.recv(100)
                link.sendall(answer)
                link.recv(100)

        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield start
    for server in servers:
        server.close()


def test_what_speaks_http_2_answers_as_ray_does(answering):
    assert ray_tasks.check_answer(answering(ray_tasks.SETTINGS)) is None
    assert ray_tasks.check_answer("ray://" + answering(bytes([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 9]))) is None


def test_what_does_not_answer_as_ray_does_is_refused(answering, monkeypatch):
    with pytest.raises(ValueError, match="another program answers there"):
        ray_tasks.check_answer(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(ValueError, match="'x' is no port"):
        ray_tasks.check_answer("head:x")
    monkeypatch.setattr(ray_tasks, "ANSWER_S", 0.2)
    with pytest.raises(TimeoutError):
        ray_tasks.check_answer(answering(b""))


@pytest.mark.parametrize("setting", ["1", "true"])
def test_a_cluster_with_tls_gets_no_plain_greeting(answering, monkeypatch, setting):
    alert = b"\x15\x03\x03\x00\x02\x02\x46"  # the alert of TLS: what came is no handshake
    monkeypatch.setenv("RAY_USE_TLS", setting)
    assert ray_tasks.check_answer(answering(alert)) is None
    monkeypatch.setenv("RAY_USE_TLS", "0")
    with pytest.raises(ValueError, match="another program answers there"):
        ray_tasks.check_answer(answering(alert))


def test_auto_is_the_cluster_of_this_node(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert ray_tasks.meant("auto") == "" and ray_tasks.meant("head:6379") == "head:6379"
    (tmp_path / ray_tasks.CURRENT.parent).mkdir()
    (tmp_path / ray_tasks.CURRENT).write_text("10.0.0.1:6379")
    assert ray_tasks.meant("auto") == "10.0.0.1:6379"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.2:6379")
    assert ray_tasks.meant("auto") == "10.0.0.2:6379"


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path, capsys):
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").write_bytes(b"")
    assert main(["encode", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--cluster", address]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"lpcnet-cq: error: there is no Ray cluster at `{address}`: ") and said.count("\n") == 1
    assert "Connection refused" in said and "Errno" not in said


def test_the_address_that_auto_means_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_tasks, "imported", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ValueError) as found:
        ray_tasks.connect("auto")
    assert str(found.value) == f"there is no Ray cluster at `{address}`, which `auto` means: Connection refused"
