"""Check of weights when they are loaded, so that damaged files are refused before they code anything.

Place in the chain: between a weights file and the parts of a codec. Shapes are those of the configuration, floats are
finite, tables are cumulative frequencies, and integers are so small that no sum of the entropy model exceeds 2^53: its
inputs are below 2^13 (`fixed_point`), a matrix has at most 2^12 rows, so that products are below 2^53 / 2.
"""

import math
from numbers import Real

import numpy as np

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.bitstream.container import BITRATES_BPS
from lpcnet_cq.bitstream.frequency_tables import TOTAL
from lpcnet_cq.contract import Shapes

MAX_FLOAT = float(np.finfo(np.float16).max)  # of files in half precision
MAX_WEIGHT, MAX_BIAS = 1 << 27, 1 << 48  # magnitudes of integers: of matrices, and of all others
MAX_ROWS = 1 << 12
CUMULATIVE = ("tables", "flag", "reset_steps")
INTEGER = "integer/"


def check_tensors(tensors: dict[str, np.ndarray], shapes: Shapes) -> None:
    """Raise `ValueError` if tensors are missing, unknown or damaged.

    Parameters
    ----------
    tensors : dict
        By flat names; those of the integer entropy model begin with "integer/".
    shapes : dict
        Of all tensors of the codec, see `contract.CodecRecord`.

    Examples
    --------
    >>> check_tensors({"w": np.ones((2, 3)), "b": np.ones(3)}, {"w": (2, "H"), "b": ("H",)})
    """
    if missing := sorted(shapes.keys() - tensors.keys()):
        raise ValueError(f"the tensor `{missing[0]}` is missing")
    if unknown := sorted(tensors.keys() - shapes.keys()):
        raise ValueError(f"the tensor `{unknown[0]}` is not known")
    widths: dict[str, int] = {}
    for name, shape in shapes.items():
        tensor = tensors[name]
        matches = len(shape) == tensor.ndim and all(
            found == (widths.setdefault(n, found) if isinstance(n, str) else n)
            for n, found in zip(shape, tensor.shape, strict=True)
        )
        if not matches:
            need = " x ".join(str(widths.get(n, "any") if isinstance(n, str) else n) for n in shape) or "one value"
            raise ValueError(f"the tensor `{name}` has the shape {tensor.shape}, it must be {need}")
        (_check_integers if name.startswith(INTEGER) else _check_floats)(name, tensor)


def _check_floats(name: str, tensor: np.ndarray) -> None:
    if tensor.dtype.kind != "f":
        raise ValueError(f"the tensor `{name}` has the type {tensor.dtype}, it must have floats")
    largest = np.abs(tensor).max(initial=0)
    if not largest <= MAX_FLOAT:  # nor is NaN
        raise ValueError(f"the tensor `{name}` has the value {largest:g}, magnitudes must be at most {MAX_FLOAT:g}")


def _check_integers(name: str, tensor: np.ndarray) -> None:
    if tensor.dtype.kind not in "iu":
        raise ValueError(f"the tensor `{name}` has the type {tensor.dtype}, it must have integers")
    if name.removeprefix(INTEGER) in CUMULATIVE:
        ends = (tensor[..., 0] == 0).all() and (tensor[..., -1] == TOTAL).all()
        if not ends or not (tensor[..., 1:] > tensor[..., :-1]).all():
            raise ValueError(f"the tensor `{name}` does not increase strictly from 0 to {TOTAL}")
    is_matrix = tensor.ndim == 2 and not name.endswith("_bs")
    most = MAX_WEIGHT if is_matrix else MAX_BIAS
    low, high = int(tensor.min(initial=0)), int(tensor.max(initial=0))
    if low < -most or high > most:
        raise ValueError(f"the tensor `{name}` has values {low} to {high}, magnitudes must be at most {most}")
    if is_matrix and len(tensor) > MAX_ROWS:
        raise ValueError(f"the tensor `{name}` has {len(tensor)} rows, at most {MAX_ROWS} are allowed")


def check_notes(notes: dict, config: CodecConfig) -> None:
    """Raise `ValueError` if the rates or the step indices that coding needs are missing or impossible.

    Examples
    --------
    >>> check_notes({"steps": [0, 2], "mean_rates_bps": [9e3, 8e3], "supported_bps": [8000, 9000]}, CodecConfig())
    """
    steps, limits = (_numbers(notes.get(name), 2) for name in ("steps", "supported_bps"))
    if not steps or any(q % 1 for q in steps) or not 0 <= steps[0] < steps[1] <= config.n_steps:
        raise ValueError(f"`steps` is {notes.get('steps')!r}, it must be two step indices from 0 to {config.n_steps}")
    rates = _numbers(notes.get("mean_rates_bps"), int(steps[1] - steps[0]))
    if not rates or min(rates) <= 0 or sorted(rates, reverse=True) != rates:
        raise ValueError("`mean_rates_bps` must have a positive bitrate for each of `steps`, the highest one first")
    if not limits or not BITRATES_BPS[0] <= limits[0] <= limits[1] <= BITRATES_BPS[-1]:
        most, found = BITRATES_BPS[-1], notes.get("supported_bps")
        raise ValueError(f"`supported_bps` is {found!r}, it must be two bitrates from 1 to {most} bit/s")


def _numbers(values: object, n: int) -> list[float]:
    """Return a JSON value if it is a list of n finite numbers, else an empty list."""
    if not isinstance(values, list) or len(values) != n:
        return []
    is_good = all(isinstance(v, Real) and not isinstance(v, bool) and math.isfinite(v) for v in values)
    return values if is_good else []
