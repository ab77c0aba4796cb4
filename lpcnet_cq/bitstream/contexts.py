"""Contexts of a run of packets: what the entropy model predicts for all of their integers at once, in the encoder.

Place in the chain: between the entropy model and `rdoq`, `rate_control` and `packet`. What depends only on the side
integers and step indices is computed once, however often latents are tried.

Letters: T packets, K side integers, S vectors of latents per packet, D latents per vector.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.frequency_tables import ESCAPE, HALF_WIDTH, TOTAL, Expected

MOST_KNOWN = 2  # number of earlier packets in the context of a packet


@dataclass(frozen=True)
class Past:
    """Hold the memory of the entropy model: `step`, `side` (2, K), `latents` (context, D), oldest first.

    `known` is the number of packets since the context reset: 0, 1, or 2 for two and more.
    """

    step: int
    side: np.ndarray
    latents: np.ndarray
    known: int = MOST_KNOWN


def start(model: EntropyModel) -> Past:
    """Return the memory before the first packet."""
    return Past(
        model.nominal_step,
        np.zeros((2, model.K), np.int64),
        np.zeros((model.context, model.D), np.int64),
        0,
    )


class Contexts:
    """Predict the integers of T packets.

    Parameters
    ----------
    model : EntropyModel
    past : Past
        Memory before the first packet.
    side : int array (T, K)
    step : int array (T,)
        Step indices.
    expected_side : Expected, optional
        If it is known from contexts of the same side integers.
    """

    def __init__(
        self,
        model: EntropyModel,
        past: Past,
        side: np.ndarray,
        step: np.ndarray,
        expected_side: Expected | None = None,
    ):
        T = len(step)
        self.model, self.past, self.side, self.step = model, past, side, step
        sides = np.concatenate([past.side, side])
        row, item = sides.strides
        self._before = np.ndarray((T, 2, model.K), sides.dtype, sides, 0, (row, row, item))  # two vectors each
        self._known = np.minimum(past.known + np.arange(T), MOST_KNOWN)
        self._expected_side = expected_side

    @cached_property
    def _run_context(self) -> Any:
        return self.model.run_context(self._before, self.side, self.step, self._known)

    @property
    def expected_side(self) -> Expected:
        """What is predicted for the side integers, (T, K)."""
        if self._expected_side is None:
            self._expected_side = self.model.expected_side(self._before, self.side, self._known)
        return self._expected_side

    def latents(self, n: np.ndarray, before: np.ndarray | None = None) -> Expected:
        """Return what is predicted for the latents n (T, S, D), (T, S*D).

        Parameters
        ----------
        n : int array (T, S, D)
        before : int array (context, D), optional
            The vectors before the first packet; by default those of the past.
        """
        T, S, D = n.shape
        vectors = np.concatenate([self.past.latents if before is None else before, n.reshape(T * S, D)])
        table, floor = self.model.latents(self._run_context, vectors, n)
        return Expected(table.reshape(T, S * D), floor.reshape(T, S * D))

    @cached_property
    def step_slots(self) -> tuple[np.ndarray, np.ndarray]:
        """Begin and frequency of the symbols of the step indices, (T,) each."""
        tables = self.model.step_table(np.concatenate([[self.past.step], self.step[:-1]]), self._known)
        rows = np.arange(len(self.step))
        begin = tables[rows, self.step]
        return begin, tables[rows, self.step + 1] - begin

    def head_bits(self, reset: bool) -> np.ndarray:
        """Return the bits of reset flags and step indices, (T,); `reset` says whether the first packet has the flag."""
        flags = np.full(len(self.step), self.model.flag[1])
        if reset:
            flags[:1] = self.model.flag[2] - self.model.flag[1]
        return 2 * np.log2(TOTAL) - np.log2(self.step_slots[1]) - np.log2(flags)


def slots(model: EntropyModel, predicted: Expected, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return begin and frequency of the symbols of `values`, and their distance from the floors of the means."""
    distance = values - predicted.floor
    symbol = np.where(np.abs(distance) <= HALF_WIDTH, distance + HALF_WIDTH, ESCAPE)
    symbol += predicted.table * model.cumulative.shape[-1]
    cumulative = model.cumulative.reshape(-1)
    begin = cumulative.take(symbol)
    return begin, cumulative.take(symbol + 1) - begin, distance


def value_bits(model: EntropyModel, predicted: Expected, values: np.ndarray) -> np.ndarray:
    """Return the bits of integers, given what is predicted for them; `values` may have more leading axes."""
    symbol = values - predicted.floor
    symbol += HALF_WIDTH
    far = (symbol < 0) | (symbol >= ESCAPE)
    any_far = far.any()
    if any_far:
        beyond = np.abs(symbol[far] - HALF_WIDTH) - HALF_WIDTH
        symbol[far] = ESCAPE
    symbol += predicted.table * model.bits.shape[-1]
    bits = model.bits.reshape(-1).take(symbol)
    if any_far:
        bits[far] += 5 + np.floor(np.log2(beyond))
    return bits
