"""Interface of entropy models, which compute a frequency table for every integer from integers decoded before.

Place in the chain: between the models (`integer_model` and those of the codecs) and the modules that code with them:
`packet`, `rdoq`, `rate_control`, `packing`, and the packet readers.

Letters: T packets, K side integers, S vectors of latents per packet, D latents per vector.
"""

from typing import Any, Protocol

import numpy as np

from lpcnet_cq.bitstream.codec_config import PacketConfig
from lpcnet_cq.bitstream.fixed_point import Array
from lpcnet_cq.bitstream.frequency_tables import Expected
from lpcnet_cq.bitstream.vector_sums import VectorSums


class VectorContext(Protocol):
    """Context within a vector: how decoded integers change means and scales of the integers after them.

    The compiled decoder processes one integer at a time with `predict` and `update_sums`, the decoder in NumPy uses
    `VectorSums`, encoders predict all integers at once; all must give the same sums. The initial state comes from
    `EntropyModel.side` or `EntropyModel.latent`.
    """

    def predict(self, state: Any, k: Array) -> tuple[Array, Array]:
        """Return the sums for integer k of one vector."""
        ...

    def update_sums(self, state: Any, k: Array, value: Array) -> Any:
        """Return the state after integer k is decoded."""
        ...


class LatentContext(VectorContext, Protocol):
    """Context within a vector of latents."""

    def batch_sums(self, state: Any, n: Array) -> tuple[Array, Array]:
        """Return the sums of means and scales for all integers of known vectors n (..., D)."""
        ...


class EntropyModel(Protocol):
    """Predict mean and scale of every integer of a packet; `frequency_tables` selects tables from these sums.

    Attributes
    ----------
    config : PacketConfig
    resets_trained : bool
        Whether packets after a reset have separate parts.
    K, S, D : int
        Side integers per packet, vectors of latents per packet, latents per vector.
    context : int
        Number of earlier vectors of latents on which a vector can depend.
    n_steps, nominal_step, layer_steps : int
        Number of step sizes, index of the middle one, difference of indices for a step size three times as large.
    segment_packets : int
        Packets of a file between two context resets.
    side_parts : dict
        Indices of the side integers of each part, by the part's name.
    flag : int array (3,)
        Cumulative frequencies of the context reset flag, 0 and 1.
    cumulative : int array (scales, fractions, symbols + 1)
        Cumulative frequencies, see `frequency_tables`.
    bits : float array (scales, fractions, symbols)
        Bits of every symbol.
    """

    config: PacketConfig
    resets_trained: bool
    K: int
    S: int
    D: int
    context: int
    n_steps: int
    nominal_step: int
    layer_steps: int
    segment_packets: int
    side_parts: dict[str, list[int]]
    flag: Array
    cumulative: Array
    bits: Array

    @property
    def latent_context(self) -> LatentContext:
        """Context between the latents of a vector."""
        ...

    @property
    def tables(self) -> dict[str, Any]:
        """All arrays on which what is predicted depends: a tree."""
        ...

    def on(self, xp: Any, tables: dict[str, Any]) -> "EntropyModel":
        """Return a model with these `tables`, arrays of the library `xp`, such as `jax.numpy`."""
        ...

    def ternary_frequencies(self, table: Array, middle: Array) -> Array:
        """Return the frequencies of a ternary symbol, see `IntegerModel.ternary_frequencies`."""
        ...

    def side_context(self, known: Array) -> VectorContext:
        """Return the context between the side integers of a packet; `known` packets before it are known, 0 to 2."""
        ...

    def side(self, before: Array, known: Array) -> Any:
        """Return the initial state of `side_context(known)` from two side vectors before, (..., 2, K), oldest first."""
        ...

    def step_table(self, before: Array, known: Array) -> Array:
        """Return cumulative frequencies of the step index, (Q + 1,), given the index before; a reset if known is 0."""
        ...

    def packet_context(self, before: Array, side: Array, step: Array, known: Array) -> Any:
        """Return the context of the latents, given side vectors (..., 2, K) and (..., K) and the step index.

        The result is an array or a tree of arrays; the axis of the S vectors follows the leading axes.
        """
        ...

    def latent(self, context: Any, before: Array) -> Any:
        """Return the initial state of `latent_context` from a context and the vectors before, (..., context, D)."""
        ...

    def run_context(self, before: np.ndarray, side: np.ndarray, step: np.ndarray, known: np.ndarray) -> Any:
        """Return what `latents` needs to know of T packets except their latents, as `IntegerModel.run_context`."""
        ...

    def latents(self, context: Any, vectors: np.ndarray, n: np.ndarray) -> Expected:
        """Return what is predicted for all latents of known packets, (T, S, D), as `IntegerModel.latents`."""
        ...

    def expected_side(self, before: np.ndarray, n: np.ndarray, known: np.ndarray) -> Expected:
        """Return what is predicted for side integers n (T, K), as `IntegerModel.expected_side`."""
        ...

    def side_sums(self, before: np.ndarray, known: int) -> VectorSums:
        """Return the running sums of the side integers of a packet that is read, given two side vectors, (2, K)."""
        ...

    def read_context(self, before: np.ndarray, side: np.ndarray, step: int, known: int) -> Any:
        """Return what `latent_sums` needs to know of a packet that is read, as `IntegerModel.read_context`."""
        ...

    def latent_sums(self, context: Any, i: int, before: np.ndarray) -> VectorSums:
        """Return the running sums of vector i of a packet that is read, see `IntegerModel.latent_sums`."""
        ...
