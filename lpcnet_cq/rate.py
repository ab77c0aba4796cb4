"""Rate control: which latent step size each packet gets.

Place in the chain: between latents and packets, in the encoder alone; the decoder reads the step from the packet.
A file is coded at one step size up to a packet and at the next one after it, so that its bytes meet the rate and its
quality stays even. A live stream follows a budget instead. Delay: none for a stream.

Letters: T packets, Q step sizes, S subframes, D latents.
"""

from dataclasses import dataclass

import numpy as np

from lpcnet_cq.container import HEADER_BYTES, MAX_PACKETS, SEGMENT_BYTES
from lpcnet_cq.packet import Integers, n_bits, start
from lpcnet_cq.rounding import round_latents
from lpcnet_cq.tables import IntegerModel

ROUNDING_BITS = 4.6  # mean cost of ending a packet on a whole byte
RESTART_BITS = 60.0  # of a packet without context, about
DEBT_PER_STEP = 12  # packets
MAX_DEBT = 100  # packets: two seconds


def packet_costs(model: IntegerModel, n: Integers) -> np.ndarray:
    """Return the expected bits of every packet, (T,), coded as one run."""
    restart = np.arange(len(n.step)) % MAX_PACKETS == 0
    return n_bits(model, start(model), n).sum(axis=1) + ROUNDING_BITS + RESTART_BITS * restart


def file_budget_bits(n_packets: int, seconds: float, bitrate_bps: float) -> float:
    """Return the bits that packets may use, once header and segment heads are paid."""
    segments = max(1, -(-n_packets // MAX_PACKETS))
    return bitrate_bps * seconds - 8 * (HEADER_BYTES + segments * SEGMENT_BYTES)


def choose_steps(model: IntegerModel, side, z, sizes, budget_bits: float) -> np.ndarray:
    """Return step indices (T,) whose packets meet a budget: two neighbouring indices, with one change between them.

    Parameters
    ----------
    model : IntegerModel
    side : int array (T, K)
    z : array (T, S, D)
        Latents before rounding.
    sizes : array (Q,)
        Step sizes, finest first.
    budget_bits : float
    """
    T, Q = len(side), len(sizes)

    def costs(q):
        return packet_costs(model, round_latents(model, start(model), side, z, np.full(T, q), sizes))

    low, high = 0, Q - 1  # the finest affordable index lies within
    known = {}
    while low < high:
        q = (low + high) // 2
        known[q] = costs(q)
        low, high = (low, q) if known[q].sum() <= budget_bits else (q + 1, high)
    if low == 0:
        return np.zeros(T, np.int64)
    coarse = known[low] if low in known else costs(low)
    fine = known[low - 1] if low - 1 in known else costs(low - 1)
    total = np.cumsum(fine) + coarse.sum() - np.cumsum(coarse)  # the first k+1 packets fine, the others coarse
    n_fine = int(np.searchsorted(total, budget_bits)) if coarse.sum() <= budget_bits else 0
    return np.where(np.arange(T) < n_fine, low - 1, low)


@dataclass(frozen=True)
class Budget:
    """Follow a rate packet by packet: `debt_bits` is what the stream has spent beyond it.

    The step index rises with the debt, by one for each `DEBT_PER_STEP` packets' worth of bits, so that the mean
    settles where packets cost what the rate allows.
    """

    bits_per_packet: float
    debt_bits: float = 0.0

    def step(self, nominal: int, n_steps: int) -> int:
        """Return the step index for the next packet."""
        packets = self.debt_bits / self.bits_per_packet
        return int(np.clip(nominal + round(packets / DEBT_PER_STEP), 0, n_steps - 1))

    def spend(self, n_bytes: int) -> "Budget":
        """Return the budget after a packet; debts and savings are forgotten beyond `MAX_DEBT` packets."""
        limit = MAX_DEBT * self.bits_per_packet
        debt = self.debt_bits + 8 * n_bytes - self.bits_per_packet
        return Budget(self.bits_per_packet, float(np.clip(debt, -limit, limit)))
