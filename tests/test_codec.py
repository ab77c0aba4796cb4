"""The codec as its user holds it, with the smallest preset's networks drawn at random.

Its sound is noise; what is shown here is that bytes, lengths, rates and reports are right, whatever the weights.
"""

import io
import shutil
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lpcnet_cq
from lpcnet_cq.bitstream.container import (
    HEADER_BYTES,
    MAX_PACKETS,
    SEGMENT_BYTES,
    Header,
    read_header,
    read_segments,
    write_header,
    write_segment,
)
from lpcnet_cq.bitstream.packet import put_packets
from lpcnet_cq.bitstream.packing import MODES
from lpcnet_cq.checkpoint.training_files import save_weights
from lpcnet_cq.checkpoint.weights import load_weights
from lpcnet_cq.codec import Codec
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
FS = CONFIG.spec.sample_rate_hz


@pytest.fixture(scope="module")
def codec(speech_codec):
    return speech_codec


def voice(n, sample_rate_hz=FS):
    """Return n samples of a buzz in noise."""
    time = np.arange(n) / sample_rate_hz
    buzz = np.sin(2 * np.pi * 140 * time) ** 15 * np.sin(2 * np.pi * 900 * time)
    return (0.3 * buzz + 0.01 * np.random.default_rng(n).standard_normal(n)).astype(np.float32)


