"""Channel pruning: removes the channels inside the blocks of a codec whose outgoing weights are all zero.

Place in the chain: between `sparsify` with the pattern INPUTS and a weights file. A block computes
x + W2 silu(W1 h). If all weights of one input of its pointwise kernel W2 are zero, the output channel of W1 that is
connected to this input is not needed. The output of the block does not change. The widths of layers are those of their
weights, so that the result is loaded like any other codec.
"""

import numpy as np


def has_prunable_inputs(name: str, leaf) -> bool:
    """Return whether a parameter is a kernel whose inputs can be removed: the pointwise kernel of a block."""
    return name.endswith("point/kernel")


def prune_channels(floats: dict) -> dict:
    """Return nested parameters without the unused channels of their blocks.

    Examples
    --------
    >>> conv = {"kernel": np.ones((3, 2, 2)), "bias": np.zeros(2)}
    >>> point = {"kernel": np.array([[[0.0, 0.0], [1.0, 2.0]]]), "bias": np.zeros(2)}
    >>> block = prune_channels({"block": {"conv": conv, "point": point}})["block"]
    >>> block["conv"]["kernel"].shape, block["point"]["kernel"].shape
    ((3, 2, 1), (1, 1, 2))
    """
    if not isinstance(floats, dict):
        return floats
    if not {"conv", "point"} <= floats.keys():
        return {name: prune_channels(part) for name, part in floats.items()}
    conv, point = floats["conv"], floats["point"]
    used = np.any(np.asarray(point["kernel"]) != 0, axis=(0, 2))
    conv = conv | {"kernel": conv["kernel"][..., used], "bias": conv["bias"][used]}
    return floats | {"conv": conv, "point": point | {"kernel": point["kernel"][:, used]}}
