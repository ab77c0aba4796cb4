"""Reading packets: round trips, layers, context resets, damage; `test_bitstream` has a decoder of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.bitstream.packet import LIMIT, Integers, coarser, put_layers, put_packets, resets_context, start
from lpcnet_cq.checkpoint.weights import unflatten
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.nn.packet_reader import Reader
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
S, D, Q = CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.n_steps
K, H = CONFIG.order + S, CONFIG.hidden
MOST = 3  # packets that the compiled reader takes


def random_model(seed=1):
    """Return the integers of an entropy model none of whose parameters is zero."""
    draw = np.random.default_rng(seed)
    sizes = {
        "side": {"w1": (2 * K, 64), "b1": (64,), "w2": (64, 2 * K), "b2": (2 * K,), "skip": (2 * K, K)},
        "latent": {
            "ws": (2 * K, 64),
            "bs": (64,),
            "step": (Q, 64),
            "wp": (64, S * H),
            "bp": (S * H,),
            "wy": (CONFIG.context * D, H),
            "w2": (H, H),
            "b2": (H,),
            "w3": (H, 2 * D),
            "b3": (2 * D,),
        },
    }
    shapes = {f"{part}/{k}": shape for part, w in sizes.items() for k, shape in w.items()}
    flat = {k: 0.7 * draw.standard_normal(shape) / shape[0] ** 0.5 for k, shape in shapes.items()}
    for part, n in (("side", K), ("latent", D)):
        flat |= {f"{part}/triangular/{k}": 0.2 * draw.standard_normal((n, n)) / n**0.5 for k in ("mean", "scale")}
    return SubframeModel(freeze(unflatten(flat), CONFIG), CONFIG)


MODEL = random_model()
READER = Reader(MODEL)


def integers(T, seed=2, spread=3):
    """Return T packets that resemble coded speech: a slowly moving step, small integers."""
    draw = np.random.default_rng(seed)
    step = np.clip(Q // 4 + np.cumsum(draw.integers(-1, 2, T)), 0, Q // 2)
    side = draw.integers(-spread, spread + 1, (T, K)) * draw.integers(0, 2, (T, K))
    return Integers(step, side, draw.integers(-spread, spread + 1, (T, S, D)) * draw.integers(0, 2, (T, S, D)))


def read(data, T, past=None):
    """Read T packets that lie one behind the other."""
    pasts, n, ends = READER.read(past and [past], data, 0, T, MOST)
    return pasts[0], n, ends[-1, -1]


def get_packet(past, data, offset):
    pasts, n, ends = READER.read(past and [past], data, offset, 1, MOST)
    return pasts[0], n, int(ends[0, 0])


def same(a, b):
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("step", "side", "latents"))


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


def test_restart_needs_nothing_before_it_and_others_do():
    n = integers(4)
    first, second = n.runs(2)
    past, packets = put_packets(MODEL, None, first)
    _, more = put_packets(MODEL, None, second)
    assert [resets_context(p) for p in [*packets, *more]] == [True, False, True, False]
    _, back, _ = get_packet(past, more[0], 0)
    assert same(back, next(second.runs(1))), "a reset is read the same with and without a past"
    with pytest.raises(BitstreamError, match="lost"):
        get_packet(None, packets[1], 0)


@given(st.integers(0, 40), st.data())
def test_cut_packet_is_refused(seed, data):
    packet = put_packets(MODEL, None, integers(1, seed))[1][0]
    with pytest.raises(BitstreamError):
        get_packet(None, packet[: data.draw(st.integers(0, len(packet) - 1))], 0)


@given(st.integers(0, 40), st.data())
def test_damaged_packet_is_refused_or_read_but_nothing_else(seed, data):
    packet = bytearray(put_packets(MODEL, None, integers(1, seed))[1][0])
    packet[data.draw(st.integers(0, len(packet) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        _, n, end = get_packet(start(MODEL), bytes(packet), 0)
    except BitstreamError:
        return
    assert np.abs(n.values()).max() <= LIMIT and 0 <= n.step[0] < Q and end <= len(packet)


@given(st.binary(max_size=60))
def test_noise_is_refused_or_read_but_nothing_else(data):
    try:
        _, n, end = get_packet(start(MODEL), data, 0)
    except BitstreamError:
        return
    past = None if resets_context(data) else start(MODEL)
    assert put_packets(MODEL, past, n)[1][0] == data[:end], "what can be read is what the encoder writes"


@pytest.mark.parametrize("T", [1, MOST])
def test_layers_come_back(T):
    """Both layers, their ends, and what is remembered of each; the first layer alone reads as the coarser integers."""
    n = integers(T, spread=5)
    n.latents[0, 1, 2], n.latents[0, 3, 4] = LIMIT, -200
    pasts, packets = put_layers(MODEL, None, n, 1)
    data = b"".join(b"".join(layers) for layers in packets)
    after, back, ends = READER.read(None, data, 0, T, MOST, 1)
    assert same(n, back)
    assert ends.ravel().tolist() == np.cumsum([len(part) for layers in packets for part in layers]).tolist()
    for a, b in zip(after, pasts, strict=True):
        assert a.step == b.step and np.array_equal(a.side, b.side) and np.array_equal(a.latents, b.latents)
    base = b"".join(layers[0] for layers in packets)
    assert same(read(base, T)[1], coarser(MODEL, n))


def test_layers_finer_than_the_finest_step_are_damage():
    n = integers(1)
    n = Integers(np.array([1]), n.side, n.latents)
    data = put_packets(MODEL, None, n)[1][0]
    with pytest.raises(BitstreamError, match="finer"):
        READER.read(None, data + b"\x10\x20", 0, 1, MOST, 1)
