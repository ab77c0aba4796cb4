"""The tensors of a weights file in the fewest bytes that change nothing one could measure.

Place in the chain: between trained weights and a weights file that is to be shipped; `weights` reads both kinds.

- Floats are halved: 11 bits of precision for what was found by noisy gradients. Small tensors, lattices and biases
  among them, keep all their bits: for 0.5 % of the file, halving them is most of what one can measure.
- The entropy model is stored once, as the integers that streams depend on; its floats, which only training needs,
  come from those (`tables.thaw`).
- Integers take the smallest type that holds them. Frequency tables are stored as frequencies less the least one, 1.
- What is sparse is packed (`sparse_weights`).

All but the halving is exact.
"""

import numpy as np

from lpcnet_cq.checkpoint.sparse import pack_tensors, unpack_tensors

SMALL = 1000  # values: tensors below keep their precision
FLOAT_ENTROPY = "entropy/"
TABLES, FREQUENCIES = "integer/tables", "integer/frequencies"
INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64)


def smallest(tensor: np.ndarray) -> np.ndarray:
    """Return many floats in half precision, integers in the smallest type that holds them.

    Raises
    ------
    ValueError
        If a float is beyond half precision.

    Examples
    --------
    >>> [str(smallest(np.array(values)).dtype) for values in ([0.5] * 1000, [-128, 3], [60000])]
    ['float16', 'int8', 'uint16']
    """
    low, high = tensor.min(initial=0), tensor.max(initial=0)
    if np.issubdtype(tensor.dtype, np.floating):
        if tensor.size < SMALL:
            return tensor
        if max(-low, high) > np.finfo(np.float16).max:
            raise ValueError(f"a value of magnitude {max(-low, high):g} is beyond half precision")
        return tensor.astype(np.float16)
    fitting = (of for of in INTEGERS if np.iinfo(of).min <= low and high <= np.iinfo(of).max)
    return tensor.astype(next(fitting))


def compact(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the tensors of a weights file, by flat names, in fewer bytes; `expand` gives them back."""
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(FLOAT_ENTROPY)}
    kept[FREQUENCIES] = np.diff(kept.pop(TABLES), axis=-1) - 1
    return pack_tensors({name: smallest(tensor) for name, tensor in kept.items()})


def expand(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Invert `compact`, but for the floats of the entropy model; tensors that are not compact stay as they are."""
    tensors = unpack_tensors(tensors)
    if FREQUENCIES in tensors:
        cumulative = np.cumsum(tensors.pop(FREQUENCIES).astype(np.int32) + 1, axis=-1, dtype=np.int32)
        tensors[TABLES] = np.pad(cumulative, [(0, 0)] * (cumulative.ndim - 1) + [(1, 0)])
    return {name: t.astype(np.float32) if t.dtype == np.float16 else t for name, t in tensors.items()}
