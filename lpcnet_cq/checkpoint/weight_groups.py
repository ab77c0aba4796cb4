"""Groups of weights in the matrix view of a kernel: single weights, blocks, whole inputs or outputs.

The matrix view of a kernel (..., inputs, outputs) is the matrix W (I, O) of y = x W; all axes except the last are
inputs. A pattern tiles this matrix with groups of equal size. Pruning sets whole groups to zero, and weights files
store one bit per group.

Letters: I inputs, O outputs, N groups, n weights per group.
"""

from typing import Any, NamedTuple


class Pattern(NamedTuple):
    """Hold the size of a group in the matrix view; 0 means the whole axis."""

    inputs: int
    outputs: int


UNSTRUCTURED = Pattern(1, 1)
CHANNELS = Pattern(0, 1)  # all weights of one output
INPUTS = Pattern(1, 0)  # all weights of one input; if they are zero, this input is not needed
PATTERNS = {"single": UNSTRUCTURED, "1x8": Pattern(1, 8), "4x4": Pattern(4, 4), "inputs": INPUTS}


def resolve(pattern: Pattern, shape: tuple[int, ...]) -> Pattern:
    """Replace the zeros of a pattern by the sizes of the matrix view.

    Raises
    ------
    ValueError
        If the groups do not tile the matrix.

    Examples
    --------
    >>> resolve(CHANNELS, (5, 64, 32))
    Pattern(inputs=320, outputs=1)
    """
    O = shape[-1]
    I = 1
    for size in shape[:-1]:
        I *= size
    found = Pattern(pattern.inputs or I, pattern.outputs or O)
    if I % found.inputs or O % found.outputs:
        raise ValueError(f"groups of {found.inputs} x {found.outputs} do not tile a matrix of {I} x {O}")
    return found


def tiles(pattern: Pattern, shape: tuple[int, ...]) -> bool:
    """Return whether the groups of a pattern tile the matrix view of a shape."""
    try:
        resolve(pattern, shape)
    except ValueError:
        return False
    return True


def to_groups(value: Any, pattern: Pattern) -> Any:
    """Rearrange a NumPy or JAX array into groups, shape (N, n)."""
    r, c = resolve(pattern, value.shape)
    O = value.shape[-1]
    return value.reshape(-1, r, O // c, c).transpose(0, 2, 1, 3).reshape(-1, r * c)


def from_groups(groups: Any, shape: tuple[int, ...], pattern: Pattern) -> Any:
    """Rearrange groups into an array of the given shape: the inverse of `to_groups`."""
    r, c = resolve(pattern, shape)
    O = shape[-1]
    return groups.reshape(-1, O // c, r, c).transpose(0, 2, 1, 3).reshape(shape)
