"""Packing of sparse tensors: one bit per group, and the values of the groups that are not zero.

Place in the chain: between trained weights and a weights file; `NAME` becomes `NAME/mask`, `NAME/values` and
`NAME/layout`.

| array | type | content |
| --- | --- | --- |
| mask | uint8 | bits of the groups in the order of `weight_groups`, most significant first; 1: not zero |
| values | that of the tensor | the groups whose bit is 1, concatenated |
| layout | int32 | inputs and outputs of a group, then the shape of the tensor |
"""

import math

import numpy as np

from lpcnet_cq.checkpoint.weight_groups import PATTERNS, UNSTRUCTURED, Pattern, from_groups, resolve, tiles, to_groups

PARTS = ("mask", "values", "layout")


def pack_sparse(tensor: np.ndarray, pattern: Pattern = UNSTRUCTURED) -> dict[str, np.ndarray]:
    """Pack a tensor; `unpack_sparse` restores it exactly.

    Parameters
    ----------
    tensor : array (..., I, O)
    pattern : Pattern
        Size of the groups; a group is stored as a whole, or omitted if it is zero.

    Raises
    ------
    ValueError
        If the groups do not tile the tensor.

    Examples
    --------
    >>> parts = pack_sparse(np.float32([[0, 2, 0], [0, 0, 3]]))
    >>> {name: part.tolist() for name, part in parts.items()}
    {'mask': [68], 'values': [2.0, 3.0], 'layout': [1, 1, 2, 3]}
    """
    groups = to_groups(tensor, pattern)
    kept = np.any(groups != 0, axis=1)
    layout = np.array([*resolve(pattern, tensor.shape), *tensor.shape], np.int32)
    return {"mask": np.packbits(kept), "values": groups[kept].reshape(-1), "layout": layout}


def unpack_sparse(parts: dict[str, np.ndarray]) -> np.ndarray:
    """Return the tensor that `pack_sparse` packed.

    Raises
    ------
    ValueError
        If the sizes of the parts do not match.
    """
    pattern, shape = Pattern(*parts["layout"][:2].tolist()), tuple(parts["layout"][2:].tolist())
    n, size = pattern.inputs * pattern.outputs, math.prod(shape)
    if min(*pattern, *shape) < 1 or size % n or len(parts["mask"]) != -(-size // n // 8):
        found = len(parts["mask"])
        raise ValueError(f"a sparse tensor of the shape {shape} in groups of {n} has a mask of {found} bytes")
    groups = np.zeros((size // n, n), parts["values"].dtype)
    kept = np.unpackbits(parts["mask"], count=len(groups)).astype(bool)
    if len(parts["values"]) != np.count_nonzero(kept) * n:
        raise ValueError(f"a sparse tensor of the shape {shape} has other values than its mask says")
    groups[kept] = parts["values"].reshape(-1, n)
    return from_groups(groups, shape, pattern)


def pack_tensors(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pack the matrices and kernels that become smaller, each with the pattern that needs the fewest bytes.

    Parameters
    ----------
    tensors : dict
        By flat names, as `weights.flatten` returns them. Other tensors do not change.
    """
    packed = {}
    for name, tensor in tensors.items():
        fitting = [of for of in PATTERNS.values() if tensor.ndim > 1 and tiles(of, tensor.shape)]
        parts = min((pack_sparse(tensor, of) for of in fitting), key=packed_bytes, default=None)
        if parts and packed_bytes(parts) < tensor.nbytes:
            packed |= {f"{name}/{part}": value for part, value in parts.items()}
        else:
            packed[name] = tensor
    return packed


def unpack_tensors(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors that `pack_tensors` packed."""
    names = [name.removesuffix("/layout") for name in tensors if name.endswith("/layout")]
    parts = {name: {part: tensors[f"{name}/{part}"] for part in PARTS} for name in names}
    rest = {name: t for name, t in tensors.items() if name.rpartition("/")[0] not in parts}
    return rest | {name: unpack_sparse(of) for name, of in parts.items()}


def packed_bytes(tensors: dict[str, np.ndarray]) -> int:
    """Return the size of tensors, or of the parts of a packed tensor, in a weights file without its header, in bytes.

    Examples
    --------
    >>> packed_bytes(pack_sparse(np.zeros((8, 100), np.float32)))
    116
    """
    return sum(value.nbytes for value in tensors.values())
