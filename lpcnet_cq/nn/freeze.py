"""Rounding of the trained entropy model of side information to the integers of a weights file."""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import SIDE_SCALE, fixed_bias, fixed_weight
from lpcnet_cq.bitstream.frequency_tables import LOG2_SCALE_MIN, PER_LOG_GAIN, SCALES_PER_OCTAVE


def table_steps(K):
    """Return the unit and the offset of K means and K log-scales, the latter in table steps."""
    unit = np.concatenate([np.ones(K), np.full(K, PER_LOG_GAIN)])
    return unit, np.concatenate([np.zeros(K), np.full(K, -LOG2_SCALE_MIN * SCALES_PER_OCTAVE)])


def freeze_output(w, b, K):
    """Freeze a layer that gives K means and K log-scales."""
    unit, offset = table_steps(K)
    return fixed_weight(np.asarray(w) * unit), fixed_bias(np.asarray(b) * unit + offset)


def freeze_triangular(p, prefix, scale_factor) -> dict[str, np.ndarray]:
    """Round the triangular terms of a vector of integers, means and log-scales."""
    return {
        f"{prefix}_mean": fixed_bias(np.triu(p["mean"], 1)),
        f"{prefix}_scale": fixed_bias(np.triu(p["scale"], 1) * scale_factor * PER_LOG_GAIN),
    }


def freeze_side(side: dict) -> dict[str, np.ndarray]:
    """Round the model of side information, `entropy.SideModel`, to integers."""
    w2, b2 = freeze_output(side["w2"], side["b2"], side["skip"].shape[1])
    return {
        "side_w1": fixed_weight(side["w1"], SIDE_SCALE),
        "side_b1": fixed_bias(side["b1"]),
        "side_w2": w2,
        "side_b2": b2,
        "side_skip": fixed_weight(side["skip"]),
        **freeze_triangular(side["triangular"], "side_tri", SIDE_SCALE),
    }
