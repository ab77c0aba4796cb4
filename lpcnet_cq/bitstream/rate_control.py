"""Rate control: which latent step size each packet gets.

Place in the chain: between latents and packets, in the encoder alone; the decoder reads the step from the packet.
A file is coded at one step size up to a packet and at the next one after it, so that its bytes meet the rate and its
quality stays even. A live stream follows a budget instead; a hard cap tries step sizes packet by packet. Delay: none.

Letters: T packets, Q step sizes, S subframes, D latents, L enhancements.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from lpcnet_cq.bitstream.container import HEADER_BYTES, MAX_PACKETS, SEGMENT_BYTES
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.frequency_tables import MEAN_BITS
from lpcnet_cq.bitstream.packet import (
    Integers,
    Past,
    advance,
    coarser,
    contexts,
    enhancement_bits,
    n_bits,
    put_layers,
    start,
)
from lpcnet_cq.bitstream.rdoq import PRICE, rdoq

ROUNDING_BITS = 4.6  # mean cost of ending a packet on a whole byte
RESET_BITS = 60.0  # of a packet without context, about
RUN = 500  # packets looked at together: bounds the memory for long files
DEBT_PER_STEP = 12  # packets
MAX_DEBT = 100  # packets: two seconds
PRICES = tuple(PRICE * 2.0**k for k in range(1, 9))  # of bits, in squared steps, under a cap


def packet_costs(model: EntropyModel, n: Integers, L: int = 0) -> np.ndarray:
    """Return the expected bits of every packet with L enhancements, (T,), coded as one run."""
    reset = np.arange(len(n.step)) % model.segment_packets == 0
    bits = ROUNDING_BITS * (1 + L) + RESET_BITS * reset
    for _ in range(L):
        bits, n = bits + enhancement_bits(model, None, n).sum(axis=1), coarser(model, n)
    past, parts = start(model), []
    for run in n.runs(RUN):
        parts.append(n_bits(model, past, run).sum(axis=1))
        past = advance(past, run)
    return bits + np.concatenate(parts)


def file_budget_bits(
    n_packets: int, seconds: float, bitrate_bps: float, segment_packets: int = MAX_PACKETS, header_bytes=HEADER_BYTES
) -> float:
    """Return the bits that packets may use, once header and segment heads are paid."""
    segments = max(1, -(-n_packets // segment_packets))
    return bitrate_bps * seconds - 8 * (header_bytes + segments * SEGMENT_BYTES)


def rounding_reserve_bits(n_packets: int) -> float:
    """Return what the rounding of packets to bytes costs beyond its mean in one file of twenty at most."""
    return 2 * 2.3 * n_packets**0.5  # uniform over a byte: a deviation of 8 / 12^(1/2) bits a packet


def choose_steps(costs: Callable[[int], np.ndarray], budget_bits: float, steps: range, guess: int) -> np.ndarray:
    """Return step indices (T,) whose packets meet a budget: two neighbouring indices, with one change between them.

    Parameters
    ----------
    costs : callable
        Bits of every packet (T,) at a step index; called for few indices around the guess.
    budget_bits : float
    steps : range
        Indices to choose from, finest first.
    guess : int
        Where to look first.
    """
    q = min(max(guess, steps[0]), steps[-1])
    while q > steps[0] and costs(q).sum() <= budget_bits:
        q -= 1
    while q < steps[-1] and costs(q).sum() > budget_bits:
        q += 1
    coarse = costs(q)  # the finest affordable index, or the coarsest there is
    if q == steps[0] or coarse.sum() > budget_bits:
        return np.full(len(coarse), q)
    total = np.cumsum(costs(q - 1)) + coarse.sum() - np.cumsum(coarse)  # the first k+1 packets fine, the others coarse
    return np.where(np.arange(len(coarse)) < np.searchsorted(total, budget_bits), q - 1, q)


def fit_packet(model: EntropyModel, pasts: list[Past] | None, side, z, sizes, cap_bytes: int, steps: range, L: int = 0):
    """Write one packet of at most `cap_bytes`, at the finest step size that allows it.

    Where not even the coarsest does, bits become dearer until the packet fits. If that is not enough, because the past
    makes every latent expensive, the packet resets the context without latents; and at last, which costs about ten
    bytes, its side information becomes what the entropy model expects of it.

    Parameters
    ----------
    model : EntropyModel
    pasts : list of 1 + L Past, or None
        As for `packet.put_layers`.
    side : int array (1, K)
    z : array (1, S, D)
    sizes : array (Q,)
    cap_bytes : int
    steps : range
        Step indices to choose from.
    L : int
        Refinements.

    Returns
    -------
    pasts : list of Past
    packet : tuple of 1 + L bytes
    n : Integers
    """
    finest = pasts[-1] if pasts else start(model)

    def put(n, pasts=pasts):
        after, (packet,) = put_layers(model, pasts, n, L)
        return sum(map(len, packet)) <= cap_bytes, (after, packet, n)

    def at(q, price=PRICE):
        return put(rdoq(model, finest, side, z, np.array([q]), sizes, price))

    q = int(np.clip(finest.step, steps[0], steps[-1]))  # near the packet before
    fits, best = at(q)
    while fits and q > steps[0]:
        q -= 1
        still, finer = at(q)
        if not still:
            return best
        best = finer
    coarsest = np.array([steps[-1]])
    empty = Integers(coarsest, side, np.zeros(z.shape, np.int64))
    attempts = [partial(at, q) for q in range(q + 1, steps.stop)]
    attempts += [partial(at, steps[-1], price) for price in PRICES]
    attempts += [partial(put, empty, None), lambda: put(expected_packet(model, coarsest), None)]
    while not fits and attempts:
        fits, best = attempts.pop(0)()
    return best


def expected_packet(model: EntropyModel, step: np.ndarray) -> Integers:
    """Return the packet that is nearest to what the entropy model expects after a reset, its latents 0."""
    side = np.zeros((1, model.K), np.int64)
    for k in range(model.K):
        n = Integers(step, side, np.zeros((1, model.S, model.D), np.int64))
        _, fraction, floor = (array[0, k] for array in contexts(model, start(model), n))
        side[0, k] = floor + (fraction >= 1 << (MEAN_BITS - 1))
    return n


@dataclass(frozen=True)
class Budget:
    """Follow a rate packet by packet: `debt_bits` is what the stream has spent beyond it.

    The step index rises with the debt, by one for each `DEBT_PER_STEP` packets' worth of bits, so that the mean
    settles where packets cost what the rate allows.
    """

    bits_per_packet: float
    debt_bits: float = 0.0

    def step(self, mean_step: float, steps: range) -> int:
        """Return the step index for the next packet: about the `mean_step` for the rate, which must be in `steps`."""
        packets = self.debt_bits / self.bits_per_packet
        return int(np.clip(round(mean_step + packets / DEBT_PER_STEP), steps[0], steps[-1]))

    def spend(self, n_bytes: int) -> "Budget":
        """Return the budget after a packet; debts and savings are forgotten beyond `MAX_DEBT` packets."""
        limit = MAX_DEBT * self.bits_per_packet
        debt = self.debt_bits + 8 * n_bytes - self.bits_per_packet
        return Budget(self.bits_per_packet, float(np.clip(debt, -limit, limit)))
