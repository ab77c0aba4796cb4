"""Data parallel training: a batch on all devices of all processes, parameters on each.

Place in the chain: between the training loop and JAX. Processes join a group by environment variables, those of
`torchrun` (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT, LOCAL_RANK) or of Slurm. Each process computes its rows of a
batch; the compiler adds the sums over devices that the loss and the gradient of the whole batch need. Therefore the
result does not depend on the number of processes, except by rounding, and neither does a checkpoint. With one device,
all functions return their arguments.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

AXIS = "batch"
DEFAULT_PORT = 29500  # of `torchrun`
HEARTBEAT_S = 30  # after which a process that does not answer ends the group


def in_group(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the environment names a group of processes.

    Examples
    --------
    >>> in_group({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}), in_group({"SLURM_NTASKS": "1"})
    (True, False)
    """
    torch = {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= environ.keys()
    return torch or ("SLURM_PROCID" in environ and int(environ.get("SLURM_NTASKS", "1")) > 1)


def join_group(environ: Mapping[str, str] = os.environ) -> None:
    """Join the group of processes that the environment names, if any; must be called before JAX computes.

    Raises
    ------
    ValueError
        If the variables contradict each other.
    """
    if not in_group(environ):
        return
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    options: dict[str, Any] = {"heartbeat_timeout_seconds": HEARTBEAT_S}
    if "RANK" not in environ:
        jax.distributed.initialize(cluster_detection_method="slurm", **options)
        connect()
        return
    rank, size = int(environ["RANK"]), int(environ["WORLD_SIZE"])
    if not 0 <= rank < size:
        raise ValueError(f"RANK is {rank}, it must be 0 to WORLD_SIZE - 1, which is {size - 1}")
    address = f"{environ['MASTER_ADDR']}:{environ.get('MASTER_PORT', DEFAULT_PORT)}"
    if "LOCAL_RANK" in environ:  # one accelerator for each process of a host
        options["local_device_ids"] = int(environ["LOCAL_RANK"])
    jax.distributed.initialize(address, size, rank, **options)
    connect()


def connect() -> None:
    """Connect all processes at once: at their first sum, none waits for another one for longer than 30 s."""
    meet("joined")
    shared(0.0)


def leave_group() -> None:
    """Leave the group, together with all other processes; each may go on alone, for any time."""
    if jax.process_count() > 1:
        jax.distributed.shutdown()


def meet(name: str) -> None:
    """Wait until all processes of the group are at the point of this name, which they reach once, for up to an hour."""
    from jax._src.distributed import global_state  # JAX has no other barrier without the limit of 30 s

    assert global_state.client is not None
    global_state.client.wait_at_barrier(name, timeout_in_ms=round(3.6e6))


def compile_together(step: Callable, arguments: tuple, name: str) -> Callable:
    """Return the step, which in a group is compiled in all processes, however long that takes in each."""
    if jax.process_count() == 1:
        return step
    ready = step.lower(*arguments).compile()  # type: ignore[attr-defined]
    meet(name)
    return ready


def is_first() -> bool:
    """Return whether this process writes files: the first of its group."""
    return jax.process_index() == 0


def rows_here(batch: int) -> range:
    """Return the rows of a batch that this process computes.

    Raises
    ------
    ValueError
        If the rows cannot be divided among the devices of all processes.
    """
    if batch % jax.device_count():
        raise ValueError(f"`batch` is {batch}, it must be a multiple of the number of devices, {jax.device_count()}")
    n = batch // jax.process_count()
    return range(n * jax.process_index(), n * (jax.process_index() + 1))


def sharding(*axes: str) -> NamedSharding:
    """Return where arrays are: along the batch on different devices, or whole on each."""
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return NamedSharding(Mesh(np.array(devices), (AXIS,), axis_types=(AxisType.Auto,)), PartitionSpec(*axes))


def compiled(step: Callable) -> Callable:
    """Return the compiled function; its results are whole on each device."""
    return jax.jit(step) if jax.device_count() == 1 else jax.jit(step, out_shardings=sharding())


def place(tree: Any) -> Any:
    """Return a tree of arrays, equal in all processes, whole on each device; arrays of random keys stay such."""
    if jax.device_count() == 1:
        return tree

    def leaf(value):
        if isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(leaf(jax.random.key_data(value)))
        return jax.make_array_from_process_local_data(sharding(), np.asarray(value))

    return jax.tree.map(leaf, tree)


def place_batch(batch: dict) -> dict:
    """Return a batch of which each process has its rows, on the devices of all processes; scalars are equal."""
    if jax.device_count() == 1:
        return batch
    return {
        name: jax.make_array_from_process_local_data(sharding(*[AXIS] * (np.ndim(value) > 0)), np.asarray(value))
        for name, value in batch.items()
    }


def local(tree: Any) -> Any:
    """Return a tree that is whole on each device as arrays of this process."""
    return tree if jax.device_count() == 1 else jax.tree.map(lambda value: jax.numpy.asarray(np.asarray(value)), tree)


def shared(value: float) -> float:
    """Return the number that the first process has, in single precision."""
    if jax.process_count() == 1:
        return value
    from jax.experimental.multihost_utils import broadcast_one_to_all

    return float(broadcast_one_to_all(np.float32(value)))
