"""Sparse tensors as compact arrays: one bit per group, and the values of the groups that are not zero.

Place in the chain: between trained weights and a weights file; `NAME` becomes `NAME/mask`, `NAME/values` and
`NAME/layout`.

| array | type | holds |
| --- | --- | --- |
| mask | uint8 | bits of the groups in their order (`sparse_pattern`), most significant first; 1: not zero |
| values | float32 or float16 | the groups whose bit is 1, one behind the other |
| layout | int32 | inputs and outputs of a group, then the tensor's shape |
"""

import math

import numpy as np

from lpcnet_cq.sparse_pattern import UNSTRUCTURED, Pattern, from_groups, resolve, tiles, to_groups

PARTS = ("mask", "values", "layout")


def pack_sparse(tensor: np.ndarray, pattern: Pattern = UNSTRUCTURED, dtype=np.float32) -> dict[str, np.ndarray]:
    """Pack a tensor; `unpack_sparse` gives it back, exactly if its values exist in `dtype`.

    Parameters
    ----------
    tensor : float32 array (..., I, O)
    pattern : Pattern
        Of the groups that are zero together.
    dtype : float32 or float16

    Raises
    ------
    ValueError
        If the tensor is not float32, the pattern does not fit or a value is beyond `dtype`.

    Examples
    --------
    >>> parts = pack_sparse(np.float32([[0, 2, 0], [0, 0, 3]]))
    >>> {name: part.tolist() for name, part in parts.items()}
    {'mask': [68], 'values': [2.0, 3.0], 'layout': [1, 1, 2, 3]}
    """
    if tensor.dtype != np.float32:
        raise ValueError(f"a tensor of {tensor.dtype} cannot be packed: only float32 can")
    largest = np.max(np.abs(tensor), initial=0.0)
    if largest > np.finfo(dtype).max:
        raise ValueError(f"a value of magnitude {largest:g} is beyond {np.dtype(dtype).name}")
    groups = to_groups(tensor.astype(dtype), pattern)
    kept = np.any(groups != 0, axis=1)
    layout = np.array([*resolve(pattern, tensor.shape), *tensor.shape], np.int32)
    return {"mask": np.packbits(kept), "values": groups[kept].reshape(-1), "layout": layout}


def unpack_sparse(parts: dict[str, np.ndarray]) -> np.ndarray:
    """Invert `pack_sparse`; the tensor is float32.

    Raises
    ------
    ValueError
        If the parts do not belong together.
    """
    pattern, shape = Pattern(*parts["layout"][:2].tolist()), tuple(parts["layout"][2:].tolist())
    n = pattern.inputs * pattern.outputs
    groups = np.zeros((math.prod(shape) // n, n), np.float32)
    kept = np.unpackbits(parts["mask"], count=len(groups)).astype(bool)
    groups[kept] = parts["values"].reshape(-1, n)
    return from_groups(groups, shape, pattern)


def pack_tensors(
    tensors: dict[str, np.ndarray], pattern: Pattern = UNSTRUCTURED, dtype=np.float32
) -> dict[str, np.ndarray]:
    """Pack the sparse matrices and kernels of a weights file; everything else stays as it is.

    Sparse are float32 tensors that the pattern tiles and that get smaller by leaving zeros out, `dtype` aside.

    Parameters
    ----------
    tensors : dict
        By flat names, as `weights.flatten` gives them.
    pattern, dtype
        As for `pack_sparse`.
    """
    packed = {}
    for name, tensor in tensors.items():
        if _is_sparse(tensor, pattern):
            packed |= {f"{name}/{part}": value for part, value in pack_sparse(tensor, pattern, dtype).items()}
        else:
            packed[name] = tensor
    return packed


def unpack_tensors(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Invert `pack_tensors`."""
    names = [name.removesuffix("/layout") for name in tensors if name.endswith("/layout")]
    parts = {name: {part: tensors[f"{name}/{part}"] for part in PARTS} for name in names}
    rest = {name: t for name, t in tensors.items() if name.rpartition("/")[0] not in parts}
    return rest | {name: unpack_sparse(of) for name, of in parts.items()}


def packed_bytes(tensors: dict[str, np.ndarray]) -> int:
    """Return the bytes that tensors or the parts of one take in a weights file, its header aside.

    Examples
    --------
    >>> packed_bytes(pack_sparse(np.zeros((8, 100), np.float32)))
    116
    """
    return sum(value.nbytes for value in tensors.values())


def _is_sparse(tensor: np.ndarray, pattern: Pattern) -> bool:
    if tensor.dtype != np.float32 or tensor.ndim < 2 or not tiles(pattern, tensor.shape):
        return False
    return packed_bytes(pack_sparse(tensor, pattern)) < tensor.nbytes
