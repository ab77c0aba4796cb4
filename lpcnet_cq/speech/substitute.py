"""Integers that replace a lost packet: the last packet at a decreasing level.

Place in the chain: in the decoder, for weights without trained concealment. Weights with it replace envelope, gains and
latents again; they decode these integers for their step size and their dimensions.
"""

import numpy as np

from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import GAIN_UNIT

FADE = 0.7  # attenuation per concealed packet, natural log units (6 dB): silent after about ten packets
REPEATED = 2  # number of concealed packets that repeat the latents of the last packet


def gain_per_log_unit(floats: dict) -> np.ndarray:
    """Return the real-valued gain integers (S,) of one natural log unit, from the nested parameters of the model."""
    basis = np.asarray(floats["gain"]["basis"], np.float64) * GAIN_UNIT
    return np.linalg.solve(basis, np.ones(len(basis)))


def substitute(
    last: Integers | None, lost: int, per_log_unit: np.ndarray, entropy: EntropyModel, c: SpeechConfig
) -> Integers:
    """Return integers for a lost packet: envelope of the last packet, its gains attenuated by 6 dB per lost packet.

    The first `REPEATED` lost packets also repeat the latents of the last packet; the latents of others are zero.

    Parameters
    ----------
    last : Integers or None
        The last received packet; None if no packet was received.
    lost : int
        Number of packets lost since then, this one included.
    per_log_unit : array (S,)
        From `gain_per_log_unit`.
    entropy : EntropyModel
        It has the dimensions of a packet.
    c : SpeechConfig
    """
    if last is None:
        latents = np.zeros((1, entropy.S, entropy.D), np.int64)
        return Integers(np.array([c.nominal_step]), np.zeros((1, entropy.K), np.int64), latents)
    gain = last.side[:, c.order :] - FADE * lost * per_log_unit
    side = np.concatenate([last.side[:, : c.order], np.rint(gain).astype(np.int64)], axis=1)
    return Integers(last.step, side, last.latents if lost <= REPEATED else 0 * last.latents)
