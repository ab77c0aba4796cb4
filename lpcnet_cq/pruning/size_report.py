"""Where the bytes of a weights file are, layer by layer, and what is zero.

Place in the chain: none; `prune` ends with it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from lpcnet_cq.checkpoint.half_precision import FREQUENCIES, TABLES, compact, expand
from lpcnet_cq.checkpoint.sparse import PARTS, packed_bytes
from lpcnet_cq.checkpoint.weights import read_tensors


class Size(NamedTuple):
    """Hold what a tensor takes in a weights file."""

    name: str
    n_values: int
    zeros: float  # share of them
    n_bytes: int


def sizes(path: Path) -> list[Size]:
    """Return the sizes of all tensors of a weights file, packed or not, in the order of their names."""
    stored, _ = read_tensors(path)
    n_bytes: dict[str, int] = {}
    for name, tensor in stored.items():
        head, _, part = name.rpartition("/")
        name = head if part in PARTS and f"{head}/layout" in stored else name
        n_bytes[name] = n_bytes.get(name, 0) + tensor.nbytes
    tensors = expand(stored)
    tensors[FREQUENCIES] = tensors[TABLES]  # stored as either
    return [
        Size(name, tensors[name].size, float(np.mean(tensors[name] == 0)), n_bytes[name]) for name in sorted(n_bytes)
    ]


def report(path: Path, before: Path) -> str:
    """Lay out the layers of a weights file, and its size against that of the file before, as Markdown."""
    lines = ["| tensor | values | zeros | bytes |", "| --- | ---: | ---: | ---: |"]
    found = [of for of in sizes(path) if of.n_values >= 1000]
    lines += [f"| {of.name} | {of.n_values:,} | {100 * of.zeros:.0f} % | {of.n_bytes:,} |" for of in found]
    dense, _ = read_tensors(before)
    small = compact(dense) if TABLES in dense else dense
    rows = {
        "file": path.stat().st_size,
        "file before": before.stat().st_size,
        "file before, stored as compactly, about": packed_bytes(small),
    }
    lines += ["", *(f"{title}: {n_bytes:,} bytes" for title, n_bytes in rows.items()), ""]
    return "\n".join(lines)
