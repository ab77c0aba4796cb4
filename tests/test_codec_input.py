"""What a codec takes as input: arrays, files and arguments of any type, with warnings and refusals of one sentence."""

import io

import numpy as np
import pytest
import soundfile

import lpcnet_cq
from lpcnet_cq.training.presets import PRESETS

FS = PRESETS["tiny"].codec.spec.sample_rate_hz


@pytest.fixture(scope="module")
def codec(speech_codec):
    return speech_codec


def voice(n, sample_rate_hz=FS):
    """Return n samples of a buzz in noise."""
    time = np.arange(n) / sample_rate_hz
    buzz = np.sin(2 * np.pi * 140 * time) ** 15 * np.sin(2 * np.pi * 900 * time)
    return (0.3 * buzz + 0.01 * np.random.default_rng(n).standard_normal(n)).astype(np.float32)


def test_integers_are_scaled_and_every_numeric_type_of_rate_works(codec):
    x = np.round(voice(FS // 4) * 32767).astype(np.int16)
    data = codec.encode(x / 32768, FS)
    assert codec.encode(x, FS) == codec.encode(x.astype(np.int32) << 16, FS) == data
    assert codec.encode((x / 32768).tolist(), FS) == data
    for rate_hz in (np.int64(FS), float(FS), np.float32(FS), np.array(FS), np.array(float(FS))):
        assert codec.encode(x, rate_hz) == data
    for bitrate_bps in (np.int32(9000), np.float64(9000), np.array(9000)):
        assert codec.encode(x, FS, bitrate_bps) == codec.encode(x, FS, 9000)
    assert codec.encode(x, FS, 50000, layers=np.int8(2)) == codec.encode(x, FS, 50000, layers=2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.zeros((2, FS)), FS), r"`x` has shape \(2, 16000\), .*: pass its transpose"),
        ((np.zeros((1, FS)), FS), r"`x` has shape \(1, 16000\)"),
        ((np.zeros((100, 0)), FS), r"`x` has shape \(100, 0\)"),
        ((np.zeros(9, complex), FS), "`x` is of type complex128"),
        ((3e4 * voice(900), FS), "`x` has a peak of .*: divide by 32768"),
        ((np.full(9, np.inf), FS), "`x` holds NaN or infinity"),
        ((voice(900),), "`sample_rate_hz` is None, it must be given for an array"),
        (({"x": voice(900)},), "`x` is of type dict, it must be an array of samples"),
        (((voice(900), FS),), "`x` holds samples and a sample rate, it must be the samples"),
        (((FS, np.zeros((900, 2))),), "`x` holds samples and a sample rate"),
        (((0.1, 0.2),), "`sample_rate_hz` is None, it must be given for an array"),
        ((voice(900), "16k"), "`sample_rate_hz` is '16k'"),
        ((voice(900), 16000.5), "`sample_rate_hz` is 16000.5"),
        ((voice(900), 999), "`sample_rate_hz` is 999, it must be a whole number from 1000 to 768000"),
        ((voice(900), FS, "9k"), "`bitrate_bps` is '9k', it must be a number from 5000 to 60000"),
        ((voice(900), FS, np.nan), "`bitrate_bps` is nan"),
        ((voice(900), FS, 9000, 1.0), "`layers` is 1.0, it must be a whole number, 1 to 2"),
        ((voice(900), FS, True), "`bitrate_bps` is True"),
        ((voice(900), FS, 9000, True), "`layers` is True, it must be a whole number, 1 to 2"),
        ((voice(900), FS, 9000, 1, "mean", 3), "`progress` is of type int, it must be callable, or None"),
        ((voice(900), FS, np.array([9000])), r"`bitrate_bps` is array\(\[9000\]\), it must be a number"),
        ((voice(900), FS, 9000, 1, "mean", None, "yes"), "`verify` is 'yes', it must be True or False"),
        ((voice(900), FS, 9000, 1, "mean", None, np.zeros(2)), r"`verify` is array\(\[0., 0.\]\), it must be True or"),
        (("a.wav", FS), "`sample_rate_hz` is 16000, it must be left out"),
        (("none.wav",), "cannot read `none.wav`"),
        ((io.BytesIO(b"words"),), "the file object is not an audio file"),
    ],
)
def test_other_input_is_refused_in_one_sentence(codec, arguments, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        codec.encode(*arguments)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda codec: codec.info(3), "`data` is of type int, it must be bytes, a path or a binary file"),
        (lambda codec: codec.thin(np.uint8(3), 1), "`data` is of type uint8, it must be bytes"),
        (lambda codec: codec.decode(None), "`data` is of type NoneType, it must be bytes"),
        (lambda codec: codec.decode(b"", "show"), "`progress` is of type str, it must be callable, or None"),
        (lambda codec: codec.encoder(expected_loss=True), "`expected_loss` is True, it must be a number from 0 to 1"),
        (lambda codec: codec.encoder(copy_offset=True), "`copy_offset` is True, it must be a whole number from 1 to"),
        (lambda codec: codec.encoder().push(b"aa"), "`samples` is of type bytes, it must be an array of samples"),
        (lambda codec: codec.encoder().push(None), "`samples` is of type NoneType, it must be an array of samples"),
        (lambda codec: codec.encoder(dtx=True, layers=2), "`dtx` needs packets of one layer, `layers` is 2"),
        (lambda codec: codec.decoder().push(3), "`data` is of type int, it must be the bytes of a packet, or None"),
        (lambda codec: codec.decoder().push(None, 3), "`following` is of type int, it must be the bytes"),
        (lambda codec: codec.packet_bytes("9k"), "`bitrate_bps` is '9k', it must be a number from 5000 to 60000"),
        (lambda codec: lpcnet_cq.load(3), "`name_or_path` is of type int, it must be a name or a path"),
    ],
)
def test_other_types_are_refused_in_one_sentence(codec, call, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        call(codec)


def test_no_samples_of_two_channels_are_a_stream(codec):
    y, rate_hz = codec.decode(codec.encode(np.zeros((0, 2)), FS))
    assert len(y) == 0 and rate_hz == FS


def test_loud_floats_are_clipped_with_a_warning(codec):
    x = voice(FS // 4)
    with pytest.warns(UserWarning, match="`x` has a peak of 3, it is clipped"):
        data = codec.encode(3 * x / np.abs(x).max(), FS)
    assert data == codec.encode(np.clip(3 * x / np.abs(x).max(), -1, 1), FS)


def test_channels_that_cancel_are_warned_of(codec):
    x = voice(FS // 4)
    with pytest.warns(UserWarning, match="the channels of `x` cancel"):
        codec.encode(np.stack([x, -x], axis=1), FS)
    codec.encode(np.stack([x, x], axis=1), FS)


def test_files_are_coded_like_their_samples(codec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.round(voice(FS // 4, 2 * FS) * 32767).astype(np.int16)
    soundfile.write("a.wav", x, 2 * FS)
    expected = codec.encode(x, 2 * FS)
    assert codec.encode("a.wav") == codec.encode(tmp_path / "a.wav") == expected
    with open("a.wav", "rb") as file:
        assert codec.encode(file, layers=1) == expected
    assert codec.encode(io.BytesIO((tmp_path / "a.wav").read_bytes())) == expected
    (tmp_path / "a.cq").write_bytes(expected)
    y, rate_hz = codec.decode(expected)
    with open("a.cq", "rb") as file:
        for data in ("a.cq", tmp_path / "a.cq", file, io.BytesIO(expected), bytearray(expected), memoryview(expected)):
            again, got_hz = codec.decode(data)
            np.testing.assert_array_equal(again, y)
            assert got_hz == rate_hz == 2 * FS


def test_streams_that_are_none_are_refused(codec, tmp_path):
    (tmp_path / "a.txt").write_text("words")
    with pytest.raises(ValueError, match=r"cannot read `none\.cq`"):
        codec.decode("none.cq")
    with pytest.raises(ValueError, match="`data` is of type list"):
        codec.decode([1, 2])
    with open(tmp_path / "a.txt") as file, pytest.raises(ValueError, match="`data` is a file in text mode"):
        codec.decode(file)
    for call, name in ((codec.encode, "x"), (codec.decode, "data")):
        with pytest.raises(ValueError, match=rf"^`{name}` is a closed file, it must be a path or an open binary file$"):
            call(file)


def test_verification_warns_of_sound_that_is_not_the_input(codec):
    """These weights are drawn at random: what they decode resembles nothing."""
    with pytest.warns(UserWarning, match="coding failed: the band levels of the decoded signal are"):
        verified = codec.encode(voice(FS), FS, verify=True)
    assert verified == codec.encode(voice(FS), FS)


@pytest.mark.parametrize("name", ["cq3", "audio"])
def test_the_floating_point_state_of_the_caller_does_not_matter(name):
    codec, n = lpcnet_cq.load(name), 16000
    faint = np.random.default_rng(0).standard_normal(n)
    for x in (np.full(n, 0.5), 0.2 * faint * np.exp(-np.arange(n) / 150), 1e-20 * faint):
        found = []
        for state in ("ignore", "raise"):
            with np.errstate(all=state):
                data, encoder, decoder = codec.encode(x, FS, verify=True), codec.encoder(), codec.decoder()
                packets = encoder.push(x) + encoder.flush()
                frames = np.concatenate([decoder.push(packet) for packet in [*packets, None]])
                found.append((data, codec.decode(data)[0].tobytes(), packets, frames.tobytes()))
                assert np.geterr()["under"] == state
        assert found[0] == found[1]


def test_blocks_and_live_streams_are_coded_in_every_floating_point_state():
    codec = lpcnet_cq.load("cq3")
    x = (0.5 * np.exp(-np.arange(44100) / 300)).astype(np.float32)
    with np.errstate(all="raise"):
        for code in (
            lambda file: codec.encode_blocks(file, [x], 44100),
            lambda file: codec.encode_live(file, [x], 44100, 1),
        ):
            file = io.BytesIO()
            code(file)
            file.seek(0)
            assert sum(len(y) for y in codec.decode_blocks(file).blocks) == len(x)
