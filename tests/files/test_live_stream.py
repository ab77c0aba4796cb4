"""Live streams: packets and sound are those of the live coder, the length is that of the signal, damage is seen."""

import io

import numpy as np
import pytest

from lpcnet_cq.bitstream.container import read_header, write_header
from lpcnet_cq.bitstream.live_container import LiveReader, LiveWriter
from lpcnet_cq.bitstream.packet import resets_context
from lpcnet_cq.errors import BitstreamError

FS = 16000
X = np.float32(0.2 * np.sin(np.arange(9_000) / 9) + 0.02 * np.random.default_rng(1).standard_normal(9_000))


def streamed(codec, x=X, sample_rate_hz=FS, size=700, **arguments):
    file = io.BytesIO()
    blocks = (x[i : i + size] for i in range(0, len(x), size))
    codec.encode_live(file, blocks, sample_rate_hz, x.ndim, **arguments)
    return file.getvalue()


def packets(data):
    file = io.BytesIO(data)
    return list(LiveReader(file, read_header(file)).packets())


@pytest.fixture(scope="module")
def stream(speech_codec):
    return streamed(speech_codec, bitrate_bps=30000)


def test_packets_and_sound_are_those_of_the_live_coder(speech_codec, stream):
    """Without the delay of encoder and decoder, up to the last sample."""
    encoder, decoder = speech_codec.encoder(30000), speech_codec.decoder()
    live = encoder.push(X) + encoder.flush()
    assert packets(stream) == live
    y, sample_rate_hz = speech_codec.decode(stream)
    delay = encoder.delay_samples + decoder.delay_samples
    expected = np.concatenate([decoder.push(data) for data in live])[delay:][: len(X)]
    assert sample_rate_hz == FS
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("sample_rate_hz", [8000, 44100])
@pytest.mark.parametrize("n", [0, 1, 5000])
def test_lengths_are_exact_at_any_rate(speech_codec, sample_rate_hz, n):
    data = streamed(speech_codec, X[:n], sample_rate_hz, bitrate_bps=30000)
    y, rate_hz = speech_codec.decode(data)
    assert (len(y), rate_hz) == (n, sample_rate_hz)
    assert speech_codec.info(data)["duration_s"] == n / sample_rate_hz


def test_blocks_arrive_with_their_packets(speech_codec, stream):
    """The header and three packets give the sound of three packets, before any other byte is read."""
    ends = np.cumsum([39, *(len(data) + 2 + (len(data) > 62) for data in packets(stream))])

    class Pipe(io.BytesIO):
        def read(self, n=-1):
            assert self.tell() + max(n, 0) <= ends[3]
            return super().read(n)

    decoding = speech_codec.decode_blocks(Pipe(stream))
    assert decoding.n_samples is None
    assert [len(next(decoding.blocks)) for _ in range(3)] == [320 - 192, 320, 320]


def test_a_stream_that_is_cut_off_is_decoded_up_to_there(speech_codec, stream):
    whole, _ = speech_codec.decode(stream)
    with pytest.warns(UserWarning, match=r"the stream is cut off after 0\.\d{3} s"):
        y, _ = speech_codec.decode(stream[:600])
    assert 0 < len(y) < len(whole)
    np.testing.assert_array_equal(y, whole[: len(y)])
    assert speech_codec.info(stream[:600])["complete"] is False
    with pytest.warns(UserWarning, match="cut off"):
        assert len(speech_codec.decode(stream[:-1])[0]) == len(whole)


def test_info_counts_packets_and_bits(speech_codec, stream):
    info = speech_codec.info(stream)
    assert info["complete"] is True and info["packets"] == len(packets(stream)) and info["layers"] == 1
    assert info["duration_s"] == len(X) / FS and (info["codec"], info["mode"]) == ("speech", "mean")
    assert sum(info["bits"].values()) == pytest.approx(8 * len(stream), abs=1)


@pytest.mark.parametrize("mode", ["mean", "constant"])
def test_thin_keeps_a_live_stream(speech_codec, mode):
    data = streamed(speech_codec, bitrate_bps=50000, layers=2, mode=mode)
    assert speech_codec.info(data)["layers"] == 2 and speech_codec.thin(data, 2) == data
    for given, complete in ((data, True), (data[:-5], False)):
        thin = speech_codec.thin(given, 1)
        info = speech_codec.info(thin)
        assert (info["layers"], info["complete"]) == (1, complete) and len(thin) < len(data)
    assert len(speech_codec.decode(speech_codec.thin(data, 1))[0]) == len(X)


def test_damage_is_refused(speech_codec, stream):
    random = np.random.default_rng(2)
    for _ in range(40):
        damaged = bytearray(stream)
        damaged[random.integers(39, len(stream))] ^= 1 << int(random.integers(8))
        with pytest.raises((BitstreamError, UserWarning), match=r"damaged|cut off"):
            speech_codec.decode(bytes(damaged))


def test_pauses_of_layered_streams_are_refused(speech_codec):
    header, sent = io.BytesIO(streamed(speech_codec, bitrate_bps=40000, layers=2)), io.BytesIO()
    write_header(sent, read_header(header))
    writer = LiveWriter(sent)
    writer.packet(b"")
    for read in (speech_codec.decode, speech_codec.info):
        with pytest.raises(BitstreamError, match="a packet was not sent"):
            read(sent.getvalue())


def test_foreign_streams_are_refused(speech_codec, stream):
    from lpcnet_cq.bitstream.container import write_header

    header = read_header(io.BytesIO(stream))
    for changes, message in (
        ({"model_hash": 16 * "0"}, "made with the weights 0000"),
        ({"channels": 2}, "has 2 channels"),
        ({"live": type(header.live)(2, 0)}, "has 3 layers, `tiny` has at most 2"),
    ):
        file = io.BytesIO()
        write_header(file, type(header)(**(vars(header) | changes)))
        with pytest.raises(BitstreamError, match=message):
            speech_codec.decode(file.getvalue() + stream[39:])


def test_expected_loss_reaches_the_encoder(speech_codec):
    """Packets reset the context and carry copies, which the decoder of a whole stream ignores."""
    data = streamed(speech_codec, bitrate_bps=30000, expected_loss=0.2)
    entropy = speech_codec._parts.entropy
    assert all(resets_context(entropy, packet) for packet in packets(data))
    assert speech_codec.info(data)["packets"] == len(packets(data))
    assert len(speech_codec.decode(data)[0]) == len(X)


def test_pauses_have_a_place_in_the_stream(speech_codec):
    """Packets that are not sent are empty records; decoded sound and counts are those of the live coder."""
    x = 0.001 * np.random.default_rng(2).standard_normal(24_000).astype(np.float32)
    data = streamed(speech_codec, x, bitrate_bps=30000, dtx=True)
    encoder, decoder = speech_codec.encoder(30000, dtx=True), speech_codec.decoder()
    live = encoder.push(x) + encoder.flush()
    assert packets(data) == live
    unsent = live.count(b"")
    info = speech_codec.info(data)
    assert unsent > 40 and (info["packets"], info["unsent_packets"]) == (len(live), unsent)
    assert sum(info["bits"].values()) == pytest.approx(8 * len(data), abs=1)
    expected = np.concatenate([decoder.push(packet) for packet in live])[192:][: len(x)]
    np.testing.assert_array_equal(speech_codec.decode(data)[0], expected)
    assert speech_codec.thin(data, 1) == data
