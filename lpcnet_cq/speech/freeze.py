"""Conversion of the trained entropy model of speech to the integers of a weights file, and back."""

from typing import Any

import numpy as np

from lpcnet_cq.bitstream.fixed_point import SIDE_SCALE, fixed_bias, fixed_weight
from lpcnet_cq.bitstream.frequency_tables import TOTAL, frequency_tables
from lpcnet_cq.nn.freeze import (
    freeze_output,
    freeze_side,
    freeze_triangular,
    table_steps,
    thaw_bias,
    thaw_side,
    thaw_triangular,
    thaw_weight,
)
from lpcnet_cq.speech.config import SpeechConfig

RESET_FREQUENCY = TOTAL // 4  # frequency of the context reset flag, if the entropy model is trained for resets
COMMON_STEPS, COMMON_WEIGHT = range(3, 14), 4  # step indices for 8 to 28 kbps; their probability relative to others
COPY_WEIGHT = 12  # relative probability of the last step index, which copies of packets have


def freeze(entropy: dict, c: SpeechConfig) -> dict[str, np.ndarray]:
    """Round the trained entropy model to integers.

    Parameters
    ----------
    entropy : dict
        Nested parameters of `entropy.EntropyModel`.
    c : SpeechConfig

    Returns
    -------
    dict of integer arrays, which the weights file contains beside the floats
    """
    side, lat = entropy["side"], entropy["latent"]
    w3, b3 = freeze_output(lat["w3"], lat["b3"], c.n_latents)
    return {
        **freeze_side(side),
        **(freeze_resets(entropy, c) if c.context_resets else {}),
        "latent_ws": fixed_weight(lat["ws"], SIDE_SCALE),
        "latent_bs": fixed_bias(np.asarray(lat["step"]) + np.asarray(lat["bs"])),
        "latent_wp": fixed_weight(lat["wp"]),
        "latent_bp": fixed_bias(lat["bp"]),
        "latent_wy": fixed_weight(lat["wy"]),
        "latent_w2": fixed_weight(lat["w2"]),
        "latent_b2": fixed_bias(lat["b2"]),
        "latent_w3": w3,
        "latent_b3": b3,
        "tables": frequency_tables(),
        **freeze_triangular(lat["triangular"], "latent_tri", 1.0),
    }


def freeze_resets(entropy: dict, c: SpeechConfig) -> dict[str, np.ndarray]:
    """Round the parts of the entropy model for packets after a context reset; add the frequencies of flag and step."""
    lat = entropy["latent"]
    weight = np.where(np.isin(np.arange(c.n_steps), COMMON_STEPS), COMMON_WEIGHT, 1)
    weight[-1] = COPY_WEIGHT
    steps = np.round(np.cumsum(weight) * (TOTAL / weight.sum())).astype(np.int64)
    return {
        **freeze_side(entropy["side_reset"], "side_reset"),
        **freeze_side(entropy["side_second"], "side_second"),
        "latent_reset_ws": fixed_weight(lat["reset_ws"], SIDE_SCALE),
        "latent_reset_bs": fixed_bias(np.asarray(lat["step"]) + np.asarray(lat["reset_bs"])),
        "latent_reset_bp": fixed_bias(lat["reset_bp"]),
        "flag": np.array([0, TOTAL - RESET_FREQUENCY, TOTAL]),
        "reset_steps": np.concatenate([[0], steps]),
    }


def thaw(integers: dict[str, np.ndarray], c: SpeechConfig) -> dict:
    """Return the inverse of `freeze` except for rounding.

    Training uses this function to start from files that contain the entropy model as integers only. `freeze` adds some
    pairs of biases; here the first bias of a pair is the sum, and the second is zero.

    Returns
    -------
    dict
        Nested parameters of `entropy.EntropyModel`, float32.
    """
    n, unit = integers, table_steps(c.n_latents)
    step = thaw_bias(n["latent_bs"])
    latent: dict[str, Any] = {name: thaw_weight(n[f"latent_{name}"]) for name in ("wp", "wy", "w2")}
    latent |= {name: thaw_bias(n[f"latent_{name}"]) for name in ("bp", "b2")}
    latent |= {"ws": thaw_weight(n["latent_ws"], SIDE_SCALE), "step": step, "bs": np.zeros_like(step[0])}
    latent |= {"w3": thaw_weight(n["latent_w3"], unit[0]), "b3": thaw_bias(n["latent_b3"], *unit)}
    latent["triangular"] = thaw_triangular(n, "latent_tri", 1.0)
    if not c.context_resets:
        return {"side": thaw_side(n), "latent": latent}
    latent |= {"reset_ws": thaw_weight(n["latent_reset_ws"], SIDE_SCALE), "reset_bp": thaw_bias(n["latent_reset_bp"])}
    latent["reset_bs"] = (thaw_bias(n["latent_reset_bs"]) - step)[0]
    return {name: thaw_side(n, name) for name in ("side", "side_reset", "side_second")} | {"latent": latent}