@pytest.fixture(scope="module")
def stream(codec):
    return codec.encode(voice(2 * FS), FS)


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 319, 320, 16000])
def test_every_length_comes_back(codec, n):
    data = codec.encode(voice(n), FS)
    y, rate_hz = codec.decode(data)
    assert y.shape == (n,) and y.dtype == np.float32 and rate_hz == FS
    assert np.isfinite(y).all() and np.abs(y).max(initial=0) <= 1
    assert codec.info(data)["packets"] == (-(-(n + 64) // 320) if n else 0)


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
def test_other_rates_come_back_at_their_rate_and_length(codec, rate_hz):
    n = rate_hz // 2
    y, found_hz = codec.decode(codec.encode(voice(n, rate_hz), rate_hz))
    assert found_hz == rate_hz and len(y) == n


@settings(max_examples=12)
@given(n=st.integers(0, 3000), rate_hz=st.sampled_from([1000, 11025, 22050, 44100, 44101, 96000, 768000]))
def test_every_length_at_every_rate_comes_back(codec, n, rate_hz):
    y, found_hz = codec.decode(codec.encode(voice(n, rate_hz), rate_hz))
    assert found_hz == rate_hz and y.shape == (n,)


def test_channels_are_mixed_down(codec):
    left, right = voice(3200), voice(3200)[::-1]
    both = codec.encode(np.stack([left, right], axis=1), FS)
    assert both == codec.encode((left + right) / 2, FS)


def test_same_input_makes_the_same_bytes_and_sound(codec, stream):
    assert codec.encode(voice(2 * FS), FS) == stream
    np.testing.assert_array_equal(codec.decode(stream)[0], codec.decode(stream)[0])


def test_rate_is_met_in_bytes(codec):
    """Random weights reach part of the rates; between its ends no file exceeds its rate, and none is 2 % below it."""
    x = voice(4 * FS)
    coarsest, finest = (8 * len(codec.encode(x, FS, rate_bps)) / 4 for rate_bps in codec.bitrates_bps)
    assert coarsest < 0.8 * finest
    for rate_bps in np.linspace(coarsest, finest, 6)[1:-1]:
        assert 0.98 * rate_bps < 8 * len(codec.encode(x, FS, rate_bps)) / 4 <= rate_bps


@pytest.mark.parametrize("rate_bps", [0, 100, 1e6, float("nan")])
def test_impossible_rate_is_refused(codec, rate_bps):
    for use in (lambda: codec.encode(voice(320), FS, rate_bps), lambda: codec.encoder(rate_bps)):
        with pytest.raises(ValueError, match="bitrate_bps"):
            use()


@pytest.mark.parametrize(
    "x", [np.zeros((2, 2, 2)), np.zeros(4, complex), np.zeros(4, np.int64), np.array(["a"]), np.array([0, np.nan])]
)
def test_impossible_input_is_refused(codec, x):
    with pytest.raises(ValueError, match="`x`"):
        codec.encode(x, FS)


def test_info_accounts_for_every_bit(codec, stream):
    info = codec.info(stream)
    assert sum(info["bits"].values()) == pytest.approx(8 * len(stream), abs=1)
    assert info["layers"] == 1 and set(info["bits"]) == {"step", "lsf", "gain", "latents", "overhead"}
    assert all(bits > 0 for bits in info["bits"].values())
    fixed = 8 * (stream[5] + SEGMENT_BYTES)
    assert fixed + 3 * info["packets"] < info["bits"]["overhead"] < fixed + 7 * info["packets"]
    assert info["size_bytes"] == len(stream) and info["duration_s"] == 2
    assert info["bitrate_bps"] == 4 * len(stream)
    assert info["delay_ms"] == codec.delay_ms == 32
    assert info["n_parameters"] == codec.n_parameters > 0


@pytest.mark.parametrize("options", [{}, {"layers": 2, "bitrate_bps": 24000}, {"mode": "constant"}])
def test_table_of_packets_accounts_for_every_byte(codec, options):
    data = codec.encode(voice(40000), FS, **options)
    head, *rows = codec.packet_table(data)
    assert head["packet"] == "headers" and [row["packet"] for row in rows] == list(range(len(rows)))
    assert len(rows) == codec.info(data)["packets"] and rows[1]["time_s"] == 0.02
    assert head["bytes"] + sum(row["bytes"] for row in rows) == len(data)
    names = list(head)[4:]
    assert names == list(codec.info(data)["bits"])
    for row in (head, *rows):
        assert sum(row[name] for name in names) == pytest.approx(8 * row["bytes"])
    assert {row["step_index"] for row in rows} <= set(range(17))


def test_table_of_packets_is_of_files_only(codec):
    assert [row["bytes"] for row in codec.packet_table(codec.encode(np.zeros(0), FS))] == [44]
    live = io.BytesIO()
    codec.encode_live(live, [np.zeros(640, np.float32)], FS, 1)
    with pytest.raises(ValueError, match="live"):
        codec.packet_table(live.getvalue())


def test_info_says_how_a_file_is_coded(codec):
    info = codec.info(codec.encode(voice(9001, 44100), 44100, 20000, mode="capped"))
    assert info["duration_s"] == 9001 / 44100 and info["sample_rate_hz"] == 44100 and info["channels"] == 1
    assert (info["codec"], info["mode"], info["nominal_bps"]) == ("speech", "capped", 20000)


def lying(data, offset, value):
    """Return a file with other bytes in its header, under a right CRC."""
    head = bytearray(data[: data[5] - 4])
    head[offset : offset + len(value)] = value
    return bytes(head) + zlib.crc32(head).to_bytes(4, "big") + data[data[5] :]


LIES = {
    "two channels": (23, b"\x02"),
    "music": (25, b"\x21"),
    "a codec of later": (25, b"\xf1"),
    "a coding rate of 44.1 kHz": (26, b"\xac\x44"),
    "no coding rate": (26, b"\0\0"),
    "another hop": (28, b"\x01\x41"),
    "another original length": (30, b"\x12\x34"),
    "another sample rate": (10, b"\x00\x1f\x40"),
    "a sample less": (6, (2 * FS - 1).to_bytes(4, "big")),
    "a sample more": (6, (2 * FS + 1).to_bytes(4, "big")),
}


@pytest.mark.parametrize("lie", LIES)
def test_headers_that_contradict_themselves_or_the_weights(codec, stream, lie):
    """Nothing is decoded, and `thin` passes nothing on that could not be decoded."""
    data = lying(stream, *LIES[lie])
    for use in (codec.decode, codec.info, lambda data: codec.thin(data, 1)):
        with pytest.raises(BitstreamError):
            use(data)


def test_files_of_the_first_releases(codec, stream):
    """Without extension; two channels are refused there as well, and thin leaves the header as it was."""
    old = lying(stream[:5] + b"\x1b" + stream[6:23] + b"\0\0\0\0", 0, b"") + stream[stream[5] :]
    np.testing.assert_array_equal(codec.decode(old)[0], codec.decode(stream)[0])
    assert codec.info(old)["duration_s"] == 2 and codec.info(old)["mode"] is None
    assert codec.thin(old, 1)[5] == 27
    with pytest.raises(BitstreamError, match="2 channels"):
        codec.decode(lying(old[:5] + b"\x1d" + old[6:23] + b"\2\0\0\0\0\0", 0, b"") + old[27:])


def test_thinned_files_are_no_longer_capped(codec):
    data = codec.encode(voice(FS, 2 * FS), 2 * FS, codec.bitrates_bps[1], layers=2, mode="capped")
    thin = codec.thin(data, 1)
    assert codec.info(data)["layers"] == 2 and codec.info(thin)["mode"] == "mean"
    assert len(codec.decode(thin)[0]) == FS and codec.info(thin)["duration_s"] == 0.5


def test_info_counts_packets_that_restart_within_a_segment(codec):
    """As under a cap they may: coded from nothing, and counted so."""
    (segment,) = codec._read(codec.encode(voice(FS), FS, 40000))[1]
    n = next(segment.runs(codec._parts.entropy))
    packets = [p for part in (n[:20], n[20:]) for p in put_packets(codec._parts.entropy, None, part)[1]]
    file = io.BytesIO()
    write_header(file, Header(FS, FS, 40000, codec.sha256))
    write_segment(file, packets, last=True)
    info = codec.info(file.getvalue())
    fixed = 8 * (HEADER_BYTES + SEGMENT_BYTES)
    assert fixed + 3 * info["packets"] < info["bits"]["overhead"] < fixed + 7 * info["packets"]


def test_info_of_nothing_is_nothing_but_overhead(codec):
    data = codec.encode(voice(0), FS)
    assert codec.info(data)["bits"] == {"step": 0, "lsf": 0, "gain": 0, "latents": 0, "overhead": 8 * len(data)}


def test_segments_are_restarts(codec):
    """Longer than a segment: the second one is coded without the first."""
    n = (MAX_PACKETS + 3) * CONFIG.spec.hop
    data = codec.encode(voice(n), FS)
    assert len(codec.decode(data)[0]) == n
    assert codec.info(data)["packets"] == MAX_PACKETS + 4
    assert sum(codec.info(data)["bits"].values()) == pytest.approx(8 * len(data), abs=1)


def test_progress_goes_up_to_one(codec):
    fractions = []
    data = codec.encode(voice(3 * FS), FS, progress=fractions.append)
    assert fractions == sorted(fractions) and len(fractions) > 3 and fractions[-1] == 1
    fractions.clear()
    codec.decode(data, progress=fractions.append)
    assert fractions == sorted(fractions) and fractions and fractions[-1] >= 1


def test_every_damaged_byte_is_noticed(codec, stream):
    random = np.random.default_rng(1)
    for i in random.integers(0, len(stream), 12):
        damaged = bytearray(stream)
        damaged[i] ^= 1 << random.integers(8)
        with pytest.raises(BitstreamError):
            codec.decode(bytes(damaged))
    for end in random.integers(0, len(stream), 6):
        with pytest.raises(BitstreamError):
            codec.decode(stream[:end])
    with pytest.raises(BitstreamError):
        codec.decode(stream + b"\0")


def test_stream_of_another_model_is_refused(codec, stream, speech_weights, speech_model, speech_integers, tmp_path):
    """Any other file is another model."""
    notes = load_weights(speech_weights).notes | {"bitrate_bps": 9000}
    save_weights(tmp_path / "other.safetensors", speech_model[1], speech_integers, CONFIG, notes)
    with pytest.raises(BitstreamError, match=codec.sha256[:16]):
        Codec(tmp_path / "other.safetensors").decode(stream)


def test_weights_are_found_by_path_and_by_folder(speech_weights, tmp_path):
    shutil.copy(speech_weights, tmp_path / "weights.safetensors")
    by_folder, by_file = lpcnet_cq.load(tmp_path), lpcnet_cq.load(tmp_path / "weights.safetensors")
    assert by_folder.sha256 == by_file.sha256
    with pytest.raises(ValueError, match="no weights `nobody`"):
        lpcnet_cq.load("nobody")


def test_thin_file_is_what_its_first_layer_says(codec):
    """Cutting leaves a plain file of the coarser latents; a file of one layer stays as it is."""
    x = voice(2 * FS)
    data = codec.encode(x, FS, 50000, layers=2)
    info = codec.info(data)
    assert info["layers"] == 2 and info["bits"]["layer 2"] > 0
    assert sum(info["bits"].values()) == pytest.approx(8 * len(data), abs=1)
    thin = codec.thin(data, 1)
    assert codec.info(thin)["layers"] == 1 and len(thin) < len(data)
    for key in ("step", "lsf", "gain", "latents"):
        assert codec.info(thin)["bits"][key] == pytest.approx(info["bits"][key], abs=0.2)
    (fine,), (coarse,) = (codec._read(d)[1] for d in (data, thin))
    for a, b in zip(fine.parts, coarse.parts, strict=True):
        np.testing.assert_array_equal((a.latents + 1) // 3, b.latents)
        np.testing.assert_array_equal(a.step + CONFIG.layer_steps, b.step)
    assert len(codec.decode(thin)[0]) == len(x)
    assert codec.thin(thin, 2)[27:] == thin[27:], "all but the nominal rate"
    assert codec.thin(codec.encode(voice(0), FS), 1)


def test_layers_that_do_not_fit_are_left_out(codec):
    low, high = codec.bitrates_bps
    for mode in MODES:
        assert codec.info(codec.encode(voice(FS // 4), FS, low, layers=2, mode=mode))["layers"] == 1
    with pytest.raises(ValueError, match="`layers` is 2, at"):
        codec.encoder(low, layers=2)
    for layers in (0, 3):
        with pytest.raises(ValueError, match="`layers`"):
            codec.encode(voice(FS), FS, high, layers=layers)


def test_capped_file_has_no_packet_above_the_cap(codec):
    rate_bps = 20000
    data = codec.encode(voice(FS), FS, rate_bps, mode="capped")
    (segment,) = codec._read(data)[1]
    sizes = np.diff([0, *(end[-1] for end in segment.ends)])
    assert sizes.max() <= codec._parts.packet_bytes(rate_bps) == 50


@pytest.mark.parametrize(("rate_bps", "layers"), [(20000, 1), (20300, 1), (50000, 2)])
def test_packets_of_constant_size_have_it_to_the_byte(codec, rate_bps, layers):
    """Fractions of a byte are left out; the bytes are those of capped packets with zeros behind them."""
    x = np.concatenate([voice(FS), np.zeros(FS, np.float32)])
    data = codec.encode(x, FS, rate_bps, layers, mode="constant")
    file = io.BytesIO(data)
    read_header(file)
    (segment,) = read_segments(file)
    assert segment.constant and segment.packet_bytes == rate_bps // 400
    assert len(segment.payload) == segment.n_packets * segment.packet_bytes
    capped = codec.encode(x, FS, rate_bps, layers, mode="capped")
    assert len(capped) < len(data) and codec.info(data)["layers"] == layers
    np.testing.assert_array_equal(codec.decode(data)[0], codec.decode(capped)[0])
    np.testing.assert_array_equal(codec.decode(codec.thin(data, 1))[0], codec.decode(codec.thin(capped, 1))[0])


def test_padding_that_is_not_zero_is_refused(codec):
    data = codec.encode(np.zeros(FS, np.float32), FS, 60000, mode="constant")
    file = io.BytesIO(data)
    header = read_header(file)
    (segment,) = read_segments(file)
    n = segment.packet_bytes
    packets = [segment.payload[i : i + n] for i in range(0, len(segment.payload), n)]
    assert packets[3][-1] == 0, "silence leaves room"
    damaged = io.BytesIO()
    write_header(damaged, header)
    write_segment(damaged, [*packets[:3], packets[3][:-1] + b"\x01", *packets[4:]], True, constant=True)
    with pytest.raises(BitstreamError, match="not zero"):
        codec.decode(damaged.getvalue())
    short = io.BytesIO()
    write_header(short, header)
    write_segment(short, [packet[:4] for packet in packets], True, constant=True)
    with pytest.raises(BitstreamError):
        codec.decode(short.getvalue())


def test_other_modes_are_refused(codec):
    for call in (lambda: codec.encode(voice(FS), FS, mode="cbr"), lambda: codec.encoder(mode="cbr")):
        with pytest.raises(ValueError, match="`mode` is 'cbr', it must be one of mean, capped, constant"):
            call()
