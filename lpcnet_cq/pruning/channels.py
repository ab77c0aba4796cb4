"""Take out of a codec's blocks the channels that nobody reads: structured zeros become smaller, faster layers.

Place in the chain: between `sparsify` with the pattern INPUTS and a weights file. A block computes
x + W2 silu(W1 h): where all weights of one input of its pointwise kernel W2 are zero, the channel of W1 that makes
this input need not be computed. Outputs stay what they are. Layers take their widths from their weights, so that a
narrowed codec is a codec like any other.
"""

import numpy as np


def has_prunable_inputs(name: str, leaf) -> bool:
    """Choose the kernels whose inputs can be taken away: the pointwise ones of blocks."""
    return name.endswith("point/kernel")


def narrow(floats: dict) -> dict:
    """Return nested parameters without the channels that their block does not read.

    Examples
    --------
    >>> conv = {"kernel": np.ones((3, 2, 2)), "bias": np.zeros(2)}
    >>> point = {"kernel": np.array([[[0.0, 0.0], [1.0, 2.0]]]), "bias": np.zeros(2)}
    >>> block = narrow({"block": {"conv": conv, "point": point}})["block"]
    >>> block["conv"]["kernel"].shape, block["point"]["kernel"].shape
    ((3, 2, 1), (1, 1, 2))
    """
    if not isinstance(floats, dict):
        return floats
    if not {"conv", "point"} <= floats.keys():
        return {name: narrow(part) for name, part in floats.items()}
    conv, point = floats["conv"], floats["point"]
    read = np.any(np.asarray(point["kernel"]) != 0, axis=(0, 2))
    conv = conv | {"kernel": conv["kernel"][..., read], "bias": conv["bias"][read]}
    return floats | {"conv": conv, "point": point | {"kernel": point["kernel"][:, read]}}
