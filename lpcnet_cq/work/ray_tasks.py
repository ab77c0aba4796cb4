"""Engine of Ray tasks: units of work run on all nodes of a cluster, or on a local one.

Place in the chain: one of the engines of `engine`. Only this module imports Ray, when an engine is made. All nodes need
this package in the same version, and the same paths: inputs and outputs are on a file system that they share. A lost
worker or node is reported to `engine`, which starts the unit again; Ray itself does not retry. Ray tries for minutes to
reach a cluster; therefore a greeting of HTTP/2, which Ray speaks, is sent to the address before. If Ray is set to TLS
(RAY_USE_TLS), only a connection is made.
"""

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lpcnet_cq.work.engine import LOST

LOCAL, AUTO = "local", "auto"
CURRENT = Path("ray") / "ray_current_cluster"  # in the temporary folder; `ray start` writes its address there
ANSWER_S = 5.0  # in which a cluster answers
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # an empty frame of settings, which both sides of HTTP/2 send first
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS


class RayTasks:
    """Run units of work as Ray tasks, one per core.

    Parameters
    ----------
    work : callable
        work(unit) returns a result; must be picklable, as units and results.
    address : str
        Address of a cluster, such as `head:6379`, or `auto` for that of this node, or `local` for one on this machine
        that ends with the engine.
    jobs : int, optional
        Number of units that run at the same time; by default the cores of the cluster.

    Raises
    ------
    ModuleNotFoundError
        If Ray is not installed.
    ValueError
        If there is no cluster at the address.
    """

    def __init__(self, work: Callable[[Any], Any], address: str, jobs: int | None = None):
        self._ray = ray = imported()
        self._jobs, self._tickets = jobs, dict[Any, int]()
        self._own = not ray.is_initialized()
        if self._own:
            connect(address, log_to_driver=False, **({"num_cpus": jobs} if address == LOCAL else {}))
        self._work = ray.put(work)
        self._task = ray.remote(max_retries=0, num_cpus=1)(run_unit)

    @property
    def slots(self) -> int:
        """Number of units that run at the same time: the cores that the cluster has now, or `jobs` if it is less."""
        cores = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        return min(cores, self._jobs or cores)

    def start(self, ticket: int, unit: Any) -> None:
        """Start a unit."""
        self._tickets[self._task.remote(self._work, unit)] = ticket

    def wait(self, timeout_s: float) -> list[tuple[int, Any]]:
        """Return tickets that ended, each with its result or `LOST`; raises what the work raised."""
        first, _ = self._ray.wait(list(self._tickets), timeout=timeout_s)
        if not first:
            return []
        ended, _ = self._ray.wait(list(self._tickets), num_returns=len(self._tickets), timeout=0)
        return [(self._tickets.pop(ref), self._result(ref)) for ref in ended]

    def _result(self, ref: Any) -> Any:
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError:
            return LOST

    def close(self) -> None:
        """Cancel what runs, and end a local cluster."""
        for ref in self._tickets:
            self._ray.cancel(ref, force=True)
        self._tickets.clear()
        if self._own:
            self._ray.shutdown()


def imported() -> Any:
    """Import Ray, which then gives up a cluster that does not answer after a few attempts."""
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "3")
    import ray  # pyright: ignore[reportMissingImports]

    return ray


def connect(address: str, **options: Any) -> None:
    """Connect Ray to a cluster, or start one; `options` are those of `ray.init`.

    Raises
    ------
    ModuleNotFoundError
        If Ray is not installed.
    ValueError
        If there is no cluster at the address.
    """
    ray, tried = imported(), meant(address)
    try:
        if address != LOCAL:
            check_answer(tried)
        ray.init(address, include_dashboard=False, logging_level="ERROR", **options)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error  # time-outs have no strerror
        of_auto = f", which `{AUTO}` means" if address == AUTO and tried else ""
        raise ValueError(f"there is no Ray cluster at `{tried or address}`{of_auto}: {why}") from error


def meant(address: str) -> str:
    """Return the address that `auto` stands for, if any; others stay.

    Examples
    --------
    >>> meant("head:6379")
    'head:6379'
    """
    if address != AUTO:
        return address
    current = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / CURRENT
    return os.environ.get("RAY_ADDRESS") or (current.read_text().strip() if current.is_file() else "")


def check_answer(address: str) -> None:
    """Raise an error if the address has a port that does not answer as Ray does; with TLS, if it is closed.

    Raises
    ------
    OSError
        If nothing answers there.
    ValueError
        If another program answers, or the port is no number.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return  # Ray says what it makes of it
    if not port.isdecimal():
        raise ValueError(f"{port!r} is no port")
    with socket.create_connection((host.strip("[]"), int(port)), ANSWER_S) as link:
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):  # as Ray reads it
            return
        link.sendall(GREETING)
        answer = link.recv(len(SETTINGS))
    if answer[3:4] != SETTINGS[3:4]:
        raise ValueError("another program answers there")


def run_unit(work: Callable[[Any], Any], unit: Any) -> Any:
    """Return the result of a unit, on a worker."""
    return work(unit)
