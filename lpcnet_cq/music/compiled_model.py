"""Entropy model of music whose part for encoders is compiled by JAX.

Place in the chain: as `music.integer_model`, for the backend "jax". The sums are the same integers.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lpcnet_cq.bitstream.frequency_tables import Expected, expected
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.nn.runtime import own_settings

CHUNK = 8  # packets per compiled call


class CompiledLineModel(LineModel):
    """Predict as `LineModel`, with compiled `latents`."""

    def latents(self, context: Any, vectors: np.ndarray, n: np.ndarray) -> Expected:
        """Return what `IntegerModel.latents` returns, computed by compiled code for `CHUNK` packets at a time.

        Encoders call this method often, and each packet has thousands of lines.
        """
        sums, window = [], self.windows(vectors, n)
        with own_settings(wide=True):
            for i in range(0, len(n), CHUNK):
                part = (v[i : i + CHUNK] for v in (*context, window, n))
                scale = self._compiled(*(np.pad(v, [(0, CHUNK - len(v))] + [(0, 0)] * (v.ndim - 1)) for v in part))
                sums.append(np.asarray(scale)[: len(n) - i])
        scale = np.concatenate([np.zeros((0, *n.shape[1:]), np.int64), *sums])
        return expected(np.zeros_like(scale), scale)

    @cached_property
    def _compiled(self) -> Callable:
        """Return a compiled version of `latents_in` for a fixed number of packets, without the means."""
        model = self.on(jnp, jax.tree.map(jnp.asarray, self.tables))
        return jax.jit(lambda *packets: model.latents_in(*packets)[1])
