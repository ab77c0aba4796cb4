"""Packet writer: codes the integers of one packet with the integer entropy model and the range coder.

Place in the chain: last block of the encoder; `nn.packet_reader` is the inverse in the decoder. Order in a packet:
context reset flag, latent step index, side integers (in speech LSFs and gains), then the vectors of latents. `n_bits`
returns the bits of each integer. Delay: none.

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

from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.frequency_tables import ESCAPE, HALF_WIDTH, locate
from lpcnet_cq.bitstream.range_coder import TOTAL, RangeDecoder, RangeEncoder

LIMIT = 16000  # largest magnitude of an integer, so that an escape can code every distance
MOST_KNOWN = 2  # number of earlier packets in the context of a packet


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


def known_before(past: Past, n: Integers) -> np.ndarray:
    """Return how many packets before each packet are known, (T,), 0 to 2."""
    return np.minimum(past.known + np.arange(len(n.step)), MOST_KNOWN)


def step_slots(model: EntropyModel, past: Past, n: Integers) -> tuple[np.ndarray, np.ndarray]:
    """Return start and frequency of the symbols of the step indices, (T,) each."""
    tables = model.step_table(np.concatenate([[past.step], n.step[:-1]]), known_before(past, n))
    rows = np.arange(len(n.step))
    begin = tables[rows, n.step]
    return begin, tables[rows, n.step + 1] - begin


def contexts(model: EntropyModel, past: Past, n: Integers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scale index, fraction and floor of the predicted mean of all integers, (T, K + S*D) each."""
    T, S, D = n.latents.shape
    sides = np.concatenate([past.side, n.side])
    before = np.stack([sides[:T], sides[1 : T + 1]], axis=1)
    known = known_before(past, n)
    mean, scale = np.empty_like(n.side), np.empty_like(n.side)
    for state in sorted(set(known.tolist())):  # `np.unique` imports all of `numpy.ma`
        at = known == state
        mean[at], scale[at] = model.side_context(state).batch_sums(model.side(before[at], state), n.side[at])
    vectors = np.concatenate([past.latents, n.latents.reshape(T * S, D)])
    m, s = model.latents(before, n.side, n.step, known, vectors, n.latents)
    join = [np.concatenate([a, b.reshape(T, S * D)], axis=1) for a, b in ((mean, m), (scale, s))]
    return locate(*join)


