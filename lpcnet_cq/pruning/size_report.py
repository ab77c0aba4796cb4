"""Size report of a weights file: bytes and zeros of every tensor.

Place in the chain: none; `lpcnet-cq prune` prints it at the end.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from lpcnet_cq.checkpoint.half_precision import FREQUENCIES, TABLES, pack_weights, unpack_weights
from lpcnet_cq.checkpoint.sparse import PARTS, packed_bytes
from lpcnet_cq.checkpoint.weights import read_tensors
from lpcnet_cq.evaluation.tables import markdown


class Size(NamedTuple):
    """Hold the size of a tensor in a weights file."""

    name: str
    n_values: int
    zeros: float  # share of the values
    n_bytes: int


def tensor_sizes(path: Path) -> list[Size]:
    """Return the sizes of all tensors of a weights file, packed or not, sorted by name."""
    stored, _ = read_tensors(path)
    n_bytes: dict[str, int] = {}
    for name, tensor in stored.items():
        head, _, part = name.rpartition("/")
        name = head if part in PARTS and f"{head}/layout" in stored else name
        n_bytes[name] = n_bytes.get(name, 0) + tensor.nbytes
    tensors = unpack_weights(stored)
    tensors[FREQUENCIES] = tensors[TABLES]  # a file has one of the two
    return [
        Size(name, tensors[name].size, float(np.mean(tensors[name] == 0)), n_bytes[name]) for name in sorted(n_bytes)
    ]


def report(path: Path, before: Path) -> str:
    """Return as Markdown the sizes of the large tensors of a weights file, and of the files before and after."""
    large = [of for of in tensor_sizes(path) if of.n_values >= 1000]
    rows = [[of.name, f"{of.n_values:,}", f"{100 * of.zeros:.0f} %", f"{of.n_bytes:,}"] for of in large]
    dense, _ = read_tensors(before)
    packed = pack_weights(dense) if TABLES in dense else dense
    n_bytes = {
        "file": path.stat().st_size,
        "file before": before.stat().st_size,
        "file before, packed, about": packed_bytes(packed),
    }
    lines = [f"{title}: {n:,} bytes" for title, n in n_bytes.items()]
    return markdown(["tensor", "values", "zeros", "bytes"], rows) + "\n" + "\n".join(lines) + "\n"
