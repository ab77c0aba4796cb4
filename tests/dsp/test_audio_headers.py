"""Headers of uncompressed files: wrong lengths, chunks after the samples, joined files, invalid values."""

import io
import struct

import numpy as np
import pytest
import soundfile


@pytest.mark.parametrize("claimed", [0, 2, 30, 82, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFFF, 0xFFFFFFDB])
def test_wav_lengths_are_hints(audio_files, claimed):
    x = np.tile(audio_files.SMALL, 10)
    found = audio_files.read(audio_files.wav(x, claimed))
    np.testing.assert_array_equal(found.x, x / 32768)
    assert len(found.notes) == 1


def test_chunks_behind_the_samples_are_no_samples(audio_files):
    tail = b"LIST" + struct.pack("<I", 10) + b"INFOISFT\0\0" + b"id3 " + struct.pack("<I", 4) + b"ID3\4"
    for size, x in ((8, audio_files.SMALL), (3, audio_files.SMALL.view(np.int8)[:3])):
        data = audio_files.wav(x, tail=b"\0" * (size % 2) + tail, width="<i2" if size != 3 else "u1", claimed=size)
        found = audio_files.read(data)
        assert (len(found.x), found.notes) == (len(x), [])
    with pytest.raises(ValueError, match=r"holds no samples$"):
        audio_files.read(audio_files.wav(audio_files.SMALL[:0], tail=tail, claimed=0))
    for tag in (b"TAG" + bytes(125), b"APETAGEX" + bytes(24)):
        assert len(audio_files.read(audio_files.wav(audio_files.SMALL, tail=tag)).x) == 4


@pytest.mark.parametrize("tail", [b"\nThank you for listening.\n" * 3, bytes(1000), b"\x80\x13" * 2000])
def test_a_few_bytes_after_the_end_of_the_file_are_no_samples(audio_files, tail):
    data = audio_files.wav(audio_files.SMALL, riff=36 + 8, tail=tail)
    assert (len(audio_files.read(data).x), audio_files.read(data).notes) == (4, [])


