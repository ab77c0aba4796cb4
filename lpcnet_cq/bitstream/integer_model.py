"""Common part of the integer entropy models of all codecs: dimensions, tables, and the model of side integers.

Place in the chain: between the integers of a packet and the range coder. `freeze` rounds a trained network to fixed
point. Then means, scales and frequencies are computed from decoded integers in integer arithmetic, so that a stream
decodes to the same symbols on every machine. The rounding costs less than 0.1 % of the rate. Each codec adds its model
of latents: `speech.integer_model`, `music.integer_model`.

Fixed point: activations have 8 fractional bits, weights 12, sums 20. The mean is rounded to 1/16, the scale to 1/8
octave; the pair selects one of 64 x 16 frequency tables of a logistic distribution. Every table sums to 2^16.

References
----------
J. Balle et al., "Integer networks for data compression with latent-variable models", ICLR 2019.
"""

import copy
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from lpcnet_cq.bitstream.codec_config import PacketConfig
from lpcnet_cq.bitstream.fixed_point import Array, product
from lpcnet_cq.bitstream.frequency_tables import ESCAPE, HALF_WIDTH, TOTAL, Expected, expected
from lpcnet_cq.bitstream.side_context import SideNetwork, SideSums, side_networks
from lpcnet_cq.bitstream.vector_sums import VectorSums

