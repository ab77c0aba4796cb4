"""Packets: the integers of one packet, and their coding with the integer entropy model and the range coder.

Place in the chain: last block of the encoder; `packet_reader` is the inverse in the decoder. Order in a packet: context
reset flag, latent step index, side information (integers; in speech LSFs and gains), then the vectors of latents.
`n_bits` returns the bits of each integer. Delay: none.

A packet can have enhancement layers. Each layer makes the step size of the latents three times finer: latent n becomes
3 n + (-1, 0 or 1). This ternary symbol is coded with the distribution that the entropy model predicts for the finer
integer. A packet without its enhancement layers is an ordinary packet, so that layers can be dropped in transit.

A packet is coded in the context of the packets before it. At the start of a segment, and after a loss, there is no
context. Then a packet resets the context: its flag is set, and it is coded with the initial memory, which `start`
returns. `past` is None if there is no context.

Letters: T packets, S subframes, K side integers, D latents.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lpcnet_cq.bitstream.contexts import MOST_KNOWN, Contexts, Past, slots, start, value_bits
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.frequency_tables import HALF_WIDTH, Expected
from lpcnet_cq.bitstream.packet_writer import encode_packets
from lpcnet_cq.bitstream.range_coder import TOTAL, RangeDecoder, RangeEncoder

MANY = 32  # from so many packets on, coding them together is faster
LIMIT = 16000  # largest magnitude of an integer, so that an escape can code every distance


@dataclass(frozen=True)
class Integers:
    """Hold the integers of T packets: `step` (T,), `side` (T, K), `latents` (T, S, D), all int64."""

    step: np.ndarray
    side: np.ndarray
    latents: np.ndarray

    def __getitem__(self, part: slice | np.ndarray) -> "Integers":
        """Return some of the packets."""
        return Integers(self.step[part], self.side[part], self.latents[part])

    def values(self) -> np.ndarray:
        """Return side integers and latents in the order of the packet, (T, K + S*D)."""
        return np.concatenate([self.side, self.latents.reshape(len(self.side), -1)], axis=1)

    def filled(self, T: int) -> "Integers":
        """Return T packets: these, followed by copies of the last one."""
        return self[np.minimum(np.arange(T), len(self.step) - 1)]

    def runs(self, T: int):
        """Yield the packets in runs of T; the last run may be shorter."""
        for i in range(0, len(self.step), T):
            yield self[i : i + T]


def join(model: EntropyModel, parts: list[Integers]) -> Integers:
    """Concatenate runs of packets: the inverse of `Integers.runs`."""
    empty = Integers(*(np.zeros(s, np.int64) for s in ((0,), (0, model.K), (0, model.S, model.D))))
    return Integers(*(np.concatenate([getattr(n, k) for n in [empty, *parts]]) for k in ("step", "side", "latents")))


def in_runs(model: EntropyModel, parts: Iterable[Integers], T: int) -> Iterator[Integers]:
    """Yield packets that come in parts of any length in runs of T; the last run may be shorter."""
    held = join(model, [])
    for part in parts:
        held = join(model, [held, part])
        n_whole = len(held.step) // T * T
        yield from held[:n_whole].runs(T)
        held = held[n_whole:]
    yield from held.runs(T)


def coarser(model: EntropyModel, n: Integers) -> Integers:
    """Return packets without their last enhancement layer: integers m with n = 3 m + (-1, 0 or 1).

    Their step index is that of a step size three times as large, which must exist.
    """
    return Integers(n.step + model.layer_steps, n.side, (n.latents + 1) // 3)


def advance(past: Past, n: Integers) -> Past:
    """Return the memory after packets."""
    side = np.concatenate([past.side, n.side])[-2:]
    latents = np.concatenate([past.latents, n.latents.reshape(-1, n.latents.shape[-1])])[-len(past.latents) :]
    return Past(int(n.step[-1]), side, latents, min(past.known + len(n.step), MOST_KNOWN))


def n_bits(model: EntropyModel, past: Past | None, n: Integers) -> np.ndarray:
    """Return the bits of every integer of the packets, (T, 1 + K + S*D): flag and step, side integers, latents.

    Parameters
    ----------
    model : EntropyModel
    past : Past or None
        None: the first packet resets the context.
    n : Integers
    """
    contexts = contexts_of(model, past, n)
    latents = n.latents.reshape(len(n.step), -1)
    side_bits = value_bits(model, contexts.expected_side, n.side)
    latent_bits = value_bits(model, contexts.latents(n.latents), latents)
    return np.concatenate([contexts.head_bits(past is None)[:, None], side_bits, latent_bits], axis=1)


def contexts_of(model: EntropyModel, past: Past | None, n: Integers) -> Contexts:
    """Return the contexts of packets; `past` is None where the first one resets the context."""
    return Contexts(model, past or start(model), n.side, n.step)


def put_packets(
    model: EntropyModel, past: Past | None, n: Integers, contexts: Contexts | None = None
) -> tuple[Past, list[bytes]]:
    """Write packets.

    Parameters
    ----------
    model : EntropyModel
    past : Past or None
        None: the first packet resets the context.
    n : Integers
        Every integer within +-16000, step indices within 0..n_steps-1.
    contexts : Contexts, optional
        Those of the packets, if they are already known.

    Returns
    -------
    past : Past
    packets : list of bytes
    """
    contexts = contexts or contexts_of(model, past, n)
    both = contexts.expected_side, contexts.latents(n.latents)
    predicted = Expected(*(np.concatenate(arrays, axis=1) for arrays in zip(*both, strict=True)))
    begin, frequency, distance = slots(model, predicted, n.values())
    reset = (np.arange(len(n.step)) == 0) & (past is None)
    at = reset.astype(int)
    flags = model.flag[at], model.flag[at + 1] - model.flag[at]
    columns = zip(flags, contexts.step_slots, (begin, frequency), strict=True)
    begin, frequency = (np.concatenate([a[:, None], b[:, None], c], axis=1) for a, b, c in columns)
    return advance(contexts.past, n), _encoded(begin, frequency, distance)


def _encoded(begin: np.ndarray, frequency: np.ndarray, distance: np.ndarray) -> list[bytes]:
    """Return the bytes of packets from the slots of their symbols, (T, n); the last symbols have `distance` (T, any).

    Many packets are coded at once, except those with escapes.
    """
    beyond = np.abs(distance) > HALF_WIDTH
    alone = np.logical_or(beyond.any(axis=1), len(begin) < MANY)
    together = iter(encode_packets(begin[~alone], frequency[~alone]) if not alone.all() else [])
    packets, first = [], begin.shape[1] - distance.shape[1]
    for t, is_alone in enumerate(alone.tolist()):
        if not is_alone:
            packets.append(next(together))
            continue
        encoder, done, starts, widths = RangeEncoder(), 0, begin[t].tolist(), frequency[t].tolist()
        for k in np.flatnonzero(beyond[t]).tolist():
            end = first + k + 1
            encoder.encode_run(starts[done:end], widths[done:end])
            _put_escape(encoder, int(distance[t, k]))
            done = end
        encoder.encode_run(starts[done:], widths[done:])
        packets.append(encoder.finish())
    return packets


def _put_escape(encoder: RangeEncoder, distance: int) -> None:
    """Write a distance outside the table: bit count and sign in 5 bits, then the bits below the leading one."""
    beyond = abs(distance) - HALF_WIDTH
    size = beyond.bit_length() - 1
    encoder.encode_bits(size << 1 | (distance < 0), 5)
    encoder.encode_bits(beyond - (1 << size), size)


def ternary_slots(model: EntropyModel, predicted: Expected, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return start and frequency of n among 3 m - 1, 3 m and 3 m + 1, from the table predicted for n."""
    m = (n + 1) // 3
    tables = model.cumulative.reshape(-1, model.cumulative.shape[-1])
    f = model.ternary_frequencies(tables[predicted.table], 3 * m - predicted.floor)
    ternary = (n - 3 * m + 1)[..., None]
    begin = np.take_along_axis(np.cumsum(f, axis=-1) - f, ternary, -1)
    return begin[..., 0], np.take_along_axis(f, ternary, -1)[..., 0]


