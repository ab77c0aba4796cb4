"""Packet reader: the integer entropy model and the range decoder, compiled together by JAX.

Place in the chain: first block of the decoder of the backend "jax"; `bitstream.packet_reader` reads the same integers
without JAX. All arithmetic uses 64-bit integers, or doubles that represent integers below 2^53 exactly, so that every
machine reads the same symbols. Delay: none.

Letters: T packets, K side integers, S subframes, D latents, L enhancements, c context.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lpcnet_cq.bitstream.codec_config import PacketConfig
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.fixed_point import Array
from lpcnet_cq.bitstream.frequency_tables import ESCAPE, HALF_WIDTH, locate
from lpcnet_cq.bitstream.packet import LIMIT, MOST_KNOWN, Integers, Past, start
from lpcnet_cq.bitstream.packet_reader import BUFFER_BYTES, NO_LAYER, NO_PAST
from lpcnet_cq.bitstream.range_coder import BOTTOM, TOP_BITS, TOTAL, TOTAL_BITS
from lpcnet_cq.bitstream.vector_reader import BEYOND, HEAD_BYTES, LAST_BYTES, NO_SYMBOL, TRUNCATED
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.nn.runtime import own_settings

DAMAGE = {1: NO_SYMBOL, 2: BEYOND, 3: NO_LAYER, 4: NO_PAST, 5: TRUNCATED, 6: LAST_BYTES}


class Code(NamedTuple):
    """State of the range decoder: code - low, range R, index of the next byte, number of the first fault (0: none)."""

    above: jax.Array
    R: jax.Array
    position: jax.Array
    fault: jax.Array


class Memory(NamedTuple):
    """Memory of the entropy model: `step` of the base layer, `side` (2, K), `latents` (1 + L, c, D), `known`.

    `known` is as in `packet.Past`, or -1 if the packets before are not known.
    """

    step: Array
    side: Array
    latents: Array
    known: Array


def note_fault(code: Code, wrong: jax.Array, fault: int) -> Code:
    """Store the number of a fault if it is the first one."""
    return code._replace(fault=jnp.where(wrong & (code.fault == 0), fault, code.fault))


def open_code(data: jax.Array, offset: jax.Array) -> Code:
    """Return the state of the range decoder at the start of the packet at an offset."""
    above = jnp.int64(0)
    for i in range(HEAD_BYTES):
        above = above << 8 | data[offset + i].astype(jnp.int64)
    return Code(above, jnp.int64(1 << TOP_BITS), offset + HEAD_BYTES, jnp.int64(0))


def narrow(code: Code, data: jax.Array, begin: jax.Array, frequency: jax.Array) -> Code:
    """Narrow the interval of the range decoder to the interval of a symbol."""
    r = code.R >> TOTAL_BITS
    above, R, p = code.above - r * begin, r * frequency, code.position
    for _ in range(2):  # at most two bytes, because R >= 2^40 before and frequency >= 1
        low = R < BOTTOM
        above = jnp.where(low, above << 8 | data[p].astype(jnp.int64), above)
        R, p = jnp.where(low, R << 8, R), jnp.where(low, p + 1, p)
    return code._replace(above=above, R=R, position=p)


def decode(code: Code, data: jax.Array, cumulative: jax.Array) -> tuple[Code, jax.Array]:
    """Return the next symbol; `cumulative` holds the starts of all symbols, followed by 65536."""
    r = code.R >> TOTAL_BITS
    slot = code.above // r
    code = note_fault(code, slot >= TOTAL, 1)
    symbol = jnp.clip(jnp.sum(cumulative <= slot) - 1, 0, len(cumulative) - 2)
    begin = cumulative[symbol]
    return narrow(code, data, begin, cumulative[symbol + 1] - begin), symbol


def decode_bits(code: Code, data: jax.Array, n_bits: jax.Array) -> tuple[Code, jax.Array]:
    """Return an integer of n_bits (0..16) equally likely bits."""
    slot = code.above // (code.R >> TOTAL_BITS)
    code = note_fault(code, slot >= TOTAL, 1)
    shift = TOTAL_BITS - n_bits
    value = slot.clip(0, TOTAL - 1) >> shift
    return narrow(code, data, value << shift, jnp.int64(1) << shift), value


def close_code(code: Code, data: jax.Array, offset: jax.Array, n_bytes: jax.Array) -> tuple[Code, jax.Array]:
    """Return the offset of the first byte after a packet, as `range_coder.shortest_within` defines it."""
    tail = jnp.int64(0)  # the last six bytes read: the code modulo 2^48
    for i in range(HEAD_BYTES):
        tail = tail << 8 | data[code.position - HEAD_BYTES + i].astype(jnp.int64)
    low = (tail - code.above) & ((1 << TOP_BITS) - 1)
    end, same, found = code.position, jnp.bool_(False), jnp.bool_(False)
    for extra in (0, 1, 2):
        unit = 1 << (TOP_BITS - 8 * extra)
        up = -low & (unit - 1)
        fits = ~found & (up + unit <= code.R)
        end = jnp.where(fits, code.position - HEAD_BYTES + extra, end)
        same = jnp.where(fits, code.above - (tail & (unit - 1)) == up, same)
        found = found | fits
    code = note_fault(code, end > n_bytes, 5)
    return note_fault(code, ~same, 6), end


def get_escape(code: Code, data: jax.Array) -> tuple[Code, jax.Array]:
    """Read a distance that is outside the tables, in the format of `packet`."""
    code, head = decode_bits(code, data, jnp.int64(5))
    size = head >> 1
    code, rest = decode_bits(code, data, size)
    beyond = (jnp.int64(1) << size) + rest + HALF_WIDTH
    return code, jnp.where(head & 1 == 1, -beyond, beyond)


@dataclass(frozen=True)
class Outline:
    """Hold a model of which all but the tables is used: models are equal if compiled code can have the tables of both.

    Compared are the kind of the model, its dimensions, and whether packets after a reset have separate parts.
    """

    model: EntropyModel = field(compare=False)
    kind: type
    config: PacketConfig
    resets_trained: bool


@lru_cache(maxsize=8)
def compiled(outline: Outline) -> Callable:
    """Return `read_packets` compiled for all models of this outline."""
    return jax.jit(partial(read_packets, outline), static_argnums=(7, 8))


class Reader:
    """Read sequences of packets; code is compiled once for each number of packets and of enhancement layers.

    Weights of the same dimensions share it.

    Parameters
    ----------
    model : EntropyModel
    """

    def __init__(self, model: EntropyModel):
        self.model, self.fresh = model, start(model)
        with own_settings(wide=True):
            tables = jax.tree.map(jnp.asarray, model.tables)
        self._read = partial(compiled(Outline(model, type(model), model.config, model.resets_trained)), tables)

    def read(
        self,
        pasts: list[Past] | None,
        data: bytes,
        offset: int,
        n: int,
        T: int,
        L: int = 0,
        packet_bytes: int = 0,
    ) -> tuple[list[Past], Integers, np.ndarray]:
        """Read the `n` packets at `offset`, at most T: see `bitstream.packet_reader.PacketReader.read`.

        The compiled code always reads T packets; what follows packet n is discarded.
        """
        before = pasts or [self.fresh] * (1 + L)
        buffer = np.zeros(BUFFER_BYTES + HEAD_BYTES, np.uint8)
        buffer[: len(data)] = np.frombuffer(data, np.uint8)
        latents = np.stack([past.latents for past in before])
        with own_settings(wide=True):
            known = before[0].known if pasts else -1
            memory = Memory(np.int64(before[0].step), before[0].side, latents, np.int64(known))
            args = buffer, np.int64(offset), np.int64(len(data)), np.int64(packet_bytes)
            out = jax.device_get(self._read(memory, *args, np.int64(n), T, L))
        after, step, side, y, ends, fault = out
        for code in fault[:n][fault[:n] > 0][:1]:
            raise BitstreamError(DAMAGE[int(code)])
        ups = self.model.layer_steps * np.arange(1 + L)
        last, known = int(after.step), int(after.known)
        kept = [Past(last - int(up), after.side, v, known) for up, v in zip(ups, after.latents, strict=True)]
        return kept, Integers(step[:n], side[:n], y[:n]), ends[:n]


def read_packets(outline, tables, memory, data, offset, n_bytes, packet_bytes, n, T, L):
    """Read T packets; those from packet n on leave no trace in the memory after them."""
    model = outline.model.on(jnp, tables)

    def one(carry, t):
        memory, offset = carry
        after, at, out = read_packet(model, memory, data, offset, n_bytes, L)
        at = jnp.where(packet_bytes > 0, jnp.minimum(offset + packet_bytes, n_bytes), at)
        keep = jax.tree.map(partial(jnp.where, t < n), (after, at), (memory, offset))
        return keep, out

    (memory, _), outs = lax.scan(one, (memory, offset), jnp.arange(T))
    return memory, *outs


def read_packet(model, memory, data, offset, n_bytes, L):
    """Read one packet with its enhancement layers."""
    K = model.K
    code = open_code(data, offset)
    code, reset = decode(code, data, model.flag)
    fresh = Memory(
        jnp.int64(model.nominal_step), jnp.zeros_like(memory.side), jnp.zeros_like(memory.latents), jnp.int64(0)
    )
    memory = jax.tree.map(partial(jnp.where, reset == 1), fresh, memory)
    code = note_fault(code, memory.known < 0, 4)
    known = jnp.maximum(memory.known, 0)
    code, step = decode(code, data, model.step_table(memory.step, known))
    code = note_fault(code, step < model.layer_steps * L, 3)
    state = model.side(memory.side, known)
    code, side = read_vector(model, code, data, model.side_context(known), state, model.K)
    ends, after, coarse = [], [], None
    for layer in range(1 + L):
        if layer:
            code = open_code(data, ends[-1])._replace(fault=code.fault)
        q = jnp.maximum(step - model.layer_steps * layer, 0)
        context = model.packet_context(memory.side, side, q, known)
        code, window, coarse = read_latents(model, code, data, context, memory.latents[layer], coarse)
        code, end = close_code(code, data, ends[-1] if layer else offset, n_bytes)
        ends.append(end)
        after.append(window)
    known = jnp.minimum(known + 1, MOST_KNOWN)
    memory = Memory(step, jnp.stack([memory.side[1], side]), jnp.stack(after), known)
    return memory, ends[-1], (q, side.reshape(K), coarse, jnp.stack(ends), code.fault)


def read_latents(model, code, data, context, window, coarse):
    """Read the latents of all vectors, (S, D); `window` (c, D) holds the vectors before them."""

    def subframe(carry, given):
        code, window = carry
        state = model.latent(given[0], window)
        code, row = read_vector(model, code, data, model.latent_context, state, model.D, *given[1:])
        return (code, jnp.concatenate([window[1:], row[None]])), row

    given = (context,) if coarse is None else (context, coarse)
    (code, window), rows = lax.scan(subframe, (code, window), given)
    return code, window, rows


def read_vector(model, code, data, context_model, state, n, coarse=None):
    """Read a vector of n integers; if `coarse` is given, they are 3 coarse + (-1, 0 or 1)."""

    def body(k, carry):
        code, state, values = carry
        s, fraction, floor = locate(*context_model.predict(state, k))
        row = model.cumulative[s, fraction]
        if coarse is None:
            code, symbol = decode(code, data, row)
            code, distance = lax.cond(
                symbol == ESCAPE,
                lambda code: get_escape(code, data),
                lambda code: (code, symbol.astype(jnp.int64) - HALF_WIDTH),
                code,
            )
            value = floor + distance
        else:
            f = model.ternary_frequencies(row, 3 * coarse[k] - floor)
            code, ternary = decode(code, data, jnp.concatenate([jnp.zeros(1, f.dtype), jnp.cumsum(f)]))
            value = 3 * coarse[k] + ternary - 1
        code = note_fault(code, jnp.abs(value) > LIMIT, 2)
        return code, context_model.update_sums(state, k, value), values.at[k].set(value)

    code, _, values = lax.fori_loop(0, n, body, (code, state, jnp.zeros(n, jnp.int64)))
    return code, values
