"""Entropy model of music in streams: integer arithmetic that gives the same results on every machine.

Place in the chain: as `lpcnet_cq.bitstream.integer_model`; fixed point, tables and the model of side information are
the same. This module also computes the exponents of the step sizes, because the decoder's output depends on them and
they must be equal on every machine.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lpcnet_cq.bitstream.fixed_point import ACT_BITS, SUM_BITS, Array, activate, product
from lpcnet_cq.bitstream.integer_model import IntegerModel
from lpcnet_cq.music.band_layout import layout
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.line_features import (
    BELOW,
    ENERGY,
    LOG8,
    MAX_MAGNITUDE,
    UNIT,
    Context,
    features,
    line_context,
    shift,
    unpack_side,
)
from lpcnet_cq.music.step_exponents import LIMITS, step_exponents

FEATURE_SHIFT = ACT_BITS - (UNIT.bit_length() - 1)  # converts features to the fixed point of activations


class Lines(NamedTuple):
    """Context within a spectrum: the magnitudes of lower lines change the scale of the next line.

    The state is (base, offset, recent): sums before the last hidden layer (..., D, H/2), sums of scales (..., D), and
    magnitudes of the last eight lines (..., 8).
    """

    xp: Any
    log8: Array
    below: Array
    w3: Array

    def batch_sums(self, state: tuple, n: Array) -> tuple[Array, Array]:
        """Return the sums of means (all 0) and of scales for all lines of known spectra n (..., D)."""
        base, offset, _ = state
        sizes = self.size(n)
        u = self.xp.stack([shift(self.xp, sizes, k) for k in BELOW], axis=-1)
        scale = product(activate(base + product(u, self.below)), self.w3)[..., 0] + offset
        return 0 * scale, scale

    def predict(self, state: tuple, k: Array) -> tuple[Array, Array]:
        """Return the sums for line k of one spectrum."""
        base, offset, recent = state
        u = self.xp.stack([recent[..., i - 1] for i in BELOW], axis=-1)
        scale = product(activate(base[k] + product(u, self.below)), self.w3)[0] + offset[k]
        return 0 * scale, scale

    def update_sums(self, state: tuple, k: Array, value: Array) -> tuple:
        """Return the state after line k is decoded."""
        base, offset, recent = state
        return base, offset, self.xp.concatenate([self.size(value)[None], recent[:-1]])

    def size(self, n: Array) -> Array:
        """Return 8 log2(1 + |n|) in the fixed point of activations."""
        return self.log8[abs(n).clip(0, MAX_MAGNITUDE) + 1] << FEATURE_SHIFT


class LineModel(IntegerModel):
    """Predict the frequency table of every integer of a packet of the codec for music."""

    def __init__(self, integers: dict[str, np.ndarray], c: MusicConfig):
        super().__init__(integers, c)
        self.b |= {"log8": LOG8, "layout": layout(c), "step_exponents": step_exponents(c)}
        self.bands = c.bands

    @property
    def latent_context(self) -> Lines:
        """Context between the lines of a spectrum."""
        return Lines(self.xp, self.b["log8"], self.w["line_below"], self.w["line_w3"])

    def exponents(self, side: Array) -> Array:
        """Return the exponents of step sizes (..., 2, b) at the middle step index, from side integers (..., K)."""
        is_short, E, _ = unpack_side(self.xp, side, self.bands)
        u = self.xp.concatenate([E, E[..., ::-1, :]], axis=-1) << ACT_BITS
        w = self.w["steps_w"].reshape(2, 2, -1, self.bands)  # [long, short][channel]
        b = self.b["steps_bs"].reshape(2, 2, self.bands)
        by_kind = [
            self.xp.stack([product(u[..., i, :], w[kind, i]) + b[kind, i] for i in (0, 1)], axis=-2) for kind in (0, 1)
        ]
        total = self.xp.where(is_short[..., None, None] > 0, by_kind[1], by_kind[0])
        return ((total + (1 << (SUM_BITS - 1))) >> SUM_BITS).clip(*LIMITS)

    def packet_context(self, before: Array, side: Array, step: Array, known: Array) -> Context:
        """Return the context of the lines of both channels; parameters as for `IntegerModel.packet_context`."""
        sides = [side, before[..., 1, :], before[..., 0, :]]
        is_short, E, _ = unpack_side(self.xp, side, self.bands)
        spread = [partial(self.lines_of_bands, is_short=unpack_side(self.xp, v, self.bands)[0]) for v in sides]
        s = [self.exponents(v) for v in sides]
        return line_context(self.xp, is_short, E, s, self.b["step_exponents"][step], spread)

    def latent(self, context: Context, before: Array) -> tuple:
        """Return the initial state of `latent_context` for spectra (..., D).

        Parameters
        ----------
        context : Context
            From `packet_context`, of one channel each.
        before : array (..., 4, D)
            The four spectra that were coded before, oldest first. For the mid channel, these are both channels of the
            two packets before. For the side channel, the sequence starts one spectrum later and ends with the mid
            channel of the same packet.
        """
        w, b = self.w, self.b
        older, own, other = (before[..., i, :] for i in (0, 2, 3))
        f = features(self.xp, lambda j: b["log8"][j], own, older, other, context)
        u = self.xp.stack(f, axis=-1) << FEATURE_SHIFT
        b1, b2 = (b[k][context.kind][..., None, :] for k in ("line_1_bs", "line_2_bs"))
        skip, b3 = (b[k][context.kind][..., None] for k in ("line_skip", "line_b3"))
        base = product(activate(product(u, w["line_w1"]) + b1), w["line_w2"]) + b2
        return base, u[..., ENERGY] * skip + b3, self.xp.zeros(max(BELOW), base.dtype)

    def lines_of_bands(self, v: Array, is_short: Array) -> Array:
        """Return for every line, (..., 2, D), the value of its band, from values (..., 2, b)."""
        long, short = (v[..., i] for i in self.b["layout"])
        return self.xp.where(is_short[..., None, None] > 0, short, long)