FOREIGN = {
    "picture": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + np.random.default_rng(0).bytes(20_000),
    "text": b"\nThank you for listening.\n" * 1000,
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(
    "kind", [*(("WAV", s) for s in ("PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM")), ("W64", "PCM_16")], ids="-".join
)
def test_foreign_bytes_after_the_end_of_the_file_are_no_samples(audio_files, kind, name):
    data, tail = audio_files.encoded(kind, audio_files.PCM[:-3]), FOREIGN[name]
    found = audio_files.read(data + tail)
    np.testing.assert_array_equal(found.x, audio_files.read(data).x)
    assert found.notes == [f"left out: {len(tail)} bytes behind the end that the header gives"]


def test_a_picture_behind_samples_is_none_even_if_the_header_gives_no_length_of_the_file(audio_files):
    found = audio_files.read(audio_files.wav(audio_files.SMALL, tail=FOREIGN["picture"]))
    np.testing.assert_array_equal(found.x, audio_files.SMALL / 32768)
    assert found.notes == ["left out: 20011 bytes behind the end that the header gives"]


def test_samples_behind_the_end_that_a_header_gives_are_read(audio_files):
    """A recorder that crashed had not updated its header for a while."""
    data = audio_files.encoded(("WAV", "PCM_16"))
    found = audio_files.read(data + data[44:])
    np.testing.assert_array_equal(found.x, np.tile(audio_files.PCM.astype(np.float32), 2))
    assert found.notes == ["the header states 4.000 s, the data contain 8.000 s"]


@pytest.mark.parametrize("size", [0, 2 * 16000, 0x7FFFFFFF])
def test_a_second_chunk_of_samples_is_left_out_with_a_note(audio_files, size):
    tail = b"LIST" + struct.pack("<I", 4) + b"INFO" + b"data" + struct.pack("<I", size) + bytes(2 * 16000)
    data = audio_files.wav(audio_files.SMALL)
    found = audio_files.read(data + (tail if size == 32000 else tail[12:]))
    np.testing.assert_array_equal(found.x, audio_files.SMALL / 32768)
    seconds = {0: [], 0x7FFFFFFF: ["left out: a second chunk of samples (32000 bytes, 1.000 s)"]}
    assert found.notes == seconds.get(size, seconds[0x7FFFFFFF])


@pytest.mark.parametrize("format_name", ["WAV", "AIFF"])
def test_samples_behind_a_length_of_0_may_look_like_a_chunk(audio_files, format_name):
    mark = b"data" if format_name == "WAV" else b"SSND"
    text = b"LIST" + (b"\x10\0\0\0" if format_name == "WAV" else b"\0\0\0\x10")
    data = bytearray(audio_files.encoded((format_name, "PCM_16"), audio_files.PCM[:4000]))
    at = data.find(mark) + 4
    start = at + 4 if format_name == "WAV" else at + 12
    data[at : at + 4], data[start : start + 8] = bytes(4), text
    found = audio_files.read(bytes(data))
    width = "<i2" if format_name == "WAV" else ">i2"
    judge = np.frombuffer(bytes(data[start:]), width) / np.float32(32768)
    np.testing.assert_array_equal(found.x, judge[: len(judge)])
    assert found.notes == ["the header gives no length: read to the end, 0.250 s"]


@pytest.mark.parametrize("format_name", ["AU", "CAF", "W64", "RF64", "AIFF", "WAV"])
@pytest.mark.parametrize("tail", [b"\0", b"\nThank you for listening.\n" * 3, bytes(1000)])
def test_a_few_bytes_after_the_end_are_no_samples_in_any_format(audio_files, format_name, tail):
    file = io.BytesIO()
    soundfile.write(file, audio_files.PCM, audio_files.RATE_HZ, format=format_name, subtype="PCM_16")
    found = audio_files.read(file.getvalue() + tail)
    assert (len(found.x), found.notes) == (len(audio_files.PCM), [])


def test_samples_of_wave64_may_stand_before_their_format(audio_files):
    data = audio_files.encoded(("W64", "PCM_16"))
    at, end = data.find(b"fmt "), data.find(b"data")
    found = audio_files.read(data[:at] + data[end:] + data[at:end])
    np.testing.assert_array_equal(found.x, audio_files.PCM.astype(np.float32))


def test_samples_may_stand_before_their_format(audio_files):
    data = audio_files.wav(audio_files.SMALL)
    swapped = data[:12] + data[36:] + data[12:36]
    np.testing.assert_array_equal(audio_files.read(swapped).x, audio_files.SMALL / 32768)


def test_samples_in_parts_are_refused(audio_files):
    data = audio_files.wav(audio_files.SMALL)
    listed = data[:36] + b"LIST" + struct.pack("<I", 4 + len(data[36:])) + b"wavl" + data[36:]
    with pytest.raises(ValueError, match=r"its samples are in parts \(LIST wavl\), which are not supported$"):
        audio_files.read(listed)


@pytest.mark.parametrize("n", [2000, 64000], ids="{} samples".format)
@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "MP3 behind a tag"])
def test_what_follows_in_another_format_is_joined(audio_files, kind, n):
    file = io.BytesIO()
    soundfile.write(file, audio_files.PCM[:n], audio_files.RATE_HZ, format=kind[:4].strip())
    tag = b"ID3\4\0\0\0\0\0\x0a" + bytes(10) if kind.endswith("tag") else b""
    first = audio_files.wav(audio_files.SMALL, riff=36 + 8)
    found = audio_files.read(first + tag + file.getvalue())
    assert len(found.x) == 4 + n
    np.testing.assert_array_equal(found.x[:4], audio_files.SMALL / 32768)
    assert found.notes == ["joined 2 recordings that follow each other in the file"]


@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_a_chunk_of_odd_length_may_lack_its_padding(audio_files, padding):
    data = audio_files.wav(audio_files.SMALL)
    found = audio_files.read(data[:36] + b"LIST" + struct.pack("<I", 7) + b"INFOabc" + padding + data[36:])
    np.testing.assert_array_equal(found.x, audio_files.SMALL / 32768)


def test_files_of_unknown_length_that_were_joined_have_no_header_among_their_samples(audio_files):
    data = audio_files.wav(audio_files.SMALL, 0xFFFFFFFF)
    assert audio_files.read(data * 3).x.tolist() == np.tile(audio_files.SMALL / 32768, 3).tolist()


def test_what_follows_at_another_rate_is_left_out_with_a_note(audio_files):
    found = audio_files.read(audio_files.wav(audio_files.SMALL) + audio_files.wav(audio_files.SMALL, rate_hz=8000))
    assert len(found.x) == 4 and found.notes == ["ignored the data after 0.000 s: they have 1 channels at 8000 Hz"]


def test_big_endian_wav(audio_files):
    data = audio_files.wav(audio_files.SMALL)
    big = b"RIFX" + bytes(4) + data[8:16] + struct.pack(">IHHIIHH", *struct.unpack("<IHHIIHH", data[16:36])) + b"data"
    big += struct.pack(">I", 8) + audio_files.SMALL.astype(">i2").tobytes()
    np.testing.assert_array_equal(audio_files.read(big).x, audio_files.SMALL / 32768)


