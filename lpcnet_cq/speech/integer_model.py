"""Entropy model of speech in streams: integer arithmetic that gives the same results on every machine.

Place in the chain: as `lpcnet_cq.bitstream.integer_model`, which holds the model of side integers. This module adds the
model of latents. The latents of a subframe depend on the side information, the step size, and the latents of earlier
subframes.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from lpcnet_cq.bitstream.fixed_point import (
    ACT_BITS,
    CLIP,
    HALF,
    SIDE_CLIP,
    UNIT,
    Array,
    activate,
    activate_floats,
    clip,
    product,
)
from lpcnet_cq.bitstream.integer_model import IntegerModel, Triangle
from lpcnet_cq.bitstream.vector_sums import Terms, TriangleSums


class SubframeModel(IntegerModel):
    """Predict the frequency table of every integer of a packet of the codec for speech."""

    @property
    def latent_context(self) -> Triangle:
        """Context between the latents of a vector."""
        return Triangle(self.tri["latent_tri_mean"], self.tri["latent_tri_scale"], CLIP)

    def packet_context(self, before: Array, side: Array, step: Array, known: Array) -> Any:
        """Return the sums that the side information adds to the hidden layer of each subframe, (..., S, H).

        Parameters
        ----------
        before : array (..., 2, K)
            The two side vectors before, oldest first.
        side : array (..., K)
        step : array (...)
        known : array (...)
            Number of known packets before, 0 to 2.
        """
        w, b = self.w, self.b
        u = clip(self.xp.concatenate([side, before[..., 1, :]], axis=-1), -SIDE_CLIP, SIDE_CLIP) << ACT_BITS
        total, offset = product(u, w["latent_ws"]) + b["latent_bs"][step], b["latent_bp"]
        if self.resets_trained:
            reset = (known == 0)[..., None]
            without_past = product(u[..., : self.K], w["latent_reset_ws"]) + b["latent_reset_bs"][step]
            total = self.xp.where(reset, without_past, total)
            offset = self.xp.where(reset, b["latent_reset_bp"], offset)
        h = activate(total)
        return (product(h, w["latent_wp"]) + offset).reshape(*h.shape[:-1], self.S, -1)

    def latent(self, context: Any, before: Array) -> Any:
        """Return sums of means and scales (..., D) of subframes: the initial state of `latent_context`.

        Parameters
        ----------
        context : array (..., H)
            From `packet_context`.
        before : array (..., context, D)
            Latents of earlier subframes, oldest first.
        """
        w, b, D = self.w, self.b, self.D
        y = before.clip(-CLIP, CLIP).reshape(*before.shape[:-2], -1) << ACT_BITS
        h = activate(context + product(y, w["latent_wy"]))
        h = activate(product(h, w["latent_w2"]) + b["latent_b2"])
        out = product(h, w["latent_w3"]) + b["latent_b3"]
        return out[..., :D], out[..., D:]

    def latents(self, before: Array, side: Array, step: Array, known: Array, vectors: Array, n: Array):
        """Return what `IntegerModel.latents` returns, computed in NumPy with integers that are stored as doubles."""
        D, w, context = self.D, self._doubles, self.packet_context(before, side, step, known)
        c = clip(vectors, -CLIP, CLIP).astype(np.float64)
        total = context.reshape(-1, context.shape[-1]) * UNIT
        total += HALF
        for i, wy in enumerate(w.wy):
            total += c[i : i - self.context] @ wy
        sums, c = self._sums(total), c[self.context :]
        sums[:, :D] += c @ w.tri_mean
        sums[:, D:] += np.abs(c) @ w.tri_scale
        sums = sums.astype(np.int64).reshape(*n.shape[:-1], 2 * D)
        return sums[..., :D], sums[..., D:]

    def latent_sums(self, context: Any, i: int, before: np.ndarray) -> TriangleSums:
        """Return the running sums of the latents of subframe i, see `IntegerModel.latent_sums`."""
        y = clip(before, -CLIP, CLIP).ravel().astype(np.float64)
        total = context[i] * UNIT
        total += HALF
        total += y @ self._doubles.wy.reshape(len(y), -1)
        return TriangleSums(self._sums(total).astype(np.int64).reshape(2, -1), self._terms)

    def _sums(self, total: np.ndarray) -> np.ndarray:
        """Return sums of means and scales in a row, float64 (..., 2 D), from the first layer as for `activate_floats`.

        The layer is changed in place.
        """
        w = self._doubles
        h = activate_floats(total, total) @ w.w2
        h += w.b2
        out = activate_floats(h, h) @ w.w3
        out += w.b3
        return out

    @cached_property
    def _doubles(self) -> "Doubles":
        w, b, tri = self.w, self.b, self.tri
        wy = (w["latent_wy"] * (UNIT * (1 << ACT_BITS))).reshape(self.context, self.D, -1)
        named = w["latent_w3"], b["latent_b3"], tri["latent_tri_mean"], tri["latent_tri_scale"]
        hidden = w["latent_w2"] * UNIT, b["latent_b2"] * UNIT + HALF
        return Doubles(wy, *hidden, *(tensor.astype(np.float64) for tensor in named))

    @cached_property
    def _terms(self) -> Terms:
        return Terms(self.tri["latent_tri_mean"], self.tri["latent_tri_scale"], CLIP)


class Doubles(NamedTuple):
    """Hold the parameters behind the side information as float64, those before activations as `activate_floats` needs.

    `wy` (context, D, H) has one matrix per vector.
    """

    wy: np.ndarray
    w2: np.ndarray
    b2: np.ndarray
    w3: np.ndarray
    b3: np.ndarray
    tri_mean: np.ndarray
    tri_scale: np.ndarray
