"""Live coding: streams against files, losses, damage, rate. The model is the smallest one before training."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lpcnet_cq
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.protection import MAX_COPY_SHARE, Protection, choose_protection, find_copy
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.files.encoder import analyse
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
HOP, FS = CONFIG.spec.hop, CONFIG.spec.sample_rate_hz
RESET_INTERVAL = choose_protection(0.0, 30000.0).reset_interval
T = 2 * RESET_INTERVAL + 5


@pytest.fixture(scope="module")
def codec(speech_codec):
    return speech_codec


@pytest.fixture(scope="module")
def frames():
    time = np.arange(T * HOP) / FS
    x = 0.3 * np.sin(2 * np.pi * 140 * time) ** 15 * np.sin(2 * np.pi * 900 * time)
    x = x + 0.01 * np.random.default_rng(1).standard_normal(len(x))
    return x.astype(np.float32).reshape(T, HOP)


@pytest.fixture(scope="module")
def packets(codec, frames):
    return codec.encoder(30000).push(frames.ravel())


@pytest.fixture(scope="module")
def sound(codec, packets):
    """Return what an undisturbed decoder gives, (T, HOP)."""
    decoder = codec.decoder()
    return np.stack([decoder.push(data) for data in packets])


def test_packets_are_those_of_the_signal_one_look_ahead_later(codec, frames, packets, integers):
    """Push t completes the packet that ends `look_ahead` before the end of frame t: side information as in a file."""
    ahead = CONFIG.spec.look_ahead
    shifted = np.concatenate([np.zeros(ahead, np.float32), frames.ravel()])
    data = codec.encode(shifted[: (T - 1) * HOP], FS)
    _, segments = codec._read(data)
    file = packet.join(codec._parts.entropy, segments[0].parts)
    live = integers(codec, packets)
    same = np.mean(file.side[: T - 2] == live.side[: T - 2])
    assert same > 0.99, "rounding may differ where a value lies between two integers"


def test_decoder_gives_what_the_packets_say(codec, packets, sound, integers):
    y = codec._parts.signal.synthesise(codec._parts.signal.start_decoder(), integers(codec, packets))[1]
    assert sound.shape == (T, HOP) and sound.dtype == np.float32
    np.testing.assert_allclose(sound.ravel(), np.clip(y, -1, 1), rtol=0, atol=2.0**-15)


def test_packets_restart_on_time(codec, packets):
    flags = [packet.resets_context(codec._parts.entropy, data) for data in packets]
    assert flags == [t % RESET_INTERVAL == 0 for t in range(T)]


@pytest.mark.parametrize("lost", [1, 3])
def test_loss_is_concealed_until_the_next_restart(codec, packets, sound, lost):
    decoder, y = codec.decoder(), []
    for t, data in enumerate(packets):
        y.append(decoder.push(None if 10 <= t < 10 + lost else data))
    y = np.stack(y)
    np.testing.assert_array_equal(y[:10], sound[:10])
    assert np.isfinite(y).all() and np.abs(y).max() <= 1
    assert np.abs(y[11:15]).max() > 0, "a short loss is no hole"
    assert np.mean(y[21:RESET_INTERVAL] ** 2) < 0.1 * np.mean(y[:10] ** 2), "what stays unknown fades away"
    assert np.abs(y[RESET_INTERVAL + 1 :]).mean() > 0.3 * np.abs(sound[RESET_INTERVAL + 1 :]).mean()


def test_sound_is_the_old_one_some_time_after_a_restart(codec, packets, sound):
    """Networks look back 0.1 s at most; the filters forget."""
    decoder = codec.decoder()
    y = np.stack([decoder.push(None if t == 20 else data) for t, data in enumerate(packets)])
    late = slice(RESET_INTERVAL + 15, None)
    np.testing.assert_allclose(y[late], sound[late], atol=0.02 * np.abs(sound).max())


def test_decoder_that_joins_late_follows_from_the_next_restart(codec, packets, sound):
    """Up to its noise, which is counted from the first packet that a decoder has seen."""
    decoder = codec.decoder()
    y = np.stack([decoder.push(data) for data in packets[RESET_INTERVAL - 5 :]])
    late = RESET_INTERVAL + 10
    assert np.isfinite(y).all()
    assert np.mean((y[5 + 10 :] - sound[late:]) ** 2) < 0.05 * np.mean(sound[late:] ** 2)


def test_damaged_packet_is_refused_and_the_decoder_goes_on(codec, packets, sound):
    """Refused packets leave no trace: the right packet after them is decoded as if nothing had been."""
    decoder = codec.decoder()
    random = np.random.default_rng(2)
    decoder.push(packets[0])
    for t in range(1, 6):
        for damage in (packets[t][:-1], packets[t] + b"\x01", random.bytes(80)):
            before = decoder._pasts
            with pytest.raises(BitstreamError):
                decoder.push(damage)
            assert decoder._pasts is before
        np.testing.assert_array_equal(decoder.push(packets[t]), sound[t])


def test_chance_packet_cannot_poison_the_decoder(codec, packets):
    """Integers that no encoder writes may blow up the filters: they give silence, not NaN for ever after."""
    K, S, D = codec._parts.entropy.K, codec._parts.entropy.S, codec._parts.entropy.D
    random = np.random.default_rng(3)
    state = codec._parts.signal.start_decoder()
    for _ in range(5):
        wild = (random.choice([-16000, 0, 16000], shape) for shape in ((1, K), (1, S, D)))
        state, y = codec._parts.signal.synthesise(state, packet.Integers(np.array([5]), *wild))
        assert np.isfinite(y).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def test_rate_is_followed(codec):
    """Over two seconds, once rate control has settled; the rate lies between those of the finest and coarsest steps."""
    random = np.random.default_rng(4)
    frames = (0.1 * random.standard_normal((200, HOP))).astype(np.float32)
    low, high = codec.bitrates_bps
    reach = []
    for rate_bps in (low, high):
        encoder = codec.encoder(rate_bps)
        sizes = [len(data) for data in encoder.push(frames.ravel())]
        reach.append(8 * sum(sizes[100:]) / (100 * HOP / FS))
    middle = sum(reach) / 2
    assert reach[0] < reach[1] and low < middle < high
    encoder = codec.encoder(middle)
    sizes = [len(data) for data in encoder.push(frames.ravel())]
    assert 8 * sum(sizes[100:]) / (100 * HOP / FS) == pytest.approx(middle, rel=0.05)


@pytest.mark.parametrize("wrong", [np.zeros((1, HOP)), np.full(HOP, np.nan), np.full(HOP, 9e3), 0.5, np.zeros(7, int)])
def test_wrong_samples_are_refused_in_one_sentence(codec, frames, packets, wrong):
    """The encoder stays as it was."""
    encoder, x = codec.encoder(30000), frames.ravel()
    encoder.push(x[:50])
    with pytest.raises(ValueError, match="`samples`"):
        encoder.push(wrong)
    assert encoder.push(x[50:400]) == packets[:1]


def test_one_channel_is_two_equal_ones_for_a_codec_of_two():
    codec = lpcnet_cq.load("audio")
    x = np.random.default_rng(0).uniform(-0.1, 0.1, 3 * codec.encoder().frame_size).astype(np.float32)
    expected = codec.encoder().push(np.stack([x, x], axis=1))
    for mono in (x, x[:, None]):
        assert codec.encoder().push(mono) == expected
    assert codec.encoder().push(np.zeros((0, 1), np.float32)) == []


@settings(max_examples=20)
@given(st.lists(st.one_of(st.sampled_from([0, 1, 7, HOP - 1, HOP, 1000]), st.integers(0, 3 * HOP)), max_size=8))
def test_packets_do_not_depend_on_how_the_signal_is_cut(codec, frames, packets, sizes):
    """Bit for bit, the packets behind the end of the signal included."""
    x = frames.ravel()[:3000]
    encoder, whole = codec.encoder(30000), codec.encoder(30000)
    parts = np.split(x, np.minimum(np.cumsum(sizes, dtype=int), len(x)))
    found = [data for part in parts for data in encoder.push(part)]
    assert found == whole.push(x) == packets[: len(x) // HOP]
    rest = encoder.flush()
    assert rest == whole.flush()
    assert len(found) + len(rest) == CONFIG.spec.n_frames(len(x) + encoder.delay_samples + CONFIG.decoder_delay)


@pytest.mark.parametrize("n", [1, HOP - 1, HOP + 1])
def test_flush_codes_a_last_frame_that_is_not_whole(codec, frames, n, integers):
    """As a file ends."""
    encoder, x = codec.encoder(30000), frames.ravel()[:n]
    found = encoder.push(x) + encoder.flush()
    file = np.concatenate([side for side, *_ in analyse(codec._parts, [np.pad(x, (encoder.delay_samples, 0))])])
    assert len(found) == len(file)
    assert np.mean(integers(codec, found).side == file) > 0.99, "rounding may differ"


def test_context_resets_follow_the_expected_loss(codec, frames):
    encoder = codec.encoder(30000, expected_loss=0.0006)
    assert encoder.expected_loss == 0.0006
    resets = [packet.resets_context(codec._parts.entropy, data) for data in encoder.push(frames[:5].ravel())]
    for loss, more in ((0.3, 3), (0.0, 7)):
        encoder.expected_loss = loss
        data = encoder.push(frames[5 : 5 + more].ravel())
        resets += [packet.resets_context(codec._parts.entropy, p) for p in data]
    assert resets == [True, False, False, False, False, True, True, True] + 7 * [False]


@pytest.mark.parametrize("loss", [-0.01, 1.01, 5, float("nan"), "5", None])
def test_wrong_expected_loss_is_refused_in_one_sentence(codec, loss):
    encoder = codec.encoder(30000, expected_loss=0.1)
    with pytest.raises(ValueError, match=r"`expected_loss` is .*, it must be a number from 0 to 1$"):
        encoder.expected_loss = loss
    assert encoder.expected_loss == 0.1
    with pytest.raises(ValueError, match="`expected_loss`"):
        codec.encoder(30000, expected_loss=loss)


@pytest.mark.parametrize("offset", [1, 3])
def test_a_lost_packet_is_repaired_by_its_copy(codec, frames, sound, offset):
    """It sounds as the copy does in its place. Without losses, copies change nothing."""
    encoder = codec.encoder(40000, expected_loss=0.1, copy_offset=offset)
    assert encoder.copy_offset == offset and encoder.protection == Protection(1, copies=1.0)
    data = encoder.push(frames[:30].ravel())
    plain, copies = codec.decoder(), []
    for packet_ in data:
        copies.append(find_copy(codec._parts.entropy, plain._read(packet_)[3]))
    assert copies[:offset] == [None] * offset and all(copies[offset:])
    cut = [d[: len(d) - len(c or b"")] for d, c in zip(data, copies, strict=True)]
    undisturbed = [plain.push(d) for d in data]
    np.testing.assert_array_equal(undisturbed, [d.push(p) for d in [codec.decoder()] for p in cut])
    for t in (8, 14):
        repaired, other = codec.decoder(), codec.decoder()
        for before in data[:t]:
            repaired.push(before)
            other.push(before)
        np.testing.assert_array_equal(repaired.push(None, data[t + offset]), other.push(copies[t + offset]))
        np.testing.assert_array_equal(repaired.push(data[t + 1]), other.push(data[t + 1]))


@pytest.mark.parametrize("junk", [b"\x40", b"\xff\x01", b"\0\0\x02", None])
def test_bytes_behind_a_copy_are_damage(codec, frames, junk):
    """Also another copy; zeros are padding, and the state of the decoder does not change."""
    encoder = codec.encoder(40000, expected_loss=0.1)
    encoder.protection = Protection(1, copies=1.0)
    data = encoder.push(frames.ravel())
    t = next(t for t, d in enumerate(data) if any(codec.decoder()._read(d)[3]))
    junk = codec.decoder()._read(data[t])[3] if junk is None else junk
    damaged, whole = codec.decoder(), codec.decoder()
    with pytest.raises(BitstreamError, match=r"bytes (after its last layer|behind the copy that it carries)"):
        damaged.push(None, data[t] + junk)
    np.testing.assert_array_equal(damaged.push(None, data[t] + b"\0\0"), whole.push(None, data[t]))


@pytest.mark.parametrize("mode", ["mean", "capped", "constant"])
def test_copies_are_a_part_of_the_rate(codec, frames, mode):
    rate_bps = 40000
    encoder = codec.encoder(rate_bps, mode=mode, expected_loss=0.1)
    assert encoder.protection == Protection(1, copies=1.0 if mode == "mean" else 0.0), "as the encoder chooses"
    encoder.protection = Protection(1, copies=1.0)
    data = encoder.push(frames.ravel())
    size, sizes = rate_bps * HOP // FS // 8, [len(d) for d in data]
    assert max(sizes) <= size or mode == "mean"
    assert mode != "constant" or set(sizes) == {size}
    ends = [len(d) - len(codec.decoder()._read(d)[3]) for d in data]
    shares = [len(d.rstrip(b"\0")) - end for d, end in zip(data, ends, strict=True)]
    assert 0 < max(shares) <= MAX_COPY_SHARE * size


def test_a_following_packet_without_a_copy_leaves_concealment(codec, packets):
    one, other = codec.decoder(), codec.decoder()
    one.push(packets[0])
    other.push(packets[0])
    np.testing.assert_array_equal(one.push(None, packets[RESET_INTERVAL]), other.push(None))
    np.testing.assert_array_equal(one.push(None, packets[3]), other.push(None))


@pytest.mark.parametrize("distance", [0, 4, 2.0, True, "1"])
def test_the_distance_of_the_next_packet_is_checked(codec, packets, distance):
    with pytest.raises(ValueError, match=f"`distance` is {distance!r}, it must be a whole number from 1 to 3"):
        codec.decoder().push(None, None, packets[0], distance)


def test_layers_carry_no_copies(codec):
    assert not codec.encoder(50000, layers=2, expected_loss=0.5).protection.copies


@pytest.mark.parametrize("offset", [0, 9, 1.5, "2", None])
def test_wrong_copy_offset_is_refused_in_one_sentence(codec, offset):
    with pytest.raises(ValueError, match=r"`copy_offset` is .*, it must be a whole number from 1 to 8$"):
        codec.encoder(30000, copy_offset=offset)


@pytest.fixture(scope="module")
def layered(codec, frames):
    """Return packets of two layers, apart."""
    return codec.encoder(50000, layers=2).push_layers(frames.ravel())


def test_layers_may_be_missing_from_any_packet(codec, layered):
    """A packet without its second layer is read as its first says, and the layer is back after the next restart."""
    whole = codec.decoder(layers=2)
    both = [whole.push(b"".join(layers)) for layers in layered]
    base, mixed = codec.decoder(layers=2), codec.decoder(layers=2)
    first = [base.push(layers[0]) for layers in layered]
    y = [mixed.push(layers[0] if t == 5 else b"".join(layers)) for t, layers in enumerate(layered)]
    np.testing.assert_array_equal(y[:5], both[:5])
    assert len(mixed._pasts) == 2 and not np.array_equal(first[3], both[3])
    decoder = codec.decoder(layers=2)
    for t, layers in enumerate(layered[:RESET_INTERVAL]):
        decoder.push(layers[0] if t == 5 else b"".join(layers))
        assert len(decoder._pasts) == (2 if t < 5 else 1)
    decoder.push(b"".join(layered[RESET_INTERVAL]))
    assert len(decoder._pasts) == 2


@pytest.mark.parametrize("rate_bps", [20000, 40000])
def test_no_packet_is_larger_than_the_cap(codec, rate_bps):
    """Not even in noise and clicks, which these weights, drawn at random, know nothing of."""
    random = np.random.default_rng(5)
    frames = (random.standard_normal((30, HOP)) * 10 ** random.uniform(-5, -0.5, (30, 1))).clip(-1, 1)
    encoder = codec.encoder(rate_bps, mode="capped")
    sizes = [len(data) for data in encoder.push(frames.ravel().astype(np.float32))]
    assert max(sizes) <= rate_bps * HOP / FS / 8 < max(sizes) + 12


def test_flush_completes_the_signal_and_ends_it(codec, frames, packets):
    encoder = codec.encoder(30000)
    live = encoder.push(frames.ravel())
    rest = encoder.flush()
    assert live == packets and len(rest) == 1, "look-ahead and the decoder's delay are less than a frame"
    for use in (encoder.flush, lambda: encoder.push(frames[0])):
        with pytest.raises(ValueError, match="was flushed"):
            use()
    assert codec.encoder().flush() == [], "of no signal there are no packets"
    assert [b"".join(layers) for layers in flushed_layers(codec, frames)] == rest


def flushed_layers(codec, frames):
    encoder = codec.encoder(30000)
    encoder.push_layers(frames.ravel())
    return encoder.flush_layers()


def test_live_coders_say_what_they_take(codec):
    for coder in (codec.encoder(), codec.decoder()):
        assert (coder.frame_size, coder.sample_rate_hz, coder.channels) == (HOP, FS, 1)
    total = codec.encoder().delay_samples + codec.decoder().delay_samples
    assert CONFIG.spec.ms(total + HOP) == codec.delay_ms


@pytest.mark.parametrize("layers", [1, 2])
def test_packets_of_constant_size_are_those_of_capped_ones_and_zeros(codec, frames, layers):
    capped, constant = (codec.encoder(50000, layers, mode) for mode in ("capped", "constant"))
    plain, filled = codec.decoder(layers), codec.decoder(2)
    for frame in [*frames[:20], *np.zeros((10, HOP)), *frames[20:40]]:
        (packet,), (whole,) = capped.push_layers(frame), constant.push_layers(frame)
        assert sum(map(len, whole)) == 125
        assert whole[:-1] == packet[:-1] and whole[-1] == packet[-1].ljust(len(whole[-1]), b"\0")
        np.testing.assert_array_equal(filled.push(b"".join(whole)), plain.push(b"".join(packet)))


def test_padding_that_is_not_zero_is_refused(codec, packets):
    decoder = codec.decoder()
    decoder.push(packets[0] + bytes(3))
    with pytest.raises(BitstreamError, match="bytes after its last layer"):
        decoder.push(packets[1] + b"\0\1\0")
    decoder.push(packets[1])
