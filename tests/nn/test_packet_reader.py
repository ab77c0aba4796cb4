"""Reading packets: round trips, layers, context resets, damage; `test_bitstream` has a decoder of its own."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.bitstream.packet import LIMIT, Integers, coarser, put_layers, put_packets, resets_context, start
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.nn.packet_reader import Reader
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
S, D, Q = CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.n_steps
K = CONFIG.order + S
MOST = 3  # packets that the compiled reader takes


@pytest.fixture(scope="module")
def model(random_entropy):
    return SubframeModel(freeze(random_entropy[1], CONFIG), CONFIG)


@pytest.fixture(scope="module")
def reader(model):
    return Reader(model)


def integers(T, seed=2, spread=3):
    """Return T packets that resemble coded speech: a slowly moving step, small integers."""
    draw = np.random.default_rng(seed)
    step = np.clip(Q // 4 + np.cumsum(draw.integers(-1, 2, T)), 0, Q // 2)
    side = draw.integers(-spread, spread + 1, (T, K)) * draw.integers(0, 2, (T, K))
    return Integers(step, side, draw.integers(-spread, spread + 1, (T, S, D)) * draw.integers(0, 2, (T, S, D)))


def read(reader, data, T, past=None):
    """Read T consecutive packets."""
    pasts, n, ends = reader.read(past and [past], data, 0, T, MOST)
    return pasts[0], n, ends[-1, -1]


def get_packet(reader, past, data, offset):
    pasts, n, ends = reader.read(past and [past], data, offset, 1, MOST)
    return pasts[0], n, int(ends[0, 0])


def same(a, b):
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("step", "side", "latents"))


def test_weights_of_the_same_dimensions_share_compiled_code(model, reader, speech_integers):
    """Each reads what its own tables say."""
    other, n, sizes = SubframeModel(speech_integers, CONFIG), integers(2), []
    second = Reader(other)
    for its, of in ((model, reader), (other, second)):
        data = b"".join(layers[0] for layers in put_layers(its, None, n, 0)[1])
        assert same(of.read(None, data, 0, 2, MOST)[1], n)
        sizes.append(of._read.func._cache_size())
    assert reader._read.func is second._read.func and sizes[0] == sizes[1] > 0


wild = st.one_of(st.integers(-3, 3), st.integers(-60, 60), st.sampled_from([-LIMIT, LIMIT]), st.integers(-LIMIT, LIMIT))


@given(st.integers(1, 3), st.data())
def test_any_integers_come_back(model, reader, T, data):
    """Escapes and the largest values included; reader and writer end with the same context."""
    n = integers(T, seed=data.draw(st.integers(0, 99)))
    for _ in range(data.draw(st.integers(0, 5))):
        t = data.draw(st.integers(0, T - 1))
        n.side[t, data.draw(st.integers(0, K - 1))] = data.draw(wild)
        n.latents[t, data.draw(st.integers(0, S - 1)), data.draw(st.integers(0, D - 1))] = data.draw(wild)
        n.step[t] = data.draw(st.integers(0, Q - 1))
    past, packets = put_packets(model, None, n)
    stream = b"".join(packets)
    after, back, end = read(reader, stream, T)
    assert same(n, back) and end == len(stream)
    assert after.step == past.step
    np.testing.assert_array_equal(after.side, past.side)
    np.testing.assert_array_equal(after.latents, past.latents)


def test_a_context_reset_needs_no_earlier_packet_and_other_packets_do(model, reader):
    n = integers(4)
    first, second = n.runs(2)
    past, packets = put_packets(model, None, first)
    _, more = put_packets(model, None, second)
    assert [resets_context(model, p) for p in [*packets, *more]] == [True, False, True, False]
    _, back, _ = get_packet(reader, past, more[0], 0)
    assert same(back, next(second.runs(1))), "a reset is read the same with and without a past"
    with pytest.raises(BitstreamError, match="not known"):
        get_packet(reader, None, packets[1], 0)


@given(st.integers(0, 40), st.data())
def test_truncated_packet_is_refused(model, reader, seed, data):
    packet = put_packets(model, None, integers(1, seed))[1][0]
    with pytest.raises(BitstreamError):
        get_packet(reader, None, packet[: data.draw(st.integers(0, len(packet) - 1))], 0)


def packet_or_none(reader, past, data):
    """Return the integers of a packet and its end; None if it is refused."""
    with suppress(BitstreamError):
        return get_packet(reader, past, data, 0)[1:]
    return None


def within_limits(found, n_bytes):
    n, end = found
    return np.abs(n.values()).max() <= LIMIT and 0 <= n.step[0] < Q and end <= n_bytes


def is_rewritten(model, found, data):
    n, end = found
    return put_packets(model, None if resets_context(model, data) else start(model), n)[1][0] == data[:end]


@given(st.integers(0, 40), st.data())
def test_a_flipped_bit_is_refused_or_gives_integers_in_range(model, reader, seed, data):
    packet = bytearray(put_packets(model, None, integers(1, seed))[1][0])
    packet[data.draw(st.integers(0, len(packet) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    found = packet_or_none(reader, start(model), bytes(packet))
    assert found is None or within_limits(found, len(packet))


@given(st.binary(max_size=60) | st.integers(0, 2**32).map(lambda seed: np.random.default_rng(seed).bytes(300)))
def test_random_bytes_are_refused_or_are_what_the_encoder_writes(model, reader, data):
    found = packet_or_none(reader, start(model), data)
    assert found is None or is_rewritten(model, found, data), "what can be read is what the encoder writes"


def test_random_bytes_are_read_or_refused(model, reader):
    """Both happen, so that both properties above are checked on both."""
    random = np.random.default_rng(4)
    some = [random.bytes(n) for n in (2, 60, 300, 300, 300) for _ in range(20)]
    found = [(packet_or_none(reader, start(model), data), data) for data in some]
    accepted = [(packet, data) for packet, data in found if packet]
    assert 0 < len(accepted) < len(found)
    assert all(within_limits(packet, len(data)) and is_rewritten(model, packet, data) for packet, data in accepted)


@pytest.mark.parametrize("T", [1, MOST])
def test_layers_come_back(model, reader, T):
    """Both layers, their ends, and what is remembered of each; the first layer alone reads as the coarser integers."""
    n = integers(T, spread=5)
    n.latents[0, 1, 2], n.latents[0, 3, 4] = LIMIT, -200
    pasts, packets = put_layers(model, None, n, 1)
    data = b"".join(b"".join(layers) for layers in packets)
    after, back, ends = reader.read(None, data, 0, T, MOST, 1)
    assert same(n, back)
    assert ends.ravel().tolist() == np.cumsum([len(part) for layers in packets for part in layers]).tolist()
    for a, b in zip(after, pasts, strict=True):
        assert a.step == b.step and np.array_equal(a.side, b.side) and np.array_equal(a.latents, b.latents)
    base = b"".join(layers[0] for layers in packets)
    assert same(read(reader, base, T)[1], coarser(model, n))


def test_layers_finer_than_the_finest_step_are_damage(model, reader):
    n = integers(1)
    n = Integers(np.array([1]), n.side, n.latents)
    data = put_packets(model, None, n)[1][0]
    with pytest.raises(BitstreamError, match="no enhancement layer"):
        reader.read(None, data + b"\x10\x20", 0, 1, MOST, 1)
