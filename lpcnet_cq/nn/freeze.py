"""Conversion of the entropy model of side information to the integers of a weights file, and back."""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import SIDE_SCALE, SUM_BITS, WEIGHT_BITS, Array, fixed_bias, fixed_weight
from lpcnet_cq.bitstream.frequency_tables import LOG2_SCALE_MIN, PER_LOG_GAIN, SCALES_PER_OCTAVE


def table_steps(K):
    """Return units and offsets (2K,) that convert K means, and K log-scales to steps of the frequency tables."""
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


def freeze_side(side: dict) -> dict[str, np.ndarray]:
    """Round the model of side information, `entropy.SideModel`, to fixed point."""
    w2, b2 = freeze_output(side["w2"], side["b2"], side["skip"].shape[1])
    return {
        "side_w1": fixed_weight(side["w1"], SIDE_SCALE),
        "side_b1": fixed_bias(side["b1"]),
        "side_w2": w2,
        "side_b2": b2,
        "side_skip": fixed_weight(side["skip"]),
        **freeze_triangular(side["triangular"], "side_tri", SIDE_SCALE),
    }


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


def thaw_side(integers: dict[str, np.ndarray]) -> dict:
    """Return the inverse of `freeze_side` except for rounding."""
    n, unit = integers, table_steps(integers["side_skip"].shape[1])
    return {
        "w1": thaw_weight(n["side_w1"], SIDE_SCALE),
        "b1": thaw_bias(n["side_b1"]),
        "w2": thaw_weight(n["side_w2"], unit[0]),
        "b2": thaw_bias(n["side_b2"], *unit),
        "skip": thaw_weight(n["side_skip"]),
        "triangular": thaw_triangular(n, "side_tri", SIDE_SCALE),
    }
