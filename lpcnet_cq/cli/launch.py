"""Start a group of processes that train together, here or on a Ray cluster, and start it again if one is lost.

Place in the chain: above `parallel`, which the processes use to join. All processes run one command line. It resumes
from the checkpoint of its folder, so that a new group goes on where the lost one has saved.
"""

import importlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from lpcnet_cq.training.parallel import DEFAULT_PORT
from lpcnet_cq.work.ray_tasks import connect

COMMAND = (sys.executable, "-m", "lpcnet_cq")
MOST_RESTARTS = 3
POLL_S = 0.2
GRACE_S = 5.0  # in which the others notice that a process is lost; then they are ended

RunOnce = Callable[[Sequence[str], int], tuple[int, bool]]


def variables(rank: int, size: int, host: str, port: int) -> dict[str, str]:
    """Return the environment variables by which a process joins its group.

    Examples
    --------
    >>> variables(1, 2, "10.0.0.1", 29500)
    {'RANK': '1', 'WORLD_SIZE': '2', 'MASTER_ADDR': '10.0.0.1', 'MASTER_PORT': '29500'}
    """
    return {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": host, "MASTER_PORT": str(port)}


def free_port() -> int:
    """Return a port that no program of this machine uses; the default one if it is free."""
    for port in (DEFAULT_PORT, 0):
        with closing(socket.socket()) as found:
            try:
                found.bind(("", port))
            except OSError:
                continue
            return found.getsockname()[1]
    raise OSError("no port is free")


def run_group(arguments: Sequence[str], size: int, run_once: RunOnce) -> int:
    """Run a group until it ends by itself, at most `MOST_RESTARTS` times again; return the exit status.

    Parameters
    ----------
    arguments : sequence of str
        Of the command line `lpcnet-cq`.
    size : int
        Number of processes.
    run_once : callable
        run_once(arguments, size) returns the exit status, and whether a process was lost.
    """
    for restart in range(1 + MOST_RESTARTS):
        status, lost = run_once(arguments, size)
        if not lost:
            return status
        if restart < MOST_RESTARTS:
            print("a process of the training was lost, the training starts again from its checkpoint", file=sys.stderr)
    return 1


def run_here(arguments: Sequence[str], size: int, environ: Mapping[str, str] = os.environ) -> tuple[int, bool]:
    """Run a group on this machine; return the exit status, and whether a signal ended a process."""
    port = free_port()
    processes = [
        subprocess.Popen(
            [*COMMAND, *arguments],
            env={**environ, **variables(rank, size, "127.0.0.1", port)},
        )
        for rank in range(size)
    ]
    try:
        while (states := [process.poll() for process in processes]) and None in states and not any(states):
            time.sleep(POLL_S)
        deadline = time.monotonic() + GRACE_S
        while any(states) and None in states and time.monotonic() < deadline:
            time.sleep(POLL_S)
            states = [process.poll() for process in processes]
    finally:
        for process in processes:
            process.kill()
    ended = [state for state in states if state is not None]
    for process in processes:
        process.wait()
    return max(map(abs, ended), default=1), any(state < 0 for state in ended)


def run_on_ray(address: str) -> RunOnce:
    """Return what runs a group on a Ray cluster, with an accelerator for each process if the cluster has some.

    Raises
    ------
    ModuleNotFoundError
        If Ray is not installed.
    ValueError
        If there is no cluster at the address.
    """
    connect(address)
    ray: Any = importlib.import_module("ray")
    n_gpus = min(1, int(ray.cluster_resources().get("GPU", 0)))

    def run_once(arguments: Sequence[str], size: int) -> tuple[int, bool]:
        actor = ray.remote(max_restarts=0, num_cpus=1, num_gpus=n_gpus, scheduling_strategy="SPREAD")(Member)
        members = [actor.remote() for _ in range(size)]
        try:
            host, port = ray.get(members[0].place.remote())
            runs = [m.run.remote(list(arguments), variables(i, size, host, port)) for i, m in enumerate(members)]
            statuses = []
            while runs:
                (ended,), runs = ray.wait(runs)
                statuses.append(ray.get(ended))
            return max(statuses), False
        except ray.exceptions.RayActorError:
            return 1, True
        finally:
            for member in members:
                ray.kill(member)

    return run_once


class Member:
    """Run one process of a group, as a Ray actor."""

    def place(self) -> tuple[str, int]:
        """Return the address and a free port of this node."""
        from ray.util import get_node_ip_address  # pyright: ignore[reportMissingImports]

        return get_node_ip_address(), free_port()

    def run(self, arguments: list[str], environ: dict[str, str]) -> int:
        """Run the command line and return its exit status."""
        from lpcnet_cq.cli import main

        os.environ.update(environ)
        return main(arguments)