def enhancement_bits(model: EntropyModel, past: Past | None, n: Integers) -> np.ndarray:
    """Return the bits of the enhancement layers that end at `n`, (T, S*D); arguments as for `n_bits`."""
    return ternary_bits(contexts_of(model, past, n), n.latents)


def ternary_bits(contexts: Contexts, latents: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
    """Do as `enhancement_bits`, given contexts, and arguments as for `Contexts.latents`."""
    predicted = contexts.latents(latents, before)
    slots = ternary_slots(contexts.model, predicted, latents.reshape(predicted.table.shape))
    return np.log2(TOTAL) - np.log2(slots[1])


def put_enhancements(
    model: EntropyModel, past: Past | None, n: Integers, contexts: Contexts | None = None
) -> tuple[Past, list[bytes]]:
    """Write the enhancement layer between `coarser(model, n)` and `n`; arguments and results as `put_packets`."""
    contexts = contexts or contexts_of(model, past, n)
    latents = n.latents.reshape(len(n.step), -1)
    begin, frequency = ternary_slots(model, contexts.latents(n.latents), latents)
    return advance(contexts.past, n), _encoded(begin, frequency, np.zeros((len(begin), 0)))


def put_layers(
    model: EntropyModel, pasts: list[Past] | None, n: Integers, L: int, contexts: Contexts | None = None
) -> tuple[list[Past], list[tuple]]:
    """Write packets with L enhancement layers each.

    Parameters
    ----------
    model : EntropyModel
    pasts : list of 1 + L Past, coarsest first, or None
        None: the first packet resets the context.
    n : Integers
        Integers of the finest layer.
    L : int
        0 or more; for every step index q of `n`, the step index q + `layer_steps` * L must exist.
    contexts : Contexts, optional
        Those of the finest layer, if they are already known.

    Returns
    -------
    pasts : list of Past
    packets : list of tuples of 1 + L bytes
    """
    layers = [n]
    for _ in range(L):
        layers.insert(0, coarser(model, layers[0]))
    before, known = pasts or [None] * (1 + L), [None] * L + [contexts]
    after, columns = zip(
        put_packets(model, before[0], layers[0], known[0]),
        *(put_enhancements(model, *given) for given in zip(before[1:], layers[1:], known[1:], strict=True)),
        strict=True,
    )
    return list(after), list(zip(*columns, strict=True))


def resets_context(model: EntropyModel, data: bytes, offset: int = 0) -> bool:
    """Return whether the packet at `offset` resets the context, so that it needs no packets before it."""
    return RangeDecoder(data, offset).decode(model.flag.tolist()) == 1
