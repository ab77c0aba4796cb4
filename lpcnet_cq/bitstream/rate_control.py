"""Rate control: at which operating point each packet is coded.

Place in the chain: between latents and packets, in the encoder alone; the decoder reads the step from the packet.
Operating points are numbered from fine to coarse: first the step sizes of training, then the coarsest of them with a
growing Lagrange multiplier, for signals of which even the coarsest step costs more than the rate. A file is coded at
one point up to a packet and at the next one after it, so that its bytes meet the rate and its quality stays even. A
live stream follows a `Budget`; `packet_fit` meets a limit in every packet. Delay: none.

Letters: T packets, Q step sizes, L enhancements.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lpcnet_cq.bitstream.container import HEADER_BYTES, MAX_PACKETS, SEGMENT_BYTES
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import Integers, coarser, enhancement_bits, n_bits
from lpcnet_cq.bitstream.rdoq import MULTIPLIER

ROUNDING_BITS = 4.6  # mean cost of ending a packet on a whole byte
RUN = 500  # packets looked at together: bounds the memory for long files
RESET_INTERVALS = ((0.04, 1), (0.015, 2), (0.005, 5), (0.0, 25))  # from an expected loss on: packets
COARSER_POINTS = 12  # with the coarsest step: multipliers up to 2^6 times the usual one
POINTS_PER_OCTAVE = 2
STEPS_PER_PACKET = 0.2  # of debt: how far `Budget` moves the operating point
STEPS_PER_CUBE = 0.05  # of debt above zero, cubed
OFFSET_RATE = 0.001  # steps per packet and packet of debt
MAX_OFFSET = 8.0  # steps
MAX_SAVINGS = 4.5  # packets; debts vary as much to the other side: 2 % of ten seconds are ten packets
FORGOTTEN = 9.0  # packets of savings that silence cannot exceed


def operating_points(steps: range) -> range:
    """Return the operating points of step indices: the indices, then points of the coarsest with fewer bits."""
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


def reset_interval(expected_loss: float) -> int:
    """Return how many packets after a context reset the next one follows in a live stream.

    A packet that is lost makes the packets up to the next reset unreadable; a reset costs bits, with `cq-live` 26 and
    with weights that were not trained for resets about 60.

    Parameters
    ----------
    expected_loss : float
        Fraction of packets that the channel loses, 0 to 1.

    Examples
    --------
    >>> [reset_interval(loss) for loss in (0.0, 0.01, 0.03, 0.2)]
    [25, 5, 2, 1]
    """
    return next(interval for least, interval in RESET_INTERVALS if expected_loss >= least)


def packet_costs(model: EntropyModel, n: Integers, L: int = 0) -> np.ndarray:
    """Return the expected bits of every packet with L enhancements, (T,), coded in the segments of a file."""
    parts = []
    for segment in n.runs(model.segment_packets):
        bits = ROUNDING_BITS * (1 + L)
        for _ in range(L):
            bits, segment = bits + enhancement_bits(model, None, segment).sum(axis=1), coarser(model, segment)
        parts.append(bits + n_bits(model, None, segment).sum(axis=1))
    return np.concatenate(parts)


def file_budget_bits(
    n_packets: int, seconds: float, bitrate_bps: float, segment_packets: int = MAX_PACKETS, header_bytes=HEADER_BYTES
) -> float:
    """Return the bits that packets may use, once header and segment heads are paid."""
    segments = max(1, -(-n_packets // segment_packets))
    return bitrate_bps * seconds - 8 * (header_bytes + segments * SEGMENT_BYTES)


def rounding_reserve_bits(n_packets: int) -> float:
    """Return what the rounding of packets to bytes costs beyond its mean in one file of twenty at most."""
    return 2 * 2.3 * n_packets**0.5  # uniform over a byte: a deviation of 8 / 12^(1/2) bits a packet


def choose_points(costs: Callable[[int], np.ndarray], budget_bits: float, points: range, guess: int) -> np.ndarray:
    """Return operating points (T,) whose packets meet a budget: two neighbouring points, with one change between them.

    Parameters
    ----------
    costs : callable
        Bits of every packet (T,) at a point; called for few points around the guess.
    budget_bits : float
    points : range
        Points to choose from, finest first.
    guess : int
        Where to look first.
    """
    q = min(max(guess, points[0]), points[-1])
    while q > points[0] and costs(q).sum() <= budget_bits:
        q -= 1
    while q < points[-1] and costs(q).sum() > budget_bits:
        q += 1
    coarse = costs(q)  # the finest affordable point, or the coarsest there is
    if q == points[0] or coarse.sum() > budget_bits:
        return np.full(len(coarse), q)
    total = np.cumsum(costs(q - 1)) + coarse.sum() - np.cumsum(coarse)  # the first k+1 packets fine, the others coarse
    return np.where(np.arange(len(coarse)) < np.searchsorted(total, budget_bits), q - 1, q)


@dataclass(frozen=True)
class Budget:
    """Follow a rate packet by packet, so that any ten seconds of speech have it within 2 %.

    The operating point becomes coarser with the debt: little at first, so that quality stays even, then steeply. What
    pauses save beyond `MAX_SAVINGS` is spent at once, on finer latents of the pause: later would be out of the ten
    seconds. Where the debt keeps one sign, because the speech costs more or less than ordinary speech, `offset` moves
    until it does not.

    Parameters
    ----------
    bits_per_packet : float
    debt : float
        What the stream has spent beyond the rate, in packets' worth of bits; savings are negative.
    offset : float
        Added to the operating point of ordinary speech.

    Examples
    --------
    >>> budget = Budget(180.0).spend(n_bytes=45)
    >>> budget.debt, Budget(180.0).point(12.3, range(29)), budget.point(12.3, range(29))
    (1.0, 12, 13)
    """

    bits_per_packet: float
    debt: float = 0.0
    offset: float = 0.0

    def point(self, usual_point: float, points: range) -> int:
        """Return the operating point of the next packet; `usual_point` is that of ordinary speech at the rate."""
        pressure = STEPS_PER_PACKET * self.debt + STEPS_PER_CUBE * max(self.debt, 0.0) ** 3
        return min(max(round(usual_point + self.offset + pressure), points[0]), points[-1])

    @property
    def least_bytes(self) -> int:
        """Size of the next packet that keeps the savings at `MAX_SAVINGS`; 0 or less if any size does."""
        return int(self.bits_per_packet * (1 - MAX_SAVINGS - self.debt) // 8)

    def spend(self, n_bytes: int) -> "Budget":
        """Return the budget after a packet; savings beyond `FORGOTTEN` packets are lost."""
        debt = max(self.debt + 8 * n_bytes / self.bits_per_packet - 1, -FORGOTTEN)
        offset = self.offset + OFFSET_RATE * debt
        return replace(self, debt=debt, offset=min(max(offset, -MAX_OFFSET), MAX_OFFSET))
