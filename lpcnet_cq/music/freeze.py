"""Conversion of bit allocation and entropy model of music to the integers of a weights file, and back."""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import fixed_bias, fixed_weight
from lpcnet_cq.bitstream.frequency_tables import LOG2_SCALE_MIN, PER_LOG_GAIN, SCALES_PER_OCTAVE, frequency_tables
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.step_exponents import BIAS_UNIT, WEIGHT_UNIT
from lpcnet_cq.nn.freeze import freeze_side, thaw_bias, thaw_side, thaw_weight

FIRST_SCALE = -LOG2_SCALE_MIN * SCALES_PER_OCTAVE  # index of the scale 1


def freeze(floats: dict, c: MusicConfig) -> dict[str, np.ndarray]:
    """Round bit allocation and entropy model to integers.

    Parameters
    ----------
    floats : dict
        Nested parameters of `model.Model`.
    c : MusicConfig

    Returns
    -------
    dict of integer arrays, to be stored beside the weights
    """
    lat, steps = floats["entropy"]["latent"], floats["allocation"]
    return {
        **freeze_side(floats["entropy"]["side"]),
        "line_w1": fixed_weight(lat["w1"]),
        "line_1_bs": fixed_bias(lat["bias1"]),
        "line_w2": fixed_weight(lat["w2"]),
        "line_2_bs": fixed_bias(lat["bias2"]),
        "line_below": fixed_weight(lat["below"]),
        "line_w3": fixed_weight(lat["w3"], PER_LOG_GAIN),
        "line_skip": fixed_weight(lat["skip"], PER_LOG_GAIN),
        "line_b3": fixed_bias(np.asarray(lat["bias3"]) * PER_LOG_GAIN + FIRST_SCALE),
        "steps_w": fixed_weight(np.reshape(steps["energy_weights"], (-1, c.bands)), WEIGHT_UNIT),
        "steps_bs": fixed_bias(np.reshape(steps["bias"], (-1, c.bands)) * BIAS_UNIT),
        "tables": frequency_tables(),
    }


def thaw(integers: dict[str, np.ndarray], c: MusicConfig) -> dict:
    """Return the entropy model as floats, the inverse of `freeze` except for rounding.

    Returns
    -------
    dict
        Nested parameters of `entropy.EntropyModel`, float32.
    """
    n = integers
    latent = {
        "w1": thaw_weight(n["line_w1"]),
        "bias1": thaw_bias(n["line_1_bs"]),
        "w2": thaw_weight(n["line_w2"]),
        "bias2": thaw_bias(n["line_2_bs"]),
        "below": thaw_weight(n["line_below"]),
        "w3": thaw_weight(n["line_w3"], PER_LOG_GAIN),
        "skip": thaw_weight(n["line_skip"], PER_LOG_GAIN),
        "bias3": thaw_bias(n["line_b3"], PER_LOG_GAIN, FIRST_SCALE),
    }
    return {"side": thaw_side(n), "latent": latent}
