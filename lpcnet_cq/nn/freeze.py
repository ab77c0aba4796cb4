"""Conversion of the entropy model of side information to the integers of a weights file, and back."""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import SIDE_SCALE, SUM_BITS, WEIGHT_BITS, Array, fixed_bias, fixed_weight
from lpcnet_cq.bitstream.frequency_tables import LOG2_SCALE_MIN, PER_LOG_GAIN, SCALES_PER_OCTAVE


def table_steps(K):
    """Return units and offsets (2K,): K for means, and K that convert log-scales to indices of frequency tables."""
    unit = np.concatenate([np.ones(K), np.full(K, PER_LOG_GAIN)])
    return unit, np.concatenate([np.zeros(K), np.full(K, -LOG2_SCALE_MIN * SCALES_PER_OCTAVE)])


def freeze_output(w, b, K):
    """Round a layer whose outputs are K means and K log-scales to fixed point."""
    unit, offset = table_steps(K)
    return fixed_weight(np.asarray(w) * unit), fixed_bias(np.asarray(b) * unit + offset)


def freeze_triangular(p, prefix, scale_factor) -> dict[str, np.ndarray]:
    """Round the triangular terms of means and log-scales to fixed point."""
    return {
        f"{prefix}_mean": fixed_bias(np.triu(p["mean"], 1)),
        f"{prefix}_scale": fixed_bias(np.triu(p["scale"], 1) * scale_factor * PER_LOG_GAIN),
    }


def freeze_side(side: dict, prefix: str = "side") -> dict[str, np.ndarray]:
    """Round the model of side information, `entropy.SideModel`, to integers."""
    w2, b2 = freeze_output(side["w2"], side["b2"], side["skip"].shape[1])
    frozen = {
        "w1": fixed_weight(side["w1"], SIDE_SCALE),
        "b1": fixed_bias(side["b1"]),
        "w2": w2,
        "b2": b2,
        "skip": fixed_weight(side["skip"]),
        **freeze_triangular(side["triangular"], "tri", SIDE_SCALE),
    }
    if "within" in side:
        frozen["within"] = fixed_weight(side["within"], SIDE_SCALE)
    return {f"{prefix}_{name}": value for name, value in frozen.items()}


def thaw_weight(n: np.ndarray, factor: Array = 1.0) -> np.ndarray:
    """Return float32 weights: the inverse of `fixed_weight` except for rounding."""
    return np.asarray(n / (factor * (1 << WEIGHT_BITS)), np.float32)


def thaw_bias(n: np.ndarray, factor: Array = 1.0, offset: Array = 0.0) -> np.ndarray:
    """Return float32 values, given fixed-point biases of factor * value + offset."""
    return np.asarray((n / (1 << SUM_BITS) - offset) / factor, np.float32)


def thaw_triangular(integers: dict[str, np.ndarray], prefix: str, scale_factor: float) -> dict[str, np.ndarray]:
    """Return the inverse of `freeze_triangular` except for rounding."""
    return {
        "mean": thaw_bias(integers[f"{prefix}_mean"]),
        "scale": thaw_bias(integers[f"{prefix}_scale"], scale_factor * PER_LOG_GAIN),
    }


def thaw_side(integers: dict[str, np.ndarray], prefix: str = "side") -> dict:
    """Return the inverse of `freeze_side` except for rounding."""
    n = {name.removeprefix(f"{prefix}_"): value for name, value in integers.items() if name.startswith(f"{prefix}_")}
    unit = table_steps(n["skip"].shape[1])
    within = {"within": thaw_weight(n["within"], SIDE_SCALE)} if "within" in n else {}
    return within | {
        "w1": thaw_weight(n["w1"], SIDE_SCALE),
        "b1": thaw_bias(n["b1"]),
        "w2": thaw_weight(n["w2"], unit[0]),
        "b2": thaw_bias(n["b2"], *unit),
        "skip": thaw_weight(n["skip"]),
        "triangular": thaw_triangular(n, "tri", SIDE_SCALE),
    }
