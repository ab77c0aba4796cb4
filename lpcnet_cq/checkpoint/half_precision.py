"""Weight packing and half-precision export, which reduce the size of a weights file.

Place in the chain: between trained weights and a weights file for release; `weights` reads packed and plain files.

- Large float tensors are stored in half precision. Small ones, such as transform quantisers and biases, keep single
  precision: they are 0.5 % of the file, but half precision would cause most of its measurable loss there.
- The entropy model is stored once, as integers, which streams depend on. Its floats, which only training needs, are
  computed from the integers.
- Integers are stored in the smallest sufficient type, frequency tables as frequencies minus 1.
- Sparse tensors are packed (`sparse`).

Everything except half precision is lossless.
"""

import numpy as np

from lpcnet_cq.checkpoint.sparse import pack_tensors, unpack_tensors

SMALL = 1000  # tensors with fewer values keep their precision
FLOAT_ENTROPY = "entropy/"
TABLES, FREQUENCIES = "integer/tables", "integer/frequencies"
INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64)


def smallest_dtype(tensor: np.ndarray) -> np.ndarray:
    """Return a large float tensor in half precision, an integer tensor in the smallest sufficient type.

    Raises
    ------
    ValueError
        If a float is too large for half precision.

    Examples
    --------
    >>> [str(smallest_dtype(np.array(values)).dtype) for values in ([0.5] * 1000, [-128, 3], [60000])]
    ['float16', 'int8', 'uint16']
    """
    low, high = tensor.min(initial=0), tensor.max(initial=0)
    if np.issubdtype(tensor.dtype, np.floating):
        if tensor.size < SMALL:
            return tensor
        if max(-low, high) > np.finfo(np.float16).max:
            raise ValueError(f"a value of magnitude {max(-low, high):g} is too large for half precision")
        return tensor.astype(np.float16)
    fitting = (of for of in INTEGERS if np.iinfo(of).min <= low and high <= np.iinfo(of).max)
    return tensor.astype(next(fitting))


def pack_weights(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pack the tensors of a weights file, by flat names; `unpack_weights` is the inverse."""
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(FLOAT_ENTROPY)}
    kept[FREQUENCIES] = np.diff(kept.pop(TABLES), axis=-1) - 1
    return pack_tensors({name: smallest_dtype(tensor) for name, tensor in kept.items()})


def unpack_weights(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Unpack tensors; plain tensors do not change, and the floats of the entropy model are not restored."""
    tensors = unpack_tensors(tensors)
    if FREQUENCIES in tensors:
        cumulative = np.cumsum(tensors.pop(FREQUENCIES).astype(np.int32) + 1, axis=-1, dtype=np.int32)
        tensors[TABLES] = np.pad(cumulative, [(0, 0)] * (cumulative.ndim - 1) + [(1, 0)])
    return {name: t.astype(np.float32) if t.dtype == np.float16 else t for name, t in tensors.items()}
