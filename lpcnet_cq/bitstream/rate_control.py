"""Rate control: selects the operating point of each packet.

Place in the chain: between latents and packets, in the encoder only; the decoder reads the step index from the packet.
Operating points are numbered from fine to coarse. The first ones are the step sizes of training. The others are the
coarsest step size with increasing Lagrange multipliers, for signals that exceed the bitrate even at this step size. A
file is coded with two neighbouring operating points, with one change between them, so that the file meets the bitrate
and the quality is constant. Live streams use a `Budget`; `packet_fit` limits the size of every packet. Delay: none.

Letters: T packets, Q step sizes, L enhancements.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from lpcnet_cq.bitstream.container import HEADER_BYTES, MAX_PACKETS, SEGMENT_BYTES
from lpcnet_cq.bitstream.contexts import Contexts, start, value_bits
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import Integers, advance, coarser, ternary_bits
from lpcnet_cq.bitstream.rdoq import MULTIPLIER

RESET_BITS = 60.0  # approximate cost of a context reset with `cq`; 25 with `cq3`, but bytes of files depend on it
ROUNDING_BITS = 4.6  # mean cost of rounding a packet to whole bytes
LOG_GROWTH = 0.1  # natural log of the ratio of bits at neighbouring operating points, about
RUN = 500  # packets that are processed together, which limits the memory for long files
COARSER_POINTS = 12  # operating points with the coarsest step size: multipliers up to 2^6 times `MULTIPLIER`
POINTS_PER_OCTAVE = 2  # operating points per doubling of the multiplier
STEPS_PER_PACKET = 0.2  # shift of the operating point per packet of debt
STEPS_PER_CUBE = 0.05  # additional shift per cubed packet of positive debt
OFFSET_RATE = 0.001  # change of the offset per packet, in steps per packet of debt
MAX_OFFSET = 8.0  # steps
MAX_SAVINGS = 4.5  # packets; debts reach about the same value, so that ten seconds (500 packets) are within 2 %
MAX_CREDIT = 9.0  # packets; larger savings, which only silence causes, are discarded


def operating_points(steps: range) -> range:
    """Return the operating points of step indices: the indices, then points of the coarsest step with fewer bits."""
    return range(steps.start, steps.stop + COARSER_POINTS)


def step_and_multiplier(point: np.ndarray, steps: range) -> tuple[np.ndarray, np.ndarray]:
    """Return the step index and the Lagrange multiplier of operating points, arrays of one shape.

    Examples
    --------
    >>> step_and_multiplier(np.array([3, 16, 18]), range(17))
    (array([ 3, 16, 16]), array([0.1, 0.1, 0.2]))
    """
    step = np.minimum(point, steps[-1])
    return step, MULTIPLIER * 2.0 ** ((point - step) / POINTS_PER_OCTAVE)


def packet_costs(
    model: EntropyModel, runs: Iterable[tuple[Contexts, Integers]], side_bits: np.ndarray, L: int = 0
) -> np.ndarray:
    """Return the expected bits of every packet with L enhancement layers, (T,).

    The cost of a context reset is not computed but approximated by `RESET_BITS`: the bytes of files depend on it.

    Parameters
    ----------
    model : EntropyModel
    runs : iterable of pairs of Contexts and Integers
        The packets of a file, in runs.
    side_bits : array (T,)
        Bits of their side integers.
    L : int
    """
    pasts, parts = [start(model)] * (1 + L), []
    for contexts, n in runs:
        bits = np.zeros(len(n.step))
        for i in range(L):
            bits += ternary_bits(contexts, n.latents, pasts[i].latents).sum(axis=1)
            pasts[i], n = advance(pasts[i], n), coarser(model, n)
            contexts = Contexts(model, pasts[i + 1], n.side, n.step)
        predicted = contexts.latents(n.latents, pasts[L].latents)
        bits += value_bits(model, predicted, n.latents.reshape(predicted.table.shape)).sum(axis=1, dtype=np.float64)
        parts.append(bits + contexts.head_bits(reset=False))
        pasts[L] = advance(pasts[L], n)
    costs = np.concatenate(parts) + side_bits + ROUNDING_BITS * (1 + L)
    costs[:: model.segment_packets] += RESET_BITS
    return costs


def file_budget_bits(
    n_packets: int, seconds: float, bitrate_bps: float, segment_packets: int = MAX_PACKETS, header_bytes=HEADER_BYTES
) -> float:
    """Return the bits that remain for packets after file header and segment headers."""
    segments = max(1, -(-n_packets // segment_packets))
    return bitrate_bps * seconds - 8 * (header_bytes + segments * SEGMENT_BYTES)


def rounding_reserve_bits(n_packets: int) -> float:
    """Return a reserve for the rounding of packets to bytes, which at most one of twenty files exceeds."""
    return 2 * 2.3 * n_packets**0.5  # two standard deviations; uniform over a byte: 8 / 12^(1/2) bits per packet


def choose_points(costs: Callable[[int], np.ndarray], budget_bits: float, points: range, guess: int) -> np.ndarray:
    """Return operating points (T,) whose packets meet a budget: two neighbouring points, with one change between them.

    Parameters
    ----------
    costs : callable
        Bits of every packet (T,) at a point; called for few points near `guess`.
    budget_bits : float
    points : range
        Allowed points, finest first.
    guess : int
        Point at which the search starts.
    """
    q = min(max(guess, points[0]), points[-1])
    ahead = round(np.log(costs(q).sum() / max(budget_bits, 1.0)) / LOG_GROWTH)
    q = min(max(q + ahead, points[0]), points[-1])
    while q > points[0] and costs(q).sum() <= budget_bits:
        q -= 1
    while q < points[-1] and costs(q).sum() > budget_bits:
        q += 1
    coarse = costs(q)  # the finest point within the budget, or the coarsest point
    if q == points[0] or coarse.sum() > budget_bits:
        return np.full(len(coarse), q)
    total = np.cumsum(costs(q - 1)) + coarse.sum() - np.cumsum(coarse)  # the first k+1 packets fine, the others coarse
    return np.where(np.arange(len(coarse)) < np.searchsorted(total, budget_bits), q - 1, q)


@dataclass(frozen=True)
class Budget:
    """Control the rate of a live stream, so that any ten seconds of speech have the bitrate within 2 %.

    The operating point becomes coarser with increasing debt: slowly for small debts, so that the quality is constant,
    and fast for large ones. Savings of pauses beyond `MAX_SAVINGS` are spent in the pause itself, on finer latents,
    because a later packet can be outside of the ten seconds. If the debt keeps its sign, because the speech needs more
    or fewer bits than average speech, `offset` moves the operating point until the debt is zero on average.

    Parameters
    ----------
    bits_per_packet : float
    debt : float
        Bits that the stream has used beyond the bitrate, in units of `bits_per_packet`; savings are negative.
    offset : float
        Added to the operating point of average speech.

    Examples
    --------
    >>> budget = Budget(180.0).spend(n_bytes=45)
    >>> budget.debt, Budget(180.0).point(12.3, range(29)), budget.point(12.3, range(29))
    (1.0, 12, 13)
    """

    bits_per_packet: float
    debt: float = 0.0
    offset: float = 0.0

    def point(self, nominal_point: float, points: range) -> int:
        """Return the operating point of the next packet; `nominal_point` is that of average speech at the bitrate."""
        pressure = STEPS_PER_PACKET * self.debt + STEPS_PER_CUBE * max(self.debt, 0.0) ** 3
        return min(max(round(nominal_point + self.offset + pressure), points[0]), points[-1])

    @property
    def least_bytes(self) -> int:
        """Minimum size of the next packet so that savings do not exceed `MAX_SAVINGS`; 0 or less for no minimum."""
        return int(self.bits_per_packet * (1 - MAX_SAVINGS - self.debt) // 8)

    def spend(self, n_bytes: float) -> "Budget":
        """Return the budget after a packet; savings beyond `MAX_CREDIT` packets are discarded."""
        debt = max(self.debt + 8 * n_bytes / self.bits_per_packet - 1, -MAX_CREDIT)
        offset = self.offset + OFFSET_RATE * debt
        return replace(self, debt=debt, offset=min(max(offset, -MAX_OFFSET), MAX_OFFSET))
