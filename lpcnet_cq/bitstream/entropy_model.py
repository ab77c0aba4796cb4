"""What packets ask of an entropy model: a frequency table for every integer, from integers decoded before.

Place in the chain: the contract between the models (`integer_model` and the codecs' own) and all that codes with them:
`packet`, `rdoq`, `rate_control`, `packing`, and the compiled reader of packets.

Letters: T packets, K side integers, S vectors of latents per packet, D latents per vector.
"""

from typing import Any, Protocol

from lpcnet_cq.bitstream.fixed_point import Array


class VectorContext(Protocol):
    """Say what the integers of a vector tell of those behind them.

    `batch_sums` serves encoders, which know all integers; `predict` and `update_sums` serve decoders, one integer at a
    time, and must give the same sums. A state is whatever `EntropyModel.side` or `EntropyModel.latent` returned.
    """

    def batch_sums(self, state: Any, n: Array) -> tuple[Array, Array]:
        """Return the sums of mean and scale for all integers of known vectors n (..., K)."""
        ...

    def predict(self, state: Any, k: Array) -> tuple[Array, Array]:
        """Return the sums for integer k of one vector."""
        ...

    def update_sums(self, state: Any, k: Array, value: Array) -> Any:
        """Return the state once integer k is known."""
        ...


class EntropyModel(Protocol):
    """Give mean and scale of every integer of a packet, as sums that `frequency_tables.locate` turns into tables.

    Attributes
    ----------
    K, S, D : int
        Side integers of a packet, vectors of latents, latents per vector.
    context : int
        Vectors of latents that the next one may depend on.
    n_steps, nominal_step, layer_steps : int
        Step sizes, the middle one, and how many indices make a step three times as large.
    segment_packets : int
        Packets of a file between two context resets.
    side_parts : dict
        Names of the parts of the side information, and which integers they are.
    flag : int array (3,)
        Cumulative frequencies of "the context goes on" and "the context is reset".
    cumulative : int array (scales, fractions, symbols + 1)
        Cumulative frequencies, see `frequency_tables`.
    bits : float array (scales, fractions, symbols)
        Cost of every symbol.
    """

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
    def latent_context(self) -> VectorContext:
        """What the latents of a vector tell of each other."""
        ...

    def on(self, xp: Any) -> "EntropyModel":
        """Return the same model with the arrays of another array library, for code compiled with it."""
        ...

    def ternary_frequencies(self, table: Array, middle: Array) -> Array:
        """Return the frequencies of three neighbouring integers alone, see `IntegerModel.ternary_frequencies`."""
        ...

    def side_context(self, known: Array) -> VectorContext:
        """Return what side integers tell of each other where `known` packets before are known, 0 to 2."""
        ...

    def side(self, before: Array, known: Array) -> Any:
        """Return the state of `side_context(known)` from the two side vectors before, (..., 2, K), oldest first."""
        ...

    def step_table(self, before: Array, known: Array) -> Array:
        """Return the cumulative frequencies of the step index, (Q + 1,), behind a packet with `before`, or a reset."""
        ...

    def packet_context(self, before: Array, side: Array, step: Array, known: Array) -> Any:
        """Return what side vectors before (..., 2, K) and now (..., K) and the step index (...) tell of latents.

        An array, or a tree of arrays, with the axis of the S vectors behind the leading axes.
        """
        ...

    def latent(self, context: Any, before: Array) -> Any:
        """Return the state of `latent_context` from a vector's context and the vectors before, (..., context, D)."""
        ...

    def latents(
        self, before: Array, side: Array, step: Array, known: Array, window: Array, n: Array
    ) -> tuple[Array, Array]:
        """Return sums of means and scales (T, S, D) for all latents of known packets, as `IntegerModel.latents`."""
        ...
