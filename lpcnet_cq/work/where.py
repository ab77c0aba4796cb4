"""Where work runs: in this process, in processes of this machine, or on a Ray cluster."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lpcnet_cq.work.engine import Engine, Here


@dataclass(frozen=True)
class Where:
    """Hold where units of work run.

    Attributes
    ----------
    jobs : int, optional
        Number of units that run at the same time; None: one in this process, or the cores of the cluster.
    cluster : str, optional
        Address of a Ray cluster, or `local` for one on this machine; None: no cluster.
    """

    jobs: int | None = None
    cluster: str | None = None

    def path(self, path: str | os.PathLike[str]) -> str:
        """Return a path that workers understand: those of a cluster have other working folders."""
        return os.path.abspath(path) if self.cluster else os.fspath(path)

    def engine(self, work: Callable[[Any], Any]) -> Engine:
        """Return an engine that runs `work`; except in this process, it must be picklable."""
        if self.cluster is not None:
            from lpcnet_cq.work.ray_tasks import RayTasks

            return RayTasks(work, self.cluster, self.jobs)
        if self.jobs in (None, 1):
            return Here(work)
        from lpcnet_cq.work.processes import Processes

        return Processes(work, self.jobs)


HERE = Where()
