"""Unusual and invalid input: unusual audio is coded; invalid input gives one sentence and no output file."""

import dataclasses
import io
import os
from contextlib import suppress

import numpy as np
import pytest
import soundfile

import lpcnet_cq
from lpcnet_cq.bitstream.container import Header, read_header, read_segments, write_header, write_segment
from lpcnet_cq.bitstream.extension import Coding
from lpcnet_cq.bitstream.packet import LIMIT, Integers, put_packets
from lpcnet_cq.cli import main
from lpcnet_cq.errors import BitstreamError

T = np.arange(6400) / 16000
VOWEL = 0.3 * np.sign(np.sin(2 * np.pi * 120 * T)) * np.sin(2 * np.pi * 900 * T)


@pytest.fixture(scope="module")
def codec():
    return lpcnet_cq.load()


@pytest.fixture(scope="module")
def stream(codec):
    """Return a good .cq file of 0.4 s."""
    return codec.encode(VOWEL.astype(np.float32), 16000)


@pytest.fixture(autouse=True)
def one_codec(codec, monkeypatch, tmp_path):
    """Let the command line use the codec that is loaded already, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lpcnet_cq, "load", lambda name=None, backend=None: codec)


def refused(arguments, capsys, status=1):
    """Run a command that must fail; return its one sentence. It must leave no file behind."""
    before = sorted(os.listdir())
    assert main(arguments) == status
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith("lpcnet-cq: error: ")
    assert sorted(os.listdir()) == before
    return said[0].removeprefix("lpcnet-cq: error: ")


def put(data, name="a.cq"):
    with open(name, "wb") as file:
        file.write(data)


def forged(stream, segment=None, **fields):
    """Return the stream with other header fields or another (n_packets, payload), under right CRCs."""
    source, file = io.BytesIO(stream), io.BytesIO()
    write_header(file, dataclasses.replace(read_header(source), **fields))
    (good,) = read_segments(source)
    n_packets, payload = segment or (good.n_packets, good.payload)
    write_segment(file, [payload, *[b""] * (n_packets - 1)], last=True)
    return file.getvalue()


# ------------------------------------------------------------------------------------------------ odd audio

ODD = {
    "one sample": ([0.5], 16000, "PCM_16"),
    "one sample at 48 kHz": ([0.5], 48000, "PCM_16"),
    "silence": (np.zeros(6400), 16000, "PCM_16"),
    "clipped": (np.clip(9 * VOWEL, -1, 1), 16000, "PCM_16"),
    "beyond full scale": (9 * VOWEL, 16000, "FLOAT"),
    "constant": (np.full(6400, 0.9), 16000, "PCM_16"),
    "8 bits": (VOWEL, 16000, "PCM_U8"),
    "24 bits": (VOWEL, 16000, "PCM_24"),
    "float": (VOWEL, 16000, "FLOAT"),
    "stereo at 48 kHz": (np.stack([VOWEL, -0.5 * VOWEL], axis=1), 48000, "PCM_16"),
    "8 kHz": (VOWEL, 8000, "PCM_16"),
    "very quiet": (1e-7 * VOWEL, 16000, "DOUBLE"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_audio_is_coded(name):
    x, rate_hz, subtype = ODD[name]
    soundfile.write("a.wav", np.asarray(x), rate_hz, subtype)
    assert main(["encode", "a.wav", "a.cq"]) == 0
    assert main(["decode", "a.cq", "b.wav"]) == 0
    y, got_hz = soundfile.read("b.wav")
    assert got_hz == rate_hz and y.ndim == 1
    assert len(x) <= len(y) <= len(x) + -(-rate_hz // 16000)  # lengths round up at either change of rate


@pytest.mark.parametrize("x", [np.zeros(6400), 1e-7 * VOWEL], ids=["silence", "very quiet"])
def test_silence_stays_quiet(codec, x):
    y, _ = codec.decode(codec.encode(x.astype(np.float32), 16000))
    assert len(y) == len(x) and np.sqrt(np.mean(y**2)) < 1e-2


def test_audio_of_no_length_is_a_stream(codec):
    y, rate_hz = codec.decode(codec.encode(np.zeros(0, np.float32), 44100))
    assert len(y) == 0 and rate_hz == 44100


# ------------------------------------------------------------------------------------------------ bad audio


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_audio_that_is_not_finite(codec, capsys, value):
    x = VOWEL.copy()
    x[1600] = value
    soundfile.write("a.wav", x, 16000, "FLOAT")
    assert refused(["encode", "a.wav", "a.cq"], capsys).endswith("the first at 0.100 s")
    with pytest.raises(ValueError, match=r"`x` .*finite"):
        codec.encode(x.astype(np.float32), 16000)


def test_audio_of_no_samples_and_files_of_no_audio(capsys):
    soundfile.write("none.wav", np.zeros(0), 16000)
    assert refused(["encode", "none.wav", "a.cq"], capsys) == "`none.wav` holds no samples"
    put(b"", "empty.wav")
    assert "is not an audio file" in refused(["encode", "empty.wav", "a.cq"], capsys)
    put(b"words\n" * 99, "text.wav")
    assert "is not an audio file" in refused(["encode", "text.wav", "a.cq"], capsys)


@pytest.mark.parametrize("text", ["7q", "1", "900k"])
def test_unknown_rates(codec, capsys, text):
    soundfile.write("a.wav", VOWEL, 16000)
    low, high = codec.bitrates_bps
    said = refused(["encode", "a.wav", "a.cq", "--bitrate", text], capsys, status=2)
    assert text in said and f"from {low} to {high} bit/s" in said


def test_arguments_of_the_codec_are_named(codec):
    with pytest.raises(ValueError, match=r"`bitrate_bps` is 1, it must be a number from [0-9]+ to [0-9]+$"):
        codec.encode(VOWEL.astype(np.float32), 16000, bitrate_bps=1)
    with pytest.raises(ValueError, match=r"`x` .*\(2, 3, 4\)"):
        codec.encode(np.zeros((2, 3, 4), np.float32), 16000)
    with pytest.raises(ValueError, match=r"`x` .*int64"):
        codec.encode(np.zeros(9, np.int64), 16000)
    with pytest.raises(ValueError, match="`sample_rate_hz` is 0, it must be a whole number from 1000 to 768000"):
        codec.encode(VOWEL.astype(np.float32), 0)


# ------------------------------------------------------------------------------------------------ bad streams


def test_truncated_streams(stream, capsys):
    for n in np.linspace(4, len(stream) - 1, 20).astype(int):
        put(stream[:n])
        assert "truncated" in refused(["decode", "a.cq", "b.wav"], capsys)


def test_flipped_bits(stream, capsys):
    for i in np.random.default_rng(3).integers(0, 8 * len(stream), 40):
        flipped = bytearray(stream)
        flipped[i // 8] ^= 1 << i % 8
        put(flipped)
        refused(["decode", "a.cq", "b.wav"], capsys)


def test_empty_and_foreign_streams(stream, capsys):
    soundfile.write("a.wav", VOWEL, 16000)
    assert "not a .cq file" in refused(["decode", "a.wav", "b.wav"], capsys)
    put(b"")
    assert "empty" in refused(["decode", "a.cq", "b.wav"], capsys)
    put(stream + b"\0")
    assert "after its last segment" in refused(["decode", "a.cq", "b.wav"], capsys)
    put(stream[:4] + b"\x09" + stream[5:])
    assert "version 9" in refused(["info", "a.cq"], capsys)


def test_a_model_that_is_not_installed(stream, capsys):
    put(forged(stream, model_hash="feedfacefeedface"))
    said = refused(["decode", "a.cq", "b.wav"], capsys)
    assert "feedfacefeedface" in said and read_header(io.BytesIO(stream)).model_hash in said
    assert main(["info", "a.cq"]) == 0
    words, said = capsys.readouterr()
    assert "feedfacefeedface, which are not installed" in said
    assert "duration           0.40 s" in words and "codec            speech" in words and "latents" not in words


def test_forged_packets_raise_nothing_else(codec, stream):
    """Under right CRCs the packets themselves are the last defence; chance may make some of them decode."""
    random, refusals = np.random.default_rng(4), 0
    (good,) = read_segments(io.BytesIO(stream[stream[5] :]))
    for _ in range(20):
        payload = bytearray(good.payload)
        payload[random.integers(len(payload))] ^= 1 << random.integers(8)
        for forgery in (
            bytes(payload),
            random.bytes(len(payload)),
            bytes(payload[: random.integers(len(payload))]),
        ):
            y = np.zeros(1)
            with suppress(BitstreamError):
                y, _ = codec.decode(forged(stream, (good.n_packets, forgery)))
            refusals += len(y) == 1
            assert np.isfinite(y).all() and np.abs(y).max() <= 1
    assert refusals > 30


@pytest.mark.parametrize("most", [100, LIMIT])
def test_well_formed_packets_of_random_integers_give_finite_sound(codec, stream, most):
    """No encoder writes such integers, but every check of the stream passes."""
    random, model = np.random.default_rng(6), codec._parts.entropy
    (good,) = read_segments(io.BytesIO(stream[stream[5] :]))
    T = good.n_packets
    side, latents = (random.integers(-most, most + 1, (T, *of)) for of in ((model.K,), (model.S, model.D)))
    packets = put_packets(model, None, Integers(random.integers(0, 17, T), side, latents))[1]
    y, _ = codec.decode(forged(stream, (T, b"".join(packets))))
    assert len(y) == len(VOWEL) and np.isfinite(y).all() and np.abs(y).max() <= 1


def test_headers_that_promise_other_lengths(codec, stream):
    """Neither memory for 74 hours nor a silent end: the packets must be as many as the samples need."""
    (good,) = read_segments(io.BytesIO(stream[stream[5] :]))
    for n_samples in (2**32 - 1, 2 * 6400):
        for coding in (None, Coding("speech", "mean", 16000, 320, n_samples)):
            with pytest.raises(BitstreamError, match="packets"):
                codec.decode(forged(stream, n_samples=n_samples, coding=coding))
    with pytest.raises(BitstreamError):
        codec.decode(forged(stream, (good.n_packets + 1, good.payload)))
    with pytest.raises(BitstreamError):
        codec.decode(forged(stream, (good.n_packets - 1, good.payload)))


# ------------------------------------------------------------------------------------------------ bad output


@pytest.mark.parametrize("folder", ["nowhere", "a.wav"])
def test_unwritable_output(stream, capsys, folder):
    soundfile.write("a.wav", VOWEL, 16000)
    put(stream)
    assert refused(["encode", "a.wav", f"{folder}/b.cq"], capsys).startswith(f"`{folder}/b.cq`: its folder")
    assert refused(["decode", "a.cq", f"{folder}/b.wav"], capsys).startswith(f"`{folder}/b.wav`: its folder")


def test_output_that_is_a_folder(stream, capsys):
    put(stream)
    os.mkdir("b.wav")
    said = refused(["decode", "a.cq", "b.wav", "-f"], capsys, status=2)
    assert said == "the output `b.wav` must be a file, as the input `a.cq` is"
    said = refused(["decode", "a.cq", "new/"], capsys, status=2)
    assert said == "the output `new/` must be a file, as the input `a.cq` is"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_full_disk(stream, capsys):
    soundfile.write("a.wav", VOWEL, 16000)
    put(stream)
    assert refused(["encode", "a.wav", "/dev/full"], capsys) == "`/dev/full`: No space left on device"
    assert refused(["decode", "a.cq", "/dev/full"], capsys) == "`/dev/full`: No space left on device"


def test_header_of_the_stream(stream):
    model_hash = read_header(io.BytesIO(stream)).model_hash
    coding = Coding("speech", "mean", 16000, 320, 6400)
    assert read_header(io.BytesIO(stream)) == Header(6400, 16000, 9000, model_hash, coding=coding)
