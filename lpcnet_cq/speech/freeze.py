"""Conversion of the trained entropy model of speech to the integers of a weights file, and back."""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import SIDE_SCALE, fixed_bias, fixed_weight
from lpcnet_cq.bitstream.frequency_tables import frequency_tables
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


def freeze(entropy: dict, c: SpeechConfig) -> dict[str, np.ndarray]:
    """Round the trained entropy model to integers.

    Parameters
    ----------
    entropy : dict
        Nested parameters of `entropy.EntropyModel`.
    c : SpeechConfig

    Returns
    -------
    dict of integer arrays, to be stored beside the weights
    """
    side, lat = entropy["side"], entropy["latent"]
    w3, b3 = freeze_output(lat["w3"], lat["b3"], c.n_latents)
    return {
        **freeze_side(side),
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


def thaw(integers: dict[str, np.ndarray], c: SpeechConfig) -> dict:
    """Return the inverse of `freeze` except for rounding.

    Training can start from files that hold the entropy model as integers only. `freeze` adds some pairs of biases; here
    the first bias of a pair gets the sum, the second is zero.

    Returns
    -------
    dict
        Nested parameters of `entropy.EntropyModel`, float32.
    """
    n, unit = integers, table_steps(c.n_latents)
    step = thaw_bias(n["latent_bs"])
    latent = {name: thaw_weight(n[f"latent_{name}"]) for name in ("wp", "wy", "w2")}
    latent |= {name: thaw_bias(n[f"latent_{name}"]) for name in ("bp", "b2")}
    latent |= {"ws": thaw_weight(n["latent_ws"], SIDE_SCALE), "step": step, "bs": np.zeros_like(step[0])}
    latent |= {"w3": thaw_weight(n["latent_w3"], unit[0]), "b3": thaw_bias(n["latent_b3"], *unit)}
    return {"side": thaw_side(n), "latent": latent | {"triangular": thaw_triangular(n, "latent_tri", 1.0)}}
