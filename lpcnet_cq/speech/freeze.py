"""Rounding of the trained entropy model of speech to the integers of a weights file, and back."""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import SIDE_SCALE, SUM_BITS, WEIGHT_BITS, Array, fixed_bias, fixed_weight
from lpcnet_cq.bitstream.frequency_tables import PER_LOG_GAIN, frequency_tables
from lpcnet_cq.nn.freeze import freeze_output, freeze_side, freeze_triangular, table_steps
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
    """Invert `freeze`, but for rounding: files that hold the entropy model as integers alone can be trained on.

    Of two biases that `freeze` adds up, the first gets the sum.

    Returns
    -------
    dict
        Nested parameters of `entropy.EntropyModel`, float32.
    """
    n, K, D = integers, c.order + c.spec.n_subframes, c.n_latents

    def weight(name, factor: Array = 1.0):
        return np.asarray(n[name] / (factor * (1 << WEIGHT_BITS)), np.float32)

    def bias(name, factor: Array = 1.0, offset: Array = 0.0):
        return np.asarray((n[name] / (1 << SUM_BITS) - offset) / factor, np.float32)

    def triangular(prefix, factor):
        return {"mean": bias(f"{prefix}_mean"), "scale": bias(f"{prefix}_scale", factor * PER_LOG_GAIN)}

    side_unit, latent_unit = table_steps(K), table_steps(D)
    side = {"w1": weight("side_w1", SIDE_SCALE), "b1": bias("side_b1"), "skip": weight("side_skip")}
    side |= {"w2": weight("side_w2", side_unit[0]), "b2": bias("side_b2", *side_unit)}
    latent = {"ws": weight("latent_ws", SIDE_SCALE), "step": bias("latent_bs")}
    latent |= {"bs": np.zeros_like(latent["step"][0])}
    latent |= {name: weight(f"latent_{name}") for name in ("wp", "wy", "w2")}
    latent |= {name: bias(f"latent_{name}") for name in ("bp", "b2")}
    latent |= {"w3": weight("latent_w3", latent_unit[0]), "b3": bias("latent_b3", *latent_unit)}
    return {
        "side": side | {"triangular": triangular("side_tri", SIDE_SCALE)},
        "latent": latent | {"triangular": triangular("latent_tri", 1.0)},
    }
