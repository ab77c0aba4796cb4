"""Packets: round trips, damage, restarts, sizes, and bytes that must never change.

The entropy model here is made of integers throughout, tables included: no machine's `tanh` has a say in its bytes.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.config import PRESETS
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.packet import (
    FLAG,
    HALF_WIDTH,
    LIMIT,
    Integers,
    advance,
    get_packet,
    join,
    n_bits,
    put_packets,
    restarts,
    start,
    step_table,
)
from lpcnet_cq.tables import N_SCALES, TOTAL, IntegerModel

CONFIG = PRESETS["tiny"].codec
S, D, Q = CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.n_steps
K, H = CONFIG.order + S, CONFIG.hidden


class Source:
    """Draw integers from the raw 64-bit words of PCG64, which NumPy promises never to change."""

    def __init__(self, seed):
        self.bits = np.random.PCG64(seed)

    def __call__(self, low, high, *shape):
        """Return int64 values in low..high."""
        raw = self.bits.random_raw(int(np.prod(shape))) >> np.uint64(16)
        return (raw % np.uint64(high - low + 1)).astype(np.int64).reshape(shape) + low


def integer_tables():
    """Make heavy-tailed tables by integer division: weights 1 / (width + distance^2) instead of a logistic's."""
    s, f = np.arange(N_SCALES)[:, None, None], np.arange(16)[None, :, None]
    distance = np.abs(16 * np.arange(-HALF_WIDTH, HALF_WIDTH + 1)[None, None] - f)
    weight = (1 << 40) // ((1 + s) ** 3 + distance**3)
    weight = np.concatenate([weight, weight.min(axis=-1, keepdims=True)], axis=-1)
    frequency = 1 + weight * (TOTAL - weight.shape[-1]) // weight.sum(axis=-1, keepdims=True)
    frequency[..., HALF_WIDTH] += TOTAL - frequency.sum(axis=-1)
    return np.concatenate([np.zeros((N_SCALES, 16, 1), np.int64), np.cumsum(frequency, axis=-1)], axis=-1)


def integer_model(seed=1):
    draw = Source(seed)

    def weights(n_in, n_out):
        return draw(-4096, 4096, n_in, n_out) // max(1, n_in // 4)

    def output(n):
        """Means near 0, scales near table 22."""
        return np.concatenate([draw(-(1 << 18), 1 << 18, n), draw(20 << 20, 24 << 20, n)])

    return IntegerModel(
        {
            "side_w1": weights(2 * K, 64),
            "side_b1": draw(-(1 << 20), 1 << 20, 64),
            "side_w2": weights(64, 2 * K),
            "side_b2": output(K),
            "side_skip": weights(2 * K, K),
            "side_tri_mean": np.triu(draw(-(1 << 16), 1 << 16, K, K), 1),
            "side_tri_scale": np.triu(draw(-(1 << 14), 1 << 16, K, K), 1),
            "latent_ws": weights(2 * K, 64),
            "latent_bs": draw(-(1 << 20), 1 << 20, Q, 64),
            "latent_wp": weights(64, S * H),
            "latent_bp": draw(-(1 << 20), 1 << 20, S * H),
            "latent_wy": weights(CONFIG.context * D, H),
            "latent_w2": weights(H, H),
            "latent_b2": draw(-(1 << 20), 1 << 20, H),
            "latent_w3": weights(H, 2 * D),
            "latent_b3": output(D),
            "latent_tri_mean": np.triu(draw(-(1 << 16), 1 << 16, D, D), 1),
            "latent_tri_scale": np.triu(draw(-(1 << 14), 1 << 16, D, D), 1),
            "tables": integer_tables(),
        },
        CONFIG,
    )


MODEL = integer_model()


def integers(T, seed=2, spread=3):
    """Return T packets that resemble coded speech: a slowly moving step, small integers."""
    draw = Source(seed)
    step = np.clip(Q // 2 + np.cumsum(draw(-8, 8, T) // 8 + (draw(0, 7, T) == 0)), 0, Q - 1)
    small = draw(-spread, spread, T, K) * draw(0, 1, T, K)
    return Integers(step, small, draw(-spread, spread, T, S, D) * draw(0, 1, T, S, D))


def read(data, T, past=None, model=MODEL):
    """Read T packets that lie one behind the other."""
    parts, offset = [], 0
    for _ in range(T):
        past, n, offset = get_packet(model, past, data, offset)
        parts.append(n)
    return past, join(model, parts), offset


def same(a, b):
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("step", "side", "latents"))


def test_tables_of_the_test_are_tables():
    assert (np.diff(MODEL.cumulative, axis=-1) >= 1).all() and (MODEL.cumulative[..., -1] == TOTAL).all()


wild = st.one_of(st.integers(-3, 3), st.integers(-60, 60), st.sampled_from([-LIMIT, LIMIT]), st.integers(-LIMIT, LIMIT))


