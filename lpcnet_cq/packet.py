"""Packets: the integers of 20 ms, in order, through the integer entropy model and the range coder.

Place in the chain: last of the encoder, first of the decoder. Order in a packet: restart flag, latent step index,
LSF and gain integers, then the latents of each subframe. `put_packets` and `get_packet` mirror each other; `n_bits`
says what each integer costs. Delay: none.

A packet is coded in the context of those before it. Where there is none, at the start of a segment or after a loss,
a packet must restart the context: it is coded from `start` and says so. `past` is None where nothing is known.

Letters: T packets, S subframes, K side integers, D latents.
"""

from dataclasses import dataclass

import numpy as np

from lpcnet_cq.entropy import CLIP, SIDE_CLIP
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.rangecoder import TOTAL, RangeDecoder, RangeEncoder
from lpcnet_cq.tables import HALF_WIDTH, MEAN_BITS, N_SCALES, SUM_BITS, IntegerModel, locate

ESCAPE = 2 * HALF_WIDTH + 1  # symbol of an integer outside its table
ESCAPE_BITS = 15  # most bits of what follows it
LIMIT = 16000  # no integer is larger: what follows an escape always fits
SAME_STEP = TOTAL - TOTAL // 32  # frequency of "the step index stays"
FLAG = (0, TOTAL - TOTAL // 64, TOTAL)  # cumulative: the context goes on, the context restarts


@dataclass(frozen=True)
class Integers:
    """Hold the integers of T packets: `step` (T,), `side` (T, K), `latents` (T, S, D), all int64."""

    step: np.ndarray
    side: np.ndarray
    latents: np.ndarray

    def values(self) -> np.ndarray:
        """Return side integers and latents in the order of the packet, (T, K + S*D)."""
        return np.concatenate([self.side, self.latents.reshape(len(self.side), -1)], axis=1)

    def runs(self, T: int):
        """Yield the packets in runs of T, the last one possibly shorter."""
        for i in range(0, len(self.step), T):
            yield Integers(self.step[i : i + T], self.side[i : i + T], self.latents[i : i + T])


@dataclass(frozen=True)
class Past:
    """Hold what the entropy model remembers: `step`, `side` (2, K), `latents` (context, D), oldest first."""

    step: int
    side: np.ndarray
    latents: np.ndarray


def start(model: IntegerModel) -> Past:
    """Return the memory before the first packet."""
    return Past(
        model.nominal_step,
        np.zeros((2, model.K), np.int64),
        np.zeros((model.context, model.D), np.int64),
    )


def join(model: IntegerModel, parts: list[Integers]) -> Integers:
    """Put runs of packets together, the inverse of `Integers.runs`."""
    empty = Integers(*(np.zeros(s, np.int64) for s in ((0,), (0, model.K), (0, model.S, model.D))))
    return Integers(*(np.concatenate([getattr(n, k) for n in [empty, *parts]]) for k in ("step", "side", "latents")))


def advance(past: Past, n: Integers) -> Past:
    """Return the memory after packets."""
    side = np.concatenate([past.side, n.side])[-2:]
    latents = np.concatenate([past.latents, n.latents.reshape(-1, n.latents.shape[-1])])[-len(past.latents) :]
    return Past(int(n.step[-1]), side, latents)


def step_table(before: int, n_steps: int) -> tuple[int, ...]:
    """Return the cumulative frequencies of the step index after `before`."""
    other = (TOTAL - SAME_STEP) // (n_steps - 1)
    frequency = np.full(n_steps, other)
    frequency[before] = TOTAL - other * (n_steps - 1)
    return (0, *np.cumsum(frequency).tolist())


def contexts(model: IntegerModel, past: Past, n: Integers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the model expects of all integers: scale index, fraction and floor of the mean, (T, K + S*D)."""
    T, S, D = n.latents.shape
    side_past = np.concatenate([past.side, n.side])
    mean, scale = model.side(np.stack([side_past[:T], side_past[1 : T + 1]], axis=1))
    c = np.clip(n.side, -SIDE_CLIP, SIDE_CLIP)
    mean, scale = mean + c @ model.tri["side_tri_mean"], scale + np.abs(c) @ model.tri["side_tri_scale"]
    context = model.packet_context(side_past[1 : T + 1], n.side, n.step).reshape(T * S, -1)
    flat = n.latents.reshape(T * S, D)
    latent_past = np.concatenate([past.latents, flat])
    before = np.stack([latent_past[i : i + T * S] for i in range(model.context)], axis=1)
    m, s = model.latent(context, before)
    c = np.clip(flat, -CLIP, CLIP)
    m, s = m + c @ model.tri["latent_tri_mean"], s + np.abs(c) @ model.tri["latent_tri_scale"]
    join = [np.concatenate([a, b.reshape(T, S * D)], axis=1) for a, b in ((mean, m), (scale, s))]
    return locate(*join)


def slots(model: IntegerModel, expected, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return start and frequency of the symbols of `values`, and their distance from the floors of the means."""
    scale, fraction, floor = expected
    distance = values - floor
    symbol = np.where(np.abs(distance) <= HALF_WIDTH, distance + HALF_WIDTH, ESCAPE)
    begin = model.cumulative[scale, fraction, symbol]
    return begin, model.cumulative[scale, fraction, symbol + 1] - begin, distance


def value_bits(model: IntegerModel, expected, values: np.ndarray) -> np.ndarray:
    """Return the bits of integers, given the `contexts` they are coded in; arrays of one shape."""
    _, frequency, distance = slots(model, expected, values)
    beyond = np.maximum(np.abs(distance) - HALF_WIDTH, 0)
    escape = np.where(beyond > 0, 5 + np.floor(np.log2(np.maximum(beyond, 1))), 0)
    return np.log2(TOTAL) - np.log2(frequency) + escape


def n_bits(model: IntegerModel, past: Past | None, n: Integers) -> np.ndarray:
    """Return the bits of every integer of the packets, (T, 1 + K + S*D): flag and step, side integers, latents.

    Parameters
    ----------
    model : IntegerModel
    past : Past or None
        None: the first packet restarts the context.
    n : Integers
    """
    restart, past = past is None, past or start(model)
    bits = value_bits(model, contexts(model, past, n), n.values())
    before = np.concatenate([[past.step], n.step[:-1]]).tolist()
    steps = [np.diff(step_table(b, model.n_steps))[q] for b, q in zip(before, n.step.tolist(), strict=True)]
    flags = np.full(len(steps), FLAG[1] - FLAG[0])
    if restart:
        flags[0] = FLAG[2] - FLAG[1]
    head = 2 * np.log2(TOTAL) - np.log2(steps) - np.log2(flags)
    return np.concatenate([head[:, None], bits], axis=1)


def put_packets(model: IntegerModel, past: Past | None, n: Integers) -> tuple[Past, list[bytes]]:
    """Write packets.

    Parameters
    ----------
    model : IntegerModel
    past : Past or None
        None: the first packet restarts the context.
    n : Integers
        Every integer within +-16000, step indices within 0..n_steps-1.

    Returns
    -------
    past : Past
    packets : list of bytes
    """
    restart, past = past is None, past or start(model)
    begin, frequency, distance = (array.tolist() for array in slots(model, contexts(model, past, n), n.values()))
    packets, before = [], past.step
    for t, step in enumerate(n.step.tolist()):
        encoder = RangeEncoder()
        flag = int(restart and t == 0)
        encoder.encode(FLAG[flag], FLAG[flag + 1] - FLAG[flag])
        table = step_table(before, model.n_steps)
        encoder.encode(table[step], table[step + 1] - table[step])
        before = step
        for b, f, d in zip(begin[t], frequency[t], distance[t], strict=True):
            encoder.encode(b, f)
            if not -HALF_WIDTH <= d <= HALF_WIDTH:
                _put_escape(encoder, d)
        packets.append(encoder.finish())
    return advance(past, n), packets


def _put_escape(encoder: RangeEncoder, distance: int) -> None:
    """Write sign and Elias-gamma-like size of a distance beyond the table."""
    beyond = abs(distance) - HALF_WIDTH
    size = beyond.bit_length() - 1
    encoder.encode_bits(size << 1 | (distance < 0), 5)
    encoder.encode_bits(beyond - (1 << size), size)


def _get_escape(decoder: RangeDecoder) -> int:
    """Read what `_put_escape` wrote."""
    head = decoder.decode_bits(5)
    size = head >> 1
    beyond = (1 << size) + decoder.decode_bits(size)
    return -(beyond + HALF_WIDTH) if head & 1 else beyond + HALF_WIDTH


def _get_vector(model, decoder, mean, scale, tri_mean, tri_scale, clip) -> np.ndarray:
    """Read one vector of integers, adding its triangular terms as it becomes known."""
    values = np.zeros(len(mean), np.int64)
    tables, decode = model.tables, decoder.decode
    mean_shift, half_mean, half_scale = SUM_BITS - MEAN_BITS, 1 << (SUM_BITS - MEAN_BITS - 1), 1 << (SUM_BITS - 1)
    fractions, top = (1 << MEAN_BITS) - 1, N_SCALES - 1
    for k in range(len(values)):
        m = (int(mean[k]) + half_mean) >> mean_shift
        s = (int(scale[k]) + half_scale) >> SUM_BITS
        s = 0 if s < 0 else top if s > top else s
        symbol = decode(tables[s][m & fractions])
        distance = _get_escape(decoder) if symbol == ESCAPE else symbol - HALF_WIDTH
        value = (m >> MEAN_BITS) + distance
        if value:
            if not -LIMIT <= value <= LIMIT:
                raise BitstreamError(f"a packet is damaged: it holds the integer {value}")
            values[k] = value
            c = clip if value > clip else -clip if value < -clip else value
            mean = mean + c * tri_mean[k]
            scale = scale + abs(c) * tri_scale[k]
    return values


def restarts(data: bytes, offset: int = 0) -> bool:
    """Say whether the packet at `offset` can be read without those before it."""
    return RangeDecoder(data, offset).decode(FLAG) == 1


def get_packet(model: IntegerModel, past: Past | None, data: bytes, offset: int) -> tuple[Past, Integers, int]:
    """Read the packet at `offset`, the inverse of `put_packets`.

    Parameters
    ----------
    model : IntegerModel
    past : Past or None
        None if the packets before are not known.
    data : bytes
    offset : int

    Returns
    -------
    past : Past
    n : Integers
        Of one packet.
    offset : int
        Just behind the packet.

    Raises
    ------
    BitstreamError
        If no encoder writes such bytes, or the packet needs packets that are not known.
    """
    decoder, tri = RangeDecoder(data, offset), model.tri
    if decoder.decode(FLAG):
        past = start(model)
    if past is None:
        raise BitstreamError("a packet needs the packets before it, which are lost")
    step = decoder.decode(step_table(past.step, model.n_steps))
    mean, scale = model.side(past.side)
    side = _get_vector(model, decoder, mean, scale, tri["side_tri_mean"], tri["side_tri_scale"], SIDE_CLIP)
    context = model.packet_context(past.side[1], side, np.int64(step))
    window = past.latents
    for s in range(model.S):
        mean, scale = model.latent(context[s], window[-model.context :])
        row = _get_vector(model, decoder, mean, scale, tri["latent_tri_mean"], tri["latent_tri_scale"], CLIP)
        window = np.concatenate([window, row[None]])
    n = Integers(np.array([step]), side[None], window[None, -model.S :])
    return advance(past, n), n, decoder.finish()
