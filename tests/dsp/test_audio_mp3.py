"""MP3: a wrong or missing number of frames, tags, data before the first frame."""

import io

import numpy as np
import pytest
import soundfile

from dsp._audio_mp3 import find_mp3


@pytest.mark.parametrize("frames", [None, 1, 3, 10**4, 2**32 - 1])
def test_the_number_of_mp3_frames_is_a_hint(audio_files, frames):
    whole = audio_files.read(audio_files.encoded(("MP3", "MPEG_LAYER_III"))).x
    found = audio_files.read(audio_files.mp3_with(frames))
    n = 1105 if frames is None else 0  # the encoder's delay, which only the header knows; and the frame of the header
    skip = next(k for k in (n, n + 576) if np.allclose(found.x[k : k + 32000], whole[:32000], atol=1e-5))
    assert len(whole) <= len(found.x) - skip <= len(whole) + 2 * 1152
    assert len(found.notes) == (frames is not None)


def test_tags_around_an_mp3_and_garbage_before_it(audio_files):
    data = audio_files.encoded(("MP3", "MPEG_LAYER_III"))
    whole = audio_files.read(data)
    tag = b"ID3\4\0\0" + bytes([0, 1, 0, 0]) + bytes(1 << 14)
    tagged = audio_files.read(tag + data + b"TAG" + bytes(125))
    np.testing.assert_array_equal(tagged.x, whole.x)
    assert tagged.notes == []
    np.testing.assert_array_equal(audio_files.read(bytes(777) + data).x, whole.x)
    assert len(audio_files.read(data[len(data) // 3 :]).x) > audio_files.N // 2  # a stream that was joined late


@pytest.mark.parametrize("size", [b"\0\x40\0\0", b"\x7f\x7f\x7f\x7f"], ids=["1 MB", "beyond the end"])
def test_tags_may_be_large_or_of_wrong_size(audio_files, size):
    data = audio_files.encoded(("MP3", "MPEG_LAYER_III"))
    content = bytes(1 << 20) if size[1] == 0x40 else bytes(300)
    found = audio_files.read(b"ID3\4\0\0" + size + content + data)
    np.testing.assert_array_equal(found.x, audio_files.read(data).x)


BEHIND = [
    *(
        (b"APETAGEX" + bytes(24), 0),
        (b"3DI\4\0\0\0\0\7\x68", 0),
        (bytes(100_000), 0),
        (b"\0\0\3\0moov" + b"a" * 760, 0),
    ),
    *((b"no frame" * 9, 72), (b"\xff" * 500, 500), (np.random.default_rng(7).bytes(5000), 5000)),
]


def test_what_follows_a_complete_mp3_is_noted_unless_it_is_a_tag(audio_files):
    data = audio_files.encoded(("MP3", "MPEG_LAYER_III"))
    for tail, n_bytes in BEHIND:
        found = audio_files.read(data + tail)
        np.testing.assert_array_equal(found.x, audio_files.read(data).x)
        assert found.notes == [f"left out: {n_bytes} bytes behind the last frame"] * (n_bytes > 0)
    with pytest.raises(ValueError, match=r"it contains no complete frame of MP3$"):
        audio_files.read(data[:100])


def test_a_single_frame_is_decoded_or_refused_in_its_own_words(audio_files):
    data = audio_files.encoded(("MP3", "MPEG_LAYER_III"))
    stream = find_mp3(data)
    start, _ = stream.pieces[1]
    with pytest.raises(ValueError, match=r"its MP3 frames, 1 in all, cannot be decoded: "):
        audio_files.read(data[start : data.find(data[start : start + 3], start + 3)])


def other_kind(audio_files):
    """Return an MP3 stream at another rate."""
    file = io.BytesIO()
    soundfile.write(file, audio_files.PCM, 44100, "MPEG_LAYER_III", format="MP3")
    return file.getvalue()


TAGS = {"": b"", "ID3v2": b"ID3\4\0\0\0\0\0\x0a" + bytes(10), "ID3v1": b"TAG" + bytes(125), "zeros": bytes(300)}


@pytest.mark.parametrize("tag", TAGS)
def test_a_stream_of_another_kind_is_left_out_with_a_note(audio_files, tag):
    first = audio_files.encoded(("MP3", "MPEG_LAYER_III"))
    found = audio_files.read(first + TAGS[tag] + other_kind(audio_files))
    np.testing.assert_array_equal(found.x, audio_files.read(first).x)
    assert found.notes == [f"ignored the data after {len(found.x) / 16000:.3f} s: they have 1 channels at 44100 Hz"]


@pytest.mark.parametrize("between", ["another stream", "three frames"])
def test_what_is_no_part_of_the_stream_does_not_end_it(audio_files, between):
    first = audio_files.encoded(("MP3", "MPEG_LAYER_III"))
    other = other_kind(audio_files) if between == "another stream" else 3 * (b"\xff\xfb\x90\xc4" + bytes(413))
    found, both = audio_files.read(first + other + first), audio_files.read(first + first)
    np.testing.assert_array_equal(found.x, both.x)
    assert "damaged" in found.notes[0]


@pytest.mark.parametrize("kind", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")], ids="-".join)
def test_recordings_in_another_format_behind_a_stream_are_joined(audio_files, kind):
    first, second = audio_files.encoded(("MP3", "MPEG_LAYER_III")), audio_files.encoded(kind)
    found, alone = audio_files.read(first + second), [audio_files.read(data).x for data in (first, second)]
    np.testing.assert_array_equal(found.x, np.concatenate(alone))
    assert found.notes == ["joined 2 recordings that follow each other in the file"]


@pytest.mark.parametrize("n_bytes", [300, 4096, 100_000])
def test_id3_tags_may_give_their_size_with_eight_bits_per_byte(audio_files, n_bytes):
    data = audio_files.encoded(("MP3", "MPEG_LAYER_III"))
    frames = (b"\xff\xfb\x90\x44" + bytes(413)) * 300  # which are a part of the tag
    found = audio_files.read(b"ID3\3\0\0" + n_bytes.to_bytes(4, "big") + frames[:n_bytes] + data)
    np.testing.assert_array_equal(found.x, audio_files.read(data).x)
    assert found.notes == []


BEFORE = {
    "100 kB of zeros": bytes(100_000),
    "3 MB of zeros": bytes(3 << 20),
    "zeros behind a tag": TAGS["ID3v2"] + bytes(100_000),
    "zeros before a tag": bytes(100_000) + TAGS["ID3v2"],
    "random bytes": np.random.default_rng(7).bytes(70_000),
    "random bytes like a frame": b"\xff\xfb\x90" + np.random.default_rng(7).bytes(70_000),
}


@pytest.mark.parametrize("before", BEFORE)
def test_a_stream_may_begin_far_from_the_beginning(audio_files, capfd, before):
    data = audio_files.encoded(("MP3", "MPEG_LAYER_III"))
    found = audio_files.read(BEFORE[before] + data)
    np.testing.assert_array_equal(found.x, audio_files.read(data).x)
    assert found.notes == [] and capfd.readouterr().err == ""  # libmpg123 writes its complaints there


@pytest.mark.parametrize("place", [4, 60, 170])
def test_a_tag_inside_a_stream_does_not_reach_the_decoder(audio_files, capfd, place):
    data = audio_files.encoded(("MP3", "MPEG_LAYER_III"))
    begin, end = find_mp3(data).pieces[1]
    middle = data.find(data[begin : begin + 2], (begin + end) // 2)
    tag = b"ID3\4\0\0\0\0\x17\x38" + bytes(3000)
    found = audio_files.read(data[: middle + place] + tag + data[middle + place :])
    np.testing.assert_array_equal(found.x, audio_files.read(data).x)
    assert found.notes == []
    cut_off = audio_files.read(data[: middle + place] + tag + data)  # in the frame, and another recording follows
    assert "damaged" in cut_off.notes[0]
    assert capfd.readouterr().err == ""
