"""Live coding with released weights: alignment, files against streams, rate, losses."""

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.protection import Protection, choose_protection
from lpcnet_cq.files.decoder import synthesise


def lag_of(y, x, most):
    """Return by how many samples y lags x, from the peak of their cross-correlation; -most to most."""
    lags = np.arange(-most, most + 1)
    inner = slice(most, len(x) - most)
    return int(lags[np.argmax([np.vdot(np.roll(y, -lag, axis=0)[inner], x[inner]) for lag in lags])])


@pytest.mark.parametrize(("name", "rate_bps"), [("cq", 16000), ("cq-sparse", 24000), ("audio", 96000)])
def test_frames_without_the_stated_delay_line_up_with_the_input(name, rate_bps, vowel, plucked):
    codec = lpcnet_cq.load(name)
    x = vowel(seconds=2.0) if codec.channels == 1 else np.concatenate([plucked, plucked[::-1], plucked])
    encoder, decoder = codec.encoder(rate_bps), codec.decoder()
    size = encoder.frame_size
    x = x[: len(x) // size * size]
    packets = encoder.push(x)
    y = np.concatenate([decoder.push(data) for data in packets + encoder.flush()])
    lag = encoder.delay_samples + decoder.delay_samples
    assert lag + size == round(codec.delay_ms * codec.sample_rate_hz / 1000) and len(y) >= lag + len(x)
    y = y[lag : lag + len(x)]
    assert y.shape == x.shape and lag_of(y, x, 50) == 0
    assert 10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2)) > 3


@pytest.mark.parametrize(("name", "rate_bps"), [("cq", 9000), ("audio", 64000)])
def test_live_streams_are_those_of_files_but_for_rate_control(name, rate_bps, vowel, plucked, integers):
    """A file of the signal, begun `delay_samples` earlier, has the side information of the stream.

    Decoded from the same packets, both sound alike to one step of 16 bits.
    """
    codec = lpcnet_cq.load(name)
    x = vowel(seconds=1.0) if codec.channels == 1 else plucked
    encoder = codec.encoder(rate_bps)
    size, ahead = encoder.frame_size, encoder.delay_samples
    x = x[: len(x) // size * size]
    packets = encoder.push(x)
    live = integers(codec, packets)
    _, segments = codec._read(codec.encode(np.concatenate([0 * x[:ahead], x]), codec.sample_rate_hz, rate_bps))
    file = packet.join(codec._parts.entropy, segments[0].parts)
    assert np.mean(file.side[: len(packets)] == live.side) > 0.99, "a value may lie between two integers"
    decoder = codec.decoder()
    y = np.concatenate([decoder.push(data) for data in packets])
    expected = np.clip(np.concatenate(list(synthesise(codec._parts, [live]))), -1, 1)
    np.testing.assert_allclose(y, expected, rtol=0, atol=2.0**-15)


@pytest.mark.parametrize(("rate_bps", "protection"), [(9000, Protection(1)), (16000, Protection(1, copies=1.0))])
def test_any_ten_seconds_have_the_rate_however_packets_are_protected(rate_bps, protection, vowel):
    x = vowel(seconds=11.0)
    x *= np.abs(np.sin(np.arange(len(x)) * 2 * np.pi / 8000))  # syllables
    encoder = lpcnet_cq.load("cq3").encoder(rate_bps)
    encoder.protection = protection
    bits = np.array([8 * len(data) for data in encoder.push(x)])
    ten_seconds = np.convolve(bits, np.ones(500), "valid") / (500 * 0.02 * rate_bps)
    assert len(ten_seconds) == 51 and np.abs(ten_seconds - 1).max() < 0.02


def test_streams_of_music_survive_losses(plucked):
    codec = lpcnet_cq.load("audio")
    encoder, decoder, undisturbed = codec.encoder(), codec.decoder(), codec.decoder()
    size = encoder.frame_size
    x = np.tile(plucked, (3, 1))
    frames = x[: len(x) // size * size].reshape(-1, size, 2)
    packets = encoder.push(frames.reshape(-1, 2))
    y = np.stack([decoder.push(None if t in (10, 30) else data) for t, data in enumerate(packets)])
    expected = np.stack([undisturbed.push(data) for data in packets])
    assert y.shape == frames.shape and y.dtype == np.float32
    np.testing.assert_array_equal(y[:10], expected[:10])
    level = np.sqrt(np.mean(y**2, axis=(1, 2)))
    assert level[11] > 0.1 * level[9] and level[24] < 0.05 * level[9], "concealed, then faded"
    late = slice(choose_protection(0.0, 96000.0).reset_interval + 2, 30)
    np.testing.assert_allclose(y[late], expected[late], atol=1e-3)
    mono = codec.encoder()
    assert codec.decoder().push(mono.push(frames[0, :, 0])[0]).shape == (size, 2)
    with pytest.raises(ValueError, match=r"`samples` has shape \(1024, 3\)"):
        mono.push(np.zeros((size, 3)))


@pytest.mark.parametrize("name", ["cq3", "audio"])
def test_losses_before_any_packet_are_silent(name):
    decoder = lpcnet_cq.load(name).decoder()
    assert not any(decoder.push(None).any() for _ in range(4))