@pytest.mark.parametrize("n_bytes", range(2, 14, 2))
def test_an_unfinished_header_may_be_followed_by_few_samples(audio_files, n_bytes):
    form = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    head = b"RIFF" + bytes(4) + b"WAVEfmt " + form + b"data" + bytes(4)
    samples = np.full(n_bytes // 2, 16384, "<i2")
    found = audio_files.read(head + samples.tobytes())
    np.testing.assert_array_equal(found.x, 0.5 * np.ones(n_bytes // 2))


@pytest.mark.parametrize("code", [5, 23, 99])
def test_a_header_that_leads_beyond_the_data_is_one_sentence(audio_files, code):
    data = b".snd" + struct.pack(">IIIII", 247, 0xFFFFFF04, code, 8612, 1) + bytes(27)
    with pytest.raises(ValueError, match=r"holds no samples|is not an audio file that can be read: [^\n]+$"):
        audio_files.read(data)


def test_floats_have_the_width_of_their_block(audio_files):
    data = bytearray(audio_files.wav(audio_files.SMALL / 32768, width="<f4", tag=3))
    data[34:36] = struct.pack("<H", 16)
    np.testing.assert_array_equal(audio_files.read(bytes(data)).x, audio_files.SMALL / np.float32(32768))


@pytest.mark.parametrize(("bits", "width", "align"), [(16, "<i2", 4), (24, "<i4", 4), (0, "<i2", 2), (12, "<i2", 2)])
def test_bits_give_the_width_of_samples_except_for_24_in_4_bytes(audio_files, bits, width, align):
    """As FFmpeg and libsndfile have it."""
    data = bytearray(
        audio_files.wav(audio_files.SMALL.astype(np.int64) << 8 * (np.dtype(width).itemsize - 2), width=width)
    )
    data[32:36] = struct.pack("<HH", align, bits)
    np.testing.assert_array_equal(audio_files.read(bytes(data)).x, audio_files.SMALL / 32768)


def test_the_format_of_aiff_may_stand_behind_the_samples(audio_files):
    data = audio_files.encoded(("AIFF", "PCM_16"))
    at, end = data.find(b"COMM"), data.find(b"SSND")
    swapped = data[:at] + data[end:] + data[at:end]
    np.testing.assert_array_equal(audio_files.read(swapped).x, audio_files.PCM.astype(np.float32))


@pytest.mark.parametrize("size", [0, 2, 100_000_000, 0xFFFFFFFF])
@pytest.mark.parametrize(("kind", "marks"), [("AIFF", (b"COMM", b"SSND")), ("WAV", (b"fmt ", b"data"))])
def test_the_format_may_stand_behind_samples_of_wrong_length(audio_files, kind, marks, size):
    data = audio_files.encoded((kind, "PCM_16"))
    at, end = data.find(marks[0]), data.find(marks[1])
    size = struct.pack(">I" if kind == "AIFF" else "<I", size)
    found = audio_files.read(data[:at] + data[end : end + 4] + size + data[end + 8 :] + data[at:end])
    pcm = audio_files.PCM.astype(np.float32)
    np.testing.assert_array_equal(found.x[: len(pcm)], pcm)
    assert len(found.x) == len(pcm) and len(found.notes) == 1 and "the header" in found.notes[0]


def test_caf_with_unused_bytes_is_refused(audio_files):
    data = bytearray(audio_files.encoded(("CAF", "PCM_24")))
    at = data.find(b"desc") + 12
    data[at + 16 : at + 20] = struct.pack(">I", 4)
    with pytest.raises(ValueError, match=r"it has 1 samples of 24 bits in 4 bytes, they must fill them$"):
        audio_files.read(bytes(data))


def test_samples_behind_an_empty_part_are_read(audio_files):
    data = audio_files.wav(audio_files.SMALL)
    found = audio_files.read(data[:36] + b"data" + bytes(4) + data[36:])
    np.testing.assert_array_equal(found.x, audio_files.SMALL / 32768)


@pytest.mark.parametrize("peak", [4.5, 20000.0])
def test_floats_far_beyond_full_scale_are_refused(audio_files, peak):
    x = np.array([0.5, -peak], np.float32)
    with pytest.raises(ValueError, match=rf"has a peak of {peak:g}, it must be at most 4, full scale is 1"):
        audio_files.read(audio_files.wav(x, width="<f4", tag=3))
    assert len(audio_files.read(audio_files.wav(x / peak * 4, width="<f4", tag=3)).x) == 2


@pytest.mark.parametrize("channels", [2, 8])
def test_channels_that_cancel_hide_no_peak(audio_files, channels):
    x = np.zeros((100, channels), np.float32)
    x[50, :2] = 9, -9
    with pytest.raises(ValueError, match=r"has a peak of 9, it must be at most 4"):
        audio_files.read(audio_files.wav(x, width="<f4", tag=3, channels=channels))
