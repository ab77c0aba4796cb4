"""Entropy model of speech in streams: integer arithmetic that gives the same results on every machine.

Place in the chain: as `lpcnet_cq.bitstream.integer_model`, which holds the model of side integers. This module adds the
model of latents. The latents of a subframe depend on the side information, the step size, and the latents of earlier
subframes.
"""

from functools import cached_property
from typing import Any

import numpy as np

from lpcnet_cq.bitstream.fixed_point import ACT_BITS, CLIP, SIDE_CLIP, Array, activate, clip, product
from lpcnet_cq.bitstream.frequency_tables import Expected
from lpcnet_cq.bitstream.integer_model import IntegerModel, Triangle
from lpcnet_cq.bitstream.vector_sums import Terms, TriangleSums, triangle_terms
from lpcnet_cq.speech.latent_network import LatentNetwork


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

    def run_context(self, before: np.ndarray, side: np.ndarray, step: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return the first layer without latents, (T * S, H), see `IntegerModel.run_context`."""
        return self._network.first_layer(before, side, step, known)

    def latents(self, context: np.ndarray, vectors: np.ndarray, n: np.ndarray) -> Expected:
        """Return what `IntegerModel.latents` returns, computed with integers that are stored as floats."""
        table, floor = self._network.latents(context, vectors)
        return Expected(table.reshape(n.shape), floor.reshape(n.shape))

    def read_context(self, before: np.ndarray, side: np.ndarray, step: int, known: int) -> np.ndarray:
        """Return the first layer without latents, (S, H), see `IntegerModel.read_context`."""
        return self._network.first_layer_of_one(before[1], side, step, known)

    def latent_sums(self, context: np.ndarray, i: int, before: np.ndarray) -> TriangleSums:
        """Return the running sums of the latents of subframe i, see `IntegerModel.latent_sums`."""
        return TriangleSums(self._network.of_zeros(context[i], before), self._terms)

    @cached_property
    def _network(self) -> LatentNetwork:
        return LatentNetwork(self.w, self.b, self.tri, self.K, self.context)

    @cached_property
    def _terms(self) -> list[Terms]:
        return triangle_terms(self.tri["latent_tri_mean"], self.tri["latent_tri_scale"], CLIP)