def slots(model: EntropyModel, expected, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return start and frequency of the symbols of `values`, and their distance from the floors of the means."""
    scale, fraction, floor = expected
    distance = values - floor
    symbol = np.where(np.abs(distance) <= HALF_WIDTH, distance + HALF_WIDTH, ESCAPE)
    begin = model.cumulative[scale, fraction, symbol]
    return begin, model.cumulative[scale, fraction, symbol + 1] - begin, distance


def value_bits(model: EntropyModel, expected, values: np.ndarray) -> np.ndarray:
    """Return the bits of integers, given their `contexts`; all arrays have the same shape."""
    scale, fraction, floor = expected
    distance = values - floor
    beyond = np.abs(distance) - HALF_WIDTH
    far = beyond > 0
    symbol = np.where(far, ESCAPE, distance + HALF_WIDTH)
    n_tables, n_symbols = model.bits.shape[1:]
    bits = model.bits.reshape(-1).take((scale * n_tables + fraction) * n_symbols + symbol)
    if far.any():
        bits[far] += 5 + np.floor(np.log2(beyond[far]))
    return bits


def n_bits(model: EntropyModel, past: Past | None, n: Integers) -> np.ndarray:
    """Return the bits of every integer of the packets, (T, 1 + K + S*D): flag and step, side integers, latents.

    Parameters
    ----------
    model : EntropyModel
    past : Past or None
        None: the first packet resets the context.
    n : Integers
    """
    reset, past = past is None, past or start(model)
    bits = value_bits(model, contexts(model, past, n), n.values())
    flags = np.full(len(n.step), model.flag[1])
    if reset:
        flags[0] = model.flag[2] - model.flag[1]
    head = 2 * np.log2(TOTAL) - np.log2(step_slots(model, past, n)[1]) - np.log2(flags)
    return np.concatenate([head[:, None], bits], axis=1)


def put_packets(model: EntropyModel, past: Past | None, n: Integers) -> tuple[Past, list[bytes]]:
    """Write packets.

    Parameters
    ----------
    model : EntropyModel
    past : Past or None
        None: the first packet resets the context.
    n : Integers
        Every integer within +-16000, step indices within 0..n_steps-1.

    Returns
    -------
    past : Past
    packets : list of bytes
    """
    reset, past = past is None, past or start(model)
    begin, frequency, distance = slots(model, contexts(model, past, n), n.values())
    begin, frequency = begin.tolist(), frequency.tolist()
    packets, flag, steps = [], model.flag.tolist(), zip(*step_slots(model, past, n), strict=True)
    for t, step in enumerate(steps):
        encoder = RangeEncoder()
        i = int(reset and t == 0)
        encoder.encode(flag[i], flag[i + 1] - flag[i])
        encoder.encode(*map(int, step))
        done = 0
        for k in np.flatnonzero(np.abs(distance[t]) > HALF_WIDTH).tolist():
            encoder.encode_run(begin[t][done : k + 1], frequency[t][done : k + 1])
            _put_escape(encoder, int(distance[t, k]))
            done = k + 1
        encoder.encode_run(begin[t][done:], frequency[t][done:])
        packets.append(encoder.finish())
    return advance(past, n), packets


def _put_escape(encoder: RangeEncoder, distance: int) -> None:
    """Write a distance outside the table: bit count and sign in 5 bits, then the bits below the leading one."""
    beyond = abs(distance) - HALF_WIDTH
    size = beyond.bit_length() - 1
    encoder.encode_bits(size << 1 | (distance < 0), 5)
    encoder.encode_bits(beyond - (1 << size), size)


def ternary_slots(model: EntropyModel, expected, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return start and frequency of n among 3 m - 1, 3 m and 3 m + 1, from the table predicted for n."""
    scale, fraction, floor = expected
    m = (n + 1) // 3
    f = model.ternary_frequencies(model.cumulative[scale, fraction], 3 * m - floor)
    ternary = (n - 3 * m + 1)[..., None]
    begin = np.take_along_axis(np.cumsum(f, axis=-1) - f, ternary, -1)
    return begin[..., 0], np.take_along_axis(f, ternary, -1)[..., 0]


def enhancement_bits(model: EntropyModel, past: Past | None, n: Integers) -> np.ndarray:
    """Return the bits of the enhancement layers that end at `n`, (T, S*D); arguments as for `n_bits`."""
    expected = [array[:, model.K :] for array in contexts(model, past or start(model), n)]
    return np.log2(TOTAL) - np.log2(ternary_slots(model, expected, n.latents.reshape(len(n.step), -1))[1])


def put_enhancements(model: EntropyModel, past: Past | None, n: Integers) -> tuple[Past, list[bytes]]:
    """Write the enhancement layer between `coarser(model, n)` and `n`; arguments and results as `put_packets`."""
    past = past or start(model)
    expected = [array[:, model.K :] for array in contexts(model, past, n)]
    begin, frequency = (a.tolist() for a in ternary_slots(model, expected, n.latents.reshape(len(n.step), -1)))
    enhancements = []
    for pair in zip(begin, frequency, strict=True):
        encoder = RangeEncoder()
        encoder.encode_run(*pair)
        enhancements.append(encoder.finish())
    return advance(past, n), enhancements


def put_layers(model: EntropyModel, pasts: list[Past] | None, n: Integers, L: int) -> tuple[list[Past], list[tuple]]:
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

    Returns
    -------
    pasts : list of Past
    packets : list of tuples of 1 + L bytes
    """
    layers = [n]
    for _ in range(L):
        layers.insert(0, coarser(model, layers[0]))
    before = pasts or [None] * (1 + L)
    after, columns = zip(
        put_packets(model, before[0], layers[0]),
        *(put_enhancements(model, p, layer) for p, layer in zip(before[1:], layers[1:], strict=True)),
        strict=True,
    )
    return list(after), list(zip(*columns, strict=True))


def resets_context(model: EntropyModel, data: bytes, offset: int = 0) -> bool:
    """Return whether the packet at `offset` resets the context, so that it needs no packets before it."""
    return RangeDecoder(data, offset).decode(model.flag.tolist()) == 1
