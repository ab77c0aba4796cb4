"""Engine of Ray tasks: units of work run on all nodes of a cluster, or on a local one.

Place in the chain: one of the engines of `engine`. Only this module imports Ray, when an engine is made. All nodes need
this package in the same version, and the same paths: inputs and outputs are on a file system that they share. A lost
worker or node is reported to `engine`, which starts the unit again; Ray itself does not retry.
"""

from collections.abc import Callable
from typing import Any

from lpcnet_cq.work.engine import LOST

LOCAL = "local"


class RayTasks:
    """Run units of work as Ray tasks, one per core.

    Parameters
    ----------
    work : callable
        work(unit) returns a result; must be picklable, as units and results.
    address : str
        Address of a cluster, such as `auto` or `ray://head:10001`, or `local` for one on this machine that ends with
        the engine.
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
        import ray  # pyright: ignore[reportMissingImports]

        self._ray, self._jobs, self._tickets = ray, jobs, dict[Any, int]()
        self._own = not ray.is_initialized()
        if self._own:
            options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
            place: dict[str, Any] = {"num_cpus": jobs} if address == LOCAL else {}
            try:
                ray.init(address, **place, **options)
            except (ConnectionError, ValueError) as error:
                raise ValueError(f"there is no Ray cluster at `{address}`: {error}") from error
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


def run_unit(work: Callable[[Any], Any], unit: Any) -> Any:
    """Return the result of a unit, on a worker."""
    return work(unit)
