"""Integers that replace a lost packet of music: the last packet at a decreasing level.

Place in the chain: in the decoder, in every runtime.
"""

import numpy as np

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.music.band_layout import LEVELS
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.step_exponents import PER_ENERGY, PER_OCTAVE

FADE = 2  # attenuation per concealed packet in units of energy (3 dB each): silent after about ten packets
REPEATED = 8  # number of concealed packets that repeat the lines of the last packet, down to -48 dB


def substitute(last: Integers | None, lost: int, entropy: LineModel, c: MusicConfig) -> Integers:
    """Return integers for a lost packet: lines and energies of the last packet, attenuated by 6 dB per lost packet.

    The first `REPEATED` lost packets repeat the lines of the last packet with random signs, because repeated lines
    with unchanged signs sound like a buzz. Lower energies reduce the step sizes by less than 6 dB. The step index
    corrects the difference, so that the ratio of lines to energies does not change.

    Parameters
    ----------
    last : Integers or None
        The last received packet; None if no packet was received.
    lost : int
        Number of packets lost since then, this one included.
    entropy : LineModel
        It has the dimensions of a packet and computes the exponents of step sizes.
    c : MusicConfig
    """
    if last is None:
        side = np.zeros((1, entropy.K), np.int64)
        side[:, 1:] = LEVELS[0]
        side[:, 1 + c.bands : 1 + 2 * c.bands] = 0
        return Integers(np.array([c.nominal_step]), side, np.zeros((1, entropy.S, entropy.D), np.int64))
    side = last.side.copy()
    for energies in (slice(1, 1 + c.bands), slice(1 + 2 * c.bands, None)):
        side[:, energies] = np.maximum(side[:, energies] - FADE * lost, LEVELS[0])
    reduction = np.mean(entropy.exponents(last.side) - entropy.exponents(side))
    correction = (PER_ENERGY * FADE * lost - reduction) / (PER_OCTAVE * np.log2(c.step_ratio))
    step = np.maximum(last.step - round(float(correction)), 0)
    signs = np.random.default_rng(lost).choice([-1, 1], last.latents.shape)
    return Integers(step, side, last.latents * signs * (lost <= REPEATED))
