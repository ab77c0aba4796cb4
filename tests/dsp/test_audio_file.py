"""The reader of audio files: formats x damages, judged by known samples, by libsndfile and by ffmpeg."""

import io
import os
import shutil
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

from dsp.audio_file import mix, read_audio_file

RATE_HZ = 16000
N = 4 * RATE_HZ
T = np.arange(N) / RATE_HZ
rng = np.random.default_rng(0)
SWEEP = 0.4 * np.sin(2 * np.pi * (100 * T + 200 * T**2)) * np.abs(np.sin(2 * np.pi * 1.5 * T)) + 1e-3 * rng.normal(
    size=N
)
PCM = np.round(SWEEP * 32768) / 32768

PLAIN = [
    *(("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("AIFF", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("AU", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("CAF", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("W64", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ALAW")),
    *(("RF64", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ALAW")),
    ("WAVEX", "PCM_24"),
]
BLOCKS = [("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("WAV", "GSM610"), ("WAV", "G721_32")]
STREAMS = [("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
PLAIN_NAMES = ["-".join(kind) for kind in PLAIN]
SIZE_FIELDS = {  # what stands before the length, how many bytes behind its beginning the length is, and its width
    "WAV": (b"data", 4, 4),
    "WAVEX": (b"data", 4, 4),
    "AIFF": (b"SSND", 4, 4),
    "AU": (b".snd", 8, 4),
    "CAF": (b"data", 4, 8),
    "W64": (b"data\xf3", 16, 8),
    "RF64": (b"ds64", 16, 8),
}
UNKNOWN = {"0": "00", "2^32 - 1": "ff"}


def encoded(kind, x=PCM):
    """Return a file of this format and encoding in memory."""
    file = io.BytesIO()
    soundfile.write(file, x, RATE_HZ, kind[1], format=kind[0])
    return file.getvalue()


def decoded(data):
    """Return the samples as libsndfile reads them, one channel; the judge of files that are whole."""
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].mean(axis=1, dtype=np.float64)


def read(data):
    return read_audio_file(io.BytesIO(data))


# --------------------------------------------------------------------------------------- uncompressed samples


@pytest.mark.parametrize("kind", PLAIN, ids=PLAIN_NAMES)
def test_plain_samples_are_those_of_libsndfile(kind):
    stereo = np.stack([PCM, -0.5 * PCM], axis=1)
    found = read_audio_file(io.BytesIO(encoded(kind, stereo)), channels=2)
    judge = soundfile.read(io.BytesIO(encoded(kind, stereo)), dtype="float32")[0]
    np.testing.assert_array_equal(found.x, judge)
    assert (found.sample_rate_hz, found.n_channels, found.notes) == (RATE_HZ, 2, [])


@pytest.mark.parametrize("value", UNKNOWN)
@pytest.mark.parametrize("kind", PLAIN, ids=PLAIN_NAMES)
def test_plain_samples_of_unknown_length_are_read_to_the_end(kind, value):
    data = bytearray(encoded(kind))
    mark, offset, width = SIZE_FIELDS[kind[0]]
    at = data.find(mark) + offset
    data[at : at + width] = bytes.fromhex(UNKNOWN[value]) * width
    found = read(bytes(data))
    np.testing.assert_array_equal(found.x, decoded(encoded(kind)).astype(np.float32))
    legal = value != "0" and kind[0] in ("AU", "CAF")
    assert found.notes == ([] if legal else ["the header gives no length: read to the end, 4.000 s"])


@pytest.mark.parametrize("kind", PLAIN, ids=PLAIN_NAMES)
def test_plain_samples_that_are_cut_off(kind):
    data = encoded(kind)
    found = read(data[: len(data) // 2])
    n = len(found.x)
    assert N // 2 - 2100 <= n <= N // 2
    np.testing.assert_array_equal(found.x, decoded(data).astype(np.float32)[:n])
    assert found.notes == [f"the recording is cut off; the header promises 4.000 s, the data hold {n / RATE_HZ:.3f} s"]


@pytest.mark.parametrize("kind", PLAIN, ids=PLAIN_NAMES)
def test_plain_samples_that_were_joined(kind):
    data = encoded(kind)
    found = read(data + data)
    np.testing.assert_array_equal(found.x, np.tile(decoded(data).astype(np.float32), 2))
    assert found.notes == ["joined 2 recordings that follow each other in the file"]


def wav(x, claimed=None, riff=0, tail=b"", width="<i2", tag=1, rate_hz=RATE_HZ, channels=1):
    """Return a WAV file built by hand, with any lengths in its header."""
    data = np.asarray(x).astype(width).tobytes()
    size = np.dtype(width).itemsize
    form = (tag, channels, rate_hz, size * channels * rate_hz, min(size * channels, 65535), 8 * size)
    head = struct.pack("<4sI8sIHHIIHH", b"RIFF", riff, b"WAVEfmt ", 16, *form)
    return head + b"data" + struct.pack("<I", len(data) if claimed is None else claimed) + data + tail


SMALL = np.array([1, -32768, 32767, 300], np.int16)


@pytest.mark.parametrize("claimed", [0, 2, 30, 82, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFFF, 0xFFFFFFDB])
def test_wav_lengths_are_hints(claimed):
    x = np.tile(SMALL, 10)
    found = read(wav(x, claimed))
    np.testing.assert_array_equal(found.x, x / 32768)
    assert len(found.notes) == 1


def test_chunks_behind_the_samples_are_no_samples():
    tail = b"LIST" + struct.pack("<I", 10) + b"INFOISFT\0\0" + b"id3 " + struct.pack("<I", 4) + b"ID3\4"
    for size, x in ((8, SMALL), (3, SMALL.view(np.int8)[:3])):
        data = wav(x, tail=b"\0" * (size % 2) + tail, width="<i2" if size != 3 else "u1", claimed=size)
        found = read(data)
        assert (len(found.x), found.notes) == (len(x), [])
    with pytest.raises(ValueError, match=r"holds no samples$"):
        read(wav(SMALL[:0], tail=tail, claimed=0))
    for tag in (b"TAG" + bytes(125), b"APETAGEX" + bytes(24)):
        assert len(read(wav(SMALL, tail=tag)).x) == 4


def test_files_of_unknown_length_that_were_joined_have_no_header_among_their_samples():
    data = wav(SMALL, 0xFFFFFFFF)
    assert read(data * 3).x.tolist() == np.tile(SMALL / 32768, 3).tolist()


def test_what_follows_at_another_rate_is_left_out_with_a_note():
    found = read(wav(SMALL) + wav(SMALL, rate_hz=8000))
    assert len(found.x) == 4 and found.notes == ["left out what follows after 0.000 s: 1 channels of 8000 Hz"]


def test_big_endian_wav():
    data = wav(SMALL)
    big = b"RIFX" + bytes(4) + data[8:16] + struct.pack(">IHHIIHH", *struct.unpack("<IHHIIHH", data[16:36])) + b"data"
    np.testing.assert_array_equal(read(big + struct.pack(">I", 8) + SMALL.astype(">i2").tobytes()).x, SMALL / 32768)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "there are no data"),
        (b"Lorem ipsum dolor sit amet " * 9, "Format not recognised"),
        (wav(SMALL)[:20], "the header is cut off"),
        (wav(SMALL, channels=0), "the header gives 0 channels and 16000 Hz"),
        (wav(SMALL, rate_hz=0), "the header gives 1 channels and 0 Hz"),
        (wav(SMALL, tag=0x9999), "Error in WAV/W64/RF64 file. Malformed 'fmt ' chunk"),
        (b"fLaC" + bytes(100), "File contains data in an unimplemented format"),
        (b"OggS" + bytes(100), "no Ogg stream begins in it"),
    ],
    ids=["empty", "text", "header", "no channels", "no rate", "unknown code", "FLAC", "Ogg"],
)
def test_refusals_carry_the_reason(tmp_path, data, reason):
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(ValueError, match=rf"^`.*a\.wav` is not an audio file that can be read: ({reason})[^\n]*$"):
        read_audio_file(tmp_path / "a.wav")


# ---------------------------------------------------------------------------------------- compressed samples


@pytest.mark.parametrize("kind", [*BLOCKS, *STREAMS], ids="-".join)
def test_compressed_files_are_those_of_libsndfile(kind):
    found = read(encoded(kind))
    judge = decoded(encoded(kind))
    assert found.notes == [] and 0 <= len(judge) - len(found.x) <= 320  # libsndfile invents a block of GSM
    np.testing.assert_allclose(found.x, judge[: len(found.x)], atol=1e-6)


@pytest.mark.parametrize("kind", [*BLOCKS, *STREAMS], ids="-".join)
def test_compressed_files_that_are_cut_off(kind):
    data = encoded(kind)
    found = read(data[: len(data) * 3 // 4])
    assert N // 4 < len(found.x) * RATE_HZ / found.sample_rate_hz < N  # a page of Ogg may hold 1.9 s
    assert len(found.notes) == 1 and found.notes[0].startswith("the recording is cut off")
    whole = read(data).x
    n = len(found.x) - 2 * 1152  # the last frames of MP3 and Vorbis overlap with what is missing
    np.testing.assert_allclose(found.x[:n], whole[:n], atol=1e-6)


@pytest.mark.parametrize("kind", [*BLOCKS, *STREAMS], ids="-".join)
def test_compressed_files_that_were_joined(kind):
    data = encoded(kind)
    one, both = read(data), read(data + data)
    slack = 3 * 1152 if kind[0] == "MP3" else 0  # of MP3 the first header alone says what to trim at the ends
    assert 0 <= len(both.x) - 2 * len(one.x) <= slack
    np.testing.assert_allclose(both.x[: len(one.x) - 1152], one.x[:-1152], atol=1e-6)
    assert len(both.notes) == 1


@pytest.mark.parametrize("kind", STREAMS, ids="-".join)
def test_compressed_files_that_are_damaged_in_the_middle(kind):
    data = bytearray(encoded(kind))
    middle = len(data) // 2
    data[middle : middle + 600] = np.random.default_rng(1).bytes(600)
    found, whole = read(bytes(data)), read(encoded(kind))
    assert len(found.notes) == 1 and "a part of the recording is damaged" in found.notes[0]
    part = len(whole.x) // 5  # a damaged page of Ogg takes 1.9 s of sound with it
    assert part < len(found.x) <= len(whole.x) + 2 * 1152
    # What is left is sound of the recording: a fifth of it, somewhere, is found in the whole.
    pieces = [found.x[:part], found.x[-part:]]
    match = [np.abs(fftconvolve(whole.x, v[::-1])).max() / np.sum(v.astype(np.float64) ** 2) for v in pieces]
    assert max(match) > 0.99


@pytest.mark.parametrize("change", ["bytes replaced", "bytes lost", "one bit"])
def test_flac_is_exact_on_both_sides_of_damage(change):
    data = bytearray(encoded(("FLAC", "PCM_16")))
    middle = len(data) // 2
    if change == "bytes replaced":
        data[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    elif change == "bytes lost":
        del data[middle : middle + 3000]
    else:
        data[middle] ^= 16
    found = read(bytes(data)).x
    assert N - 3 * 4096 - 1 < len(found) <= N
    np.testing.assert_array_equal(found[: N // 3], PCM[: N // 3].astype(np.float32))
    np.testing.assert_array_equal(found[-N // 3 :], PCM[-N // 3 :].astype(np.float32))


def flac_with_total(total):
    data = bytearray(encoded(("FLAC", "PCM_16")))
    data[21] = data[21] & 0xF0 | total >> 32
    data[22:26] = (total & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(("total", "n_notes"), [(0, 0), (N, 0), (1000, 1), (10 * N, 1), (2**36 - 1, 1)])
def test_the_total_of_flac_is_a_hint(total, n_notes):
    found = read(flac_with_total(total))
    np.testing.assert_array_equal(found.x, PCM.astype(np.float32))
    assert len(found.notes) == n_notes


def mp3_with(frames):
    """Return an MP3 whose header gives another number of frames; None takes the header away."""
    data = bytearray(encoded(("MP3", "MPEG_LAYER_III")))
    at = max(data.find(b"Xing", 0, 500), data.find(b"Info", 0, 500))
    assert at > 0 and data[at + 7] & 1
    if frames is None:
        data[at : at + 4] = bytes(4)
    else:
        data[at + 8 : at + 12] = struct.pack(">I", frames)
    return bytes(data)


@pytest.mark.parametrize("frames", [None, 1, 3, 10**4, 2**32 - 1])
def test_the_number_of_mp3_frames_is_a_hint(frames):
    whole, found = read(encoded(("MP3", "MPEG_LAYER_III"))).x, read(mp3_with(frames))
    n = 1105 if frames is None else 0  # the encoder's delay, which only the header knows; and the frame of the header
    skip = next(k for k in (n, n + 576) if np.allclose(found.x[k : k + N // 2], whole[: N // 2], atol=1e-5))
    assert len(whole) <= len(found.x) - skip <= len(whole) + 2 * 1152
    assert len(found.notes) == (frames is not None)


def test_tags_around_an_mp3_and_garbage_before_it():
    data = encoded(("MP3", "MPEG_LAYER_III"))
    whole = read(data)
    tag = b"ID3\4\0\0" + bytes([0, 1, 0, 0]) + bytes(1 << 14)
    tagged = read(tag + data + b"TAG" + bytes(125))
    np.testing.assert_array_equal(tagged.x, whole.x)
    assert tagged.notes == []
    np.testing.assert_array_equal(read(bytes(777) + data).x, whole.x)
    assert len(read(data[len(data) // 3 :]).x) > N // 2  # a stream that was joined late


def test_ogg_of_which_the_beginning_is_missing():
    data = encoded(("OGG", "VORBIS"))
    np.testing.assert_array_equal(read(data[len(data) // 2 :] + data).x, read(data).x)
    with pytest.raises(ValueError, match="is not an audio file that can be read: no Ogg stream begins in it"):
        read(data[len(data) // 2 :])


# ------------------------------------------------------------------------------------------- kinds of sources


@pytest.mark.parametrize("kind", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_files_objects_and_pipes_are_the_same(tmp_path, monkeypatch, kind):
    data = encoded(kind)
    (tmp_path / "a").write_bytes(data)
    expected = read(data).x
    np.testing.assert_array_equal(read_audio_file(tmp_path / "a").x, expected)
    np.testing.assert_array_equal(read_audio_file(str(tmp_path / "a")).x, expected)
    with open(tmp_path / "a", "rb") as file:
        np.testing.assert_array_equal(read_audio_file(file).x, expected)
        assert not file.closed
    os.mkfifo(tmp_path / "fifo")
    writer = threading.Thread(target=(tmp_path / "fifo").write_bytes, args=(data,))
    writer.start()
    np.testing.assert_array_equal(read_audio_file(tmp_path / "fifo").x, expected)
    writer.join()
    with open(tmp_path / "a", "rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        np.testing.assert_array_equal(read_audio_file("-").x, expected)


def test_an_open_file_is_read_from_where_it_stands():
    file = io.BytesIO(b"mail header" + wav(SMALL))
    file.seek(11)
    assert len(read_audio_file(file).x) == 4


@pytest.mark.parametrize("name", ["x" * 251 + ".wav", "caf\udce9.wav", "new\nline.wav", " .wav"])
def test_odd_names(tmp_path, name):
    path = os.path.join(tmp_path, name)
    with open(path, "wb") as file:
        file.write(wav(SMALL))
    assert len(read_audio_file(path).x) == 4


def test_what_cannot_be_read_is_one_sentence(tmp_path, monkeypatch):
    for source in (tmp_path, tmp_path / "none", "x" * 300, "/dev/null", "/dev/zero", "nul\0byte"):
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            read_audio_file(source)
    for source in (io.StringIO("text"), 3, None):
        with pytest.raises(ValueError, match=r"must be a path or an open binary file$"):
            read_audio_file(source)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match=r"^cannot read standard input: it is closed$"):
        read_audio_file("-")
    with pytest.raises(ValueError, match=r"`channels` is 3, it must be 1 to 2$"):
        read_audio_file(io.BytesIO(wav(SMALL)), channels=3)


def test_an_endless_pipe_of_no_audio_is_refused_at_its_head():
    class Endless(io.RawIOBase):
        n = 0

        def read(self, size=-1):
            self.n += size
            assert self.n < 1 << 20
            return bytes(size)

    with pytest.raises(ValueError, match="Format not recognised"):
        read_audio_file(Endless())


def test_without_soundfile_plain_samples_are_read_and_others_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for kind in PLAIN:
        assert len(read(encoded(kind)).x) == N
    for kind in (BLOCKS[0], *STREAMS):
        with pytest.raises(ValueError, match=r"this format needs the package soundfile$"):
            read(encoded(kind))


# -------------------------------------------------------------------------------------------------- channels


def test_channels_are_mixed_and_a_mix_that_cancels_is_said():
    x = np.stack([PCM, 0.5 * PCM, -PCM], axis=1)
    found = read(encoded(("WAV", "FLOAT"), x))
    np.testing.assert_allclose(found.x, PCM / 6, atol=1e-7)
    assert found.n_channels == 3 and found.notes == ["mixed 3 channels to mono"]
    cancels = read(encoded(("WAV", "FLOAT"), np.stack([PCM, -PCM], axis=1)))
    assert cancels.notes[1].startswith("the channels cancel: the mono mix is ")
    np.testing.assert_array_equal(mix(x[:, :2], 2), x[:, :2].astype(np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_its_time(bad):
    x = PCM.copy()
    x[RATE_HZ // 2] = bad
    with pytest.raises(ValueError, match=r"holds NaN or infinite samples, the first at 0\.500 s$"):
        read(encoded(("WAV", "FLOAT"), x))


# ------------------------------------------------------------------------------------------ any bytes at all


@pytest.mark.parametrize("code", [5, 23, 99])
def test_a_header_that_leads_beyond_the_data_is_one_sentence(code):
    data = b".snd" + struct.pack(">IIIII", 247, 0xFFFFFF04, code, 8612, 1) + bytes(27)
    with pytest.raises(ValueError, match=r"holds no samples|is not an audio file that can be read: [^\n]+$"):
        read(data)


WHOLE = {kind: encoded(kind, PCM[: RATE_HZ // 2]) for kind in (PLAIN[1], *BLOCKS[:2], *STREAMS, ("CAF", "PCM_16"))}


@settings(max_examples=150)
@given(
    st.sampled_from(list(WHOLE)),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["set", "cut", "drop", "zero", "ones", "repeat"])), max_size=5),
    st.integers(0, 255),
)
def test_any_damage_gives_samples_or_one_sentence(kind, damages, byte):
    data = bytearray(WHOLE[kind])
    for place, what in damages:
        at = int(place**3 * len(data))  # more often in the header
        if what == "set":
            data[at : at + 1] = bytes([byte])
        elif what == "cut":
            del data[at:]
        elif what == "drop":
            del data[at : at + byte]
        elif what == "repeat":
            data += data[:at]
        else:
            data[at : at + 4] = (b"\0" if what == "zero" else b"\xff") * 4
    x, said = samples_or_sentence(bytes(data))
    assert x.dtype == np.float32 and np.isfinite(x).all()
    assert "\n" not in said and bool(said) == (x.size == 0)


def samples_or_sentence(data):
    """Return the samples of a file and an empty string, or no samples and the sentence that refuses the file."""
    try:
        return read(data).x, ""
    except ValueError as error:
        return np.zeros(0, np.float32), str(error)


# ------------------------------------------------------------------------------------- memory in a subprocess

LIMIT_BYTES = 300 << 20
LIMITED = f"""
import resource, sys
import numpy, soundfile
from dsp.audio_file import read_audio_file
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + {LIMIT_BYTES},) * 2)
try:
    found = read_audio_file(sys.argv[1])
    print(len(found.x) / found.sample_rate_hz)
except ValueError as error:
    print("refused:", error)
"""


def two_minutes():
    return np.tile(PCM, 30)


def half_a_minute_of_ogg():
    return encoded(("OGG", "VORBIS"), two_minutes()[: N * 8])


LARGE = {  # name: file, and the seconds that it should give, None where it is refused
    "wav": (lambda: encoded(("WAV", "PCM_16"), two_minutes()), 120),
    "wav of unknown length": (lambda: wav(two_minutes() * 32768, 0xFFFFFFFF), 120),
    "wav with a chunk of 4 GB": (lambda: wav(SMALL)[:12] + b"JUNK\xff\xff\xff\xff" + wav(SMALL)[12:], None),
    "wav of 65535 channels": (lambda: wav(np.zeros(2 * 65535), channels=65535, width="u1"), 2 / RATE_HZ),
    "flac of unknown length": (lambda: flac_with_total(0), 4),
    "flac of 2^36 - 1 samples": (lambda: flac_with_total(2**36 - 1), 4),
    "chained ogg": (lambda: half_a_minute_of_ogg() * 4, 128),
    "ogg cut and chained": (lambda: half_a_minute_of_ogg()[:50000] + half_a_minute_of_ogg(), 48.55),
    "mp3 of 2^32 - 1 frames": (lambda: mp3_with(2**32 - 1), 4),
    "mp3 without a length": (lambda: mp3_with(None), 4),
    "aiff of 2 GB": (lambda: encoded(("AIFF", "PCM_16")).replace(b"SSND\x00\x01\xf4\x08", b"SSND\x7f\xff\xff\xff"), 4),
}


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux to know the memory in use")
@pytest.mark.parametrize("name", LARGE)
def test_memory_is_in_proportion_to_what_was_read(tmp_path, name):
    make, seconds = LARGE[name]
    (tmp_path / "a").write_bytes(make())
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "a")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused: ") if seconds is None else abs(float(done.stdout) - seconds) < 0.2


# ---------------------------------------------------------------------------------------- ffmpeg as the judge

FFMPEG = shutil.which("ffmpeg")
FFMPEG_FORMATS = {
    "wav": ["-f", "wav"],
    "wav alaw": ["-c:a", "pcm_alaw", "-f", "wav"],
    "wav adpcm": ["-c:a", "adpcm_ima_wav", "-f", "wav"],
    "rf64": ["-rf64", "always", "-f", "wav"],
    "w64": ["-f", "w64"],
    "aiff": ["-f", "aiff"],
    "au": ["-f", "au"],
    "caf": ["-f", "caf"],
    "flac": ["-f", "flac"],
    "ogg vorbis": ["-c:a", "libvorbis", "-f", "ogg"],
    "ogg flac": ["-c:a", "flac", "-f", "ogg"],
    "mp3": ["-b:a", "32k", "-f", "mp3"],
    "mp3 vbr without a tag": ["-q:a", "7", "-write_xing", "0", "-f", "mp3"],
    "mp2": ["-c:a", "mp2", "-f", "mp2"],
}
SEEKS_BACK = {"rf64", "w64", "aiff", "caf"}  # what ffmpeg does not write, or not completely, to a pipe


def ffmpeg(arguments, data=None):
    return subprocess.run([FFMPEG, "-v", "error", *arguments], input=data, capture_output=True, check=data is None)


def by_ffmpeg(path):
    """Return what ffmpeg makes of a file, one channel at 16 kHz."""
    out = ffmpeg(["-i", str(path), "-f", "f32le", "-ac", "1", "-ar", str(RATE_HZ), "-"], b"").stdout
    return np.frombuffer(out, np.float32)


@pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed, and is the judge here")
@pytest.mark.parametrize("damage", ["whole", "piped", "cut", "middle"])
@pytest.mark.parametrize("format", FFMPEG_FORMATS)
def test_agrees_with_ffmpeg(tmp_path, format, damage):
    soundfile.write(tmp_path / "in.wav", PCM, RATE_HZ)
    path = tmp_path / "out"
    arguments = ["-i", str(tmp_path / "in.wav"), *FFMPEG_FORMATS[format]]
    if damage == "piped" and format not in SEEKS_BACK:
        path.write_bytes(ffmpeg([*arguments, "-"]).stdout)
    else:
        ffmpeg([*arguments, "-y", str(path)])
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) * 2 // 3])
    elif damage == "middle":
        at = len(data) // 2
        path.write_bytes(data[:at] + np.random.default_rng(2).bytes(200) + data[at + 200 :])
    found, judge = read_audio_file(path), by_ffmpeg(path)
    assert found.sample_rate_hz == RATE_HZ
    slack = {"whole": 0, "piped": 0, "cut": 1152, "middle": 4 * 4608}[damage]
    assert abs(len(found.x) - len(judge)) <= slack
    n = min(len(found.x), len(judge)) * 2 // 5
    np.testing.assert_allclose(found.x[:n], judge[:n], atol=2e-3 if "adpcm" in format else 4e-5)
    told = damage in ("cut", "middle") and format in ("flac", "ogg vorbis", "mp3")
    assert found.notes or not told


@pytest.mark.parametrize("n_bytes", range(2, 14, 2))
def test_an_unfinished_header_may_be_followed_by_few_samples(n_bytes):
    form = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    head = b"RIFF" + bytes(4) + b"WAVEfmt " + form + b"data" + bytes(4)
    samples = np.full(n_bytes // 2, 16384, "<i2")
    found = read_audio_file(io.BytesIO(head + samples.tobytes()))
    np.testing.assert_array_equal(found.x, 0.5 * np.ones(n_bytes // 2))