FLAG = (0, TOTAL - TOTAL // 64, TOTAL)  # cumulative frequencies of the context reset flag, for weights without `flag`
TABLES = ("w", "b", "tri", "sides", "flag", "step_tables", "cumulative")
SAME_STEP = TOTAL - TOTAL // 32  # frequency of the event that the step index does not change


class Triangle(NamedTuple):
    """Triangular terms: each integer of a vector changes means and scales of the integers after it.

    The state is the sums of means and scales, (..., K) each; the initial state comes from other vectors.
    """

    mean: Array
    scale: Array
    clip: int

    def batch_sums(self, state: tuple[Array, Array], n: Array) -> tuple[Array, Array]:
        """Return the sums for all integers of known vectors n (..., K)."""
        c = n.clip(-self.clip, self.clip)
        return state[0] + product(c, self.mean), state[1] + product(abs(c), self.scale)

    def predict(self, state: tuple[Array, Array], k: Array) -> tuple[Array, Array]:
        """Return the sums for integer k of one vector."""
        return state[0][k], state[1][k]

    def update_sums(self, state: tuple[Array, Array], k: Array, value: Array) -> tuple[Array, Array]:
        """Return the sums after integer k is decoded."""
        c = value.clip(-self.clip, self.clip)
        return state[0] + c * self.mean[k], state[1] + abs(c) * self.scale[k]


class IntegerModel:
    """Predict the frequency table of every integer of a packet from integers decoded before.

    Means and scales are sums with 20 fractional bits, from which `locate` selects tables. `side_context` and
    `latent_context` hold the dependence between the integers of one vector. Subclasses add `latent_context`,
    `packet_context` and `latent`.
    """

    def __init__(self, integers: dict[str, np.ndarray], c: PacketConfig):
        self.w = {k: v.astype(np.float64) for k, v in integers.items() if v.ndim == 2 and not k.endswith("_bs")}
        self.b = {k: v.astype(np.int64) for k, v in integers.items() if v.ndim == 1 or k.endswith("_bs")}
        self.tri = {k: v.astype(np.int64) for k, v in integers.items() if "_tri_" in k}
        self.config = c
        self.K, self.D, self.S, self.segment_packets = c.n_side, c.n_latents, c.n_vectors, c.segment_packets
        self.context, self.n_steps, self.nominal_step = c.context, c.n_steps, c.nominal_step
        self.layer_steps = c.layer_steps
        self.side_parts = c.side_parts
        self.sides: Any = side_networks(integers) if "side_w1" in integers else None
        self.resets_trained = "side_reset_w1" in integers  # whether packets after a reset have separate parts
        self.flag: Array = integers.get("flag", np.array(FLAG)).astype(np.int64)
        self.step_tables: Array = step_tables(c.n_steps, c.nominal_step, integers.get("reset_steps"))
        self.cumulative: Array = integers["tables"].astype(np.int64)
        self.bits = (np.log2(TOTAL) - np.log2(np.diff(self.cumulative))).astype(np.float32)  # per symbol
        self.xp = np

    @property
    def tables(self) -> dict[str, Any]:
        """All arrays on which what is predicted depends, by the name of the attribute."""
        return {name: getattr(self, name) for name in TABLES}

    def on(self, xp, tables: dict[str, Any]) -> "IntegerModel":
        """Return a model with these `tables`, arrays of the library `xp`."""
        other = copy.copy(self)
        vars(other).update(tables, xp=xp)
        return other

    def ternary_frequencies(self, table: Array, middle: Array) -> Array:
        """Return the frequencies (..., 3) of a ternary symbol: of three neighbouring integers of a table, rescaled.

        Integers outside the table have frequency 1. The middle integer gets the remainder from rounding.

        Parameters
        ----------
        table : array (..., 2 * HALF_WIDTH + 3)
            Cumulative frequencies of the distance from the mean's floor.
        middle : array (...)
            Distance of the middle integer.
        """
        symbol = middle[..., None] + (np.arange(-1, 2) + HALF_WIDTH)
        at = symbol.clip(0, ESCAPE - 1)
        f = self.xp.take_along_axis(table, at + 1, -1) - self.xp.take_along_axis(table, at, -1)
        f = self.xp.where(symbol == at, f, 1)
        f = 1 + f * (TOTAL - 3) // f.sum(axis=-1, keepdims=True)
        return self.xp.stack([f[..., 0], TOTAL - f[..., 0] - f[..., 2], f[..., 2]], axis=-1)

    def side_context(self, known: Array) -> Any:
        """Return the context between the side integers of a packet, given the number of known packets before it."""
        state = known if self.resets_trained else 0
        return SideNetwork(*(tensor[state] for tensor in self.sides))

    def side(self, before: Array, known: Array) -> Any:
        """Return the initial state of `side_context(known)` from two side vectors (..., 2, K), oldest first."""
        return self.side_context(known).start(before, self.xp)

    def side_sums(self, before: np.ndarray, known: int) -> VectorSums:
        """Return the running sums of the side integers of a packet, given the two side vectors before, (2, K)."""
        return self._side_sums[known if self.resets_trained else 0].running(before)

    def expected_side(self, before: np.ndarray, n: np.ndarray, known: np.ndarray) -> Expected:
        """Return what is predicted for the side integers n (T, K) of packets.

        Parameters
        ----------
        before : array (T, 2, K)
        n : array (T, K)
        known : array (T,)
        """
        if not self.resets_trained or (known == known[:1]).all():
            return self._side_sums[known[0] if self.resets_trained and len(known) else 0].expected(before, n)
        table, floor = np.empty(n.shape, np.int32), np.empty(n.shape, np.int32)
        for state, sums in enumerate(self._side_sums):
            at = known == state
            table[at], floor[at] = sums.expected(before[at], n[at])
        return Expected(table, floor)

    def read_context(self, before: np.ndarray, side: np.ndarray, step: int, known: int) -> Any:
        """Return what `latent_sums` needs to know of a packet, given side vectors (2, K) and (K,)."""
        return self.packet_context(before, side, np.int64(step), np.int64(known))

    def latent_sums(self, context: Any, i: int, before: np.ndarray) -> VectorSums:
        """Return the running sums of vector i of a packet.

        Parameters
        ----------
        context : Any
            From `read_context`.
        i : int
        before : array (context, D)
            Earlier vectors of latents, oldest first.
        """
        raise NotImplementedError

    def step_table(self, before: Array, known: Array) -> Array:
        """Return cumulative frequencies of the step index, (Q + 1,), given the index before; a reset if known is 0."""
        return self.step_tables[self.xp.where(known == 0, self.n_steps, before)]

    @cached_property
    def _side_sums(self) -> list[SideSums]:
        """The contexts of side integers by the number of known packets before, in NumPy."""
        return [SideSums(SideNetwork(*tensors)) for tensors in zip(*self.sides, strict=True)]

    @property
    def latent_context(self) -> Any:
        """Context between the latents of a vector."""
        raise NotImplementedError

    def packet_context(self, before: Array, side: Array, step: Array, known: Array) -> Any:
        """Return the context of each vector of latents, computed from the side information.

        Parameters
        ----------
        before : array (..., 2, K)
            The two side vectors before, oldest first.
        side : array (..., K)
        step : array (...)
        known : array (...)
            Number of known packets before, 0 to 2.

        Returns
        -------
        array, or tree of arrays, (..., S, any)
        """
        raise NotImplementedError

    def latent(self, context: Any, before: Array) -> Any:
        """Return the initial state of `latent_context`.

        Parameters
        ----------
        context : array, or tree of arrays, (..., any)
            From `packet_context`, for one vector each.
        before : array (..., context, D)
            Earlier vectors of latents, oldest first.
        """
        raise NotImplementedError

    def run_context(self, before: np.ndarray, side: np.ndarray, step: np.ndarray, known: np.ndarray) -> Any:
        """Return what `latents` needs to know of T packets except their latents.

        Parameters
        ----------
        before : array (T, 2, K)
        side : array (T, K)
        step, known : arrays (T,)
        """
        return before, side, step, known

    def latents(self, context: Any, vectors: np.ndarray, n: np.ndarray) -> Expected:
        """Return what is predicted for all latents of known packets, (T, S, D).

        Parameters
        ----------
        context : Any
            From `run_context`.
        vectors : array (context + T * S, D)
            The vectors before the packets, oldest first, then those of the packets.
        n : array (T, S, D)
            The vectors of the packets.
        """
        before, side, step, known = context
        return expected(*self.latents_in(before, side, step, known, self.windows(vectors, n), n))

    def windows(self, vectors: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Return the vectors before each vector of latents, oldest first, (T, S, context, D)."""
        T, S, D = n.shape
        return np.stack([vectors[i : i + T * S] for i in range(self.context)], axis=1).reshape(T, S, -1, D)

    def latents_in(self, before: Array, side: Array, step: Array, known: Array, window: Array, n: Array):
        """Return the sums of means and scales (T, S, D) of all latents, given the `windows` of the vectors."""
        context = self.packet_context(before, side, step, known)
        return self.latent_context.batch_sums(self.latent(context, window), n)


def step_tables(n_steps: int, nominal_step: int, behind_reset: np.ndarray | None) -> np.ndarray:
    """Return cumulative frequencies of the step index (Q + 1, Q + 1): a row per index before, and one after a reset.

    Weights that are not trained for resets have no frequencies after a reset; then those of the middle index are used.
    """
    other = (TOTAL - SAME_STEP) // (n_steps - 1)
    frequency = other + (TOTAL - other * n_steps) * np.eye(n_steps, dtype=np.int64)
    cumulative = np.pad(np.cumsum(frequency, axis=1), ((0, 0), (1, 0)))
    last = cumulative[nominal_step] if behind_reset is None else behind_reset.astype(np.int64)
    return np.concatenate([cumulative, last[None]])