@given(st.integers(1, 3), st.data())
def test_any_integers_come_back(T, data):
    """Escapes and the largest values included; the reader ends up remembering what the writer does."""
    n = integers(T, seed=data.draw(st.integers(0, 99)))
    for _ in range(data.draw(st.integers(0, 5))):
        t = data.draw(st.integers(0, T - 1))
        n.side[t, data.draw(st.integers(0, K - 1))] = data.draw(wild)
        n.latents[t, data.draw(st.integers(0, S - 1)), data.draw(st.integers(0, D - 1))] = data.draw(wild)
        n.step[t] = data.draw(st.integers(0, Q - 1))
    past, packets = put_packets(MODEL, None, n)
    stream = b"".join(packets)
    after, back, end = read(stream, T)
    assert same(n, back) and end == len(stream)
    assert after.step == past.step
    np.testing.assert_array_equal(after.side, past.side)
    np.testing.assert_array_equal(after.latents, past.latents)


def test_packets_one_by_one_are_the_run():
    n = integers(6)
    whole = put_packets(MODEL, None, n)[1]
    past, single = None, []
    for part in n.runs(1):
        past, (data,) = put_packets(MODEL, past, part)
        single.append(data)
    assert single == whole


def test_restart_needs_nothing_before_it_and_others_do():
    n = integers(4)
    first, second = n.runs(2)
    past, packets = put_packets(MODEL, None, first)
    _, more = put_packets(MODEL, None, second)
    assert [restarts(p) for p in [*packets, *more]] == [True, False, True, False]
    _, back, _ = get_packet(MODEL, past, more[0], 0)
    assert same(back, next(second.runs(1))), "a restart is read the same with and without a past"
    with pytest.raises(BitstreamError, match="lost"):
        get_packet(MODEL, None, packets[1], 0)


@given(st.integers(0, 40), st.data())
def test_cut_packet_is_refused(seed, data):
    packet = put_packets(MODEL, None, integers(1, seed))[1][0]
    with pytest.raises(BitstreamError):
        get_packet(MODEL, None, packet[: data.draw(st.integers(0, len(packet) - 1))], 0)


@given(st.integers(0, 40), st.data())
def test_damaged_packet_is_refused_or_read_but_nothing_else(seed, data):
    packet = bytearray(put_packets(MODEL, None, integers(1, seed))[1][0])
    packet[data.draw(st.integers(0, len(packet) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        _, n, end = get_packet(MODEL, start(MODEL), bytes(packet), 0)
    except BitstreamError:
        return
    assert np.abs(n.values()).max() <= LIMIT and 0 <= n.step[0] < Q and end <= len(packet)


@given(st.binary(max_size=60))
def test_noise_is_refused_or_read_but_nothing_else(data):
    try:
        _, n, end = get_packet(MODEL, start(MODEL), data, 0)
    except BitstreamError:
        return
    past = None if restarts(data) else start(MODEL)
    assert put_packets(MODEL, past, n)[1][0] == data[:end], "what can be read is what the encoder writes"


def test_size_is_what_n_bits_says():
    """The bytes exceed the ideal by the rounding to whole bytes alone: 4.6 bits a packet, under 3 %."""
    n = integers(400, spread=5)
    ideal = n_bits(MODEL, None, n).sum(axis=1)
    written = np.array([8 * len(p) for p in put_packets(MODEL, None, n)[1]])
    assert 150 < ideal.mean() < 260
    assert (written - ideal > -1e-6).all() and (written - ideal < 16).all()
    assert 4.2 < (written - ideal).mean() < 5.0
    assert written.sum() < 1.03 * ideal.sum()


def test_bits_of_escapes_are_counted():
    n = integers(1)
    plain = n_bits(MODEL, None, n)[0]
    n.latents[0, -1, -1] = 5000
    far = n_bits(MODEL, None, n)[0]
    assert (far[:-1] == plain[:-1]).all()
    assert 8 * len(put_packets(MODEL, None, n)[1][0]) - far.sum() < 16
    assert 5 + 12 < far[-1] <= 5 + 12 + 16


def test_head_costs_little_while_nothing_changes():
    past = start(MODEL)
    same_step, other = (integers(1) for _ in range(2))
    same_step.step[0], other.step[0] = past.step, past.step + 1
    stays, moves, restarted = (n_bits(MODEL, p, n)[0, 0] for p, n in ((past, same_step), (past, other), (None, other)))
    assert stays < 0.1 and 8 < moves < 9 and restarted == pytest.approx(moves + 6 + np.log2(63 / 64), abs=1e-3)


@pytest.mark.parametrize("before", [0, Q // 2, Q - 1])
def test_step_table_is_complete_and_prefers_to_stay(before):
    frequency = np.diff(step_table(before, Q))
    assert frequency.sum() == TOTAL == FLAG[-1] and frequency.min() >= 1 and frequency.argmax() == before


def test_memory_after_a_run_is_that_after_its_packets():
    n, past = integers(3), start(MODEL)
    for part in n.runs(1):
        past = advance(past, part)
    whole = advance(start(MODEL), n)
    assert past.step == whole.step == n.step[-1]
    np.testing.assert_array_equal(past.side, n.side[-2:])
    np.testing.assert_array_equal(past.latents, n.latents.reshape(-1, D)[-CONFIG.context :])


def test_pinned_bytes():
    """A change here is a new version of the bitstream."""
    n = integers(2, spread=2)
    n.side[1, 2], n.latents[1, 3, 4] = -12345, 77
    packets = put_packets(MODEL, None, n)[1]
    assert [p.hex() for p in packets] == [
        "fdab5f004ba367b02dd263130fd58f7f5a9390",
        "7fb5411be6f9943260d84af2fbced9b17a14cce3abeda9955f",
    ]
