"""MP3: a wrong or missing number of frames, tags, data before the first frame."""

import numpy as np
import pytest


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


def test_what_follows_a_complete_mp3_is_noted_unless_it_is_a_tag(audio_files):
    data = audio_files.encoded(("MP3", "MPEG_LAYER_III"))
    assert audio_files.read(data + b"APETAGEX" + bytes(24)).notes == []
    assert audio_files.read(data + b"no frame" * 9).notes == ["a part of the recording is damaged"]
    with pytest.raises(ValueError, match=r"it contains no complete frame of MP3$"):
        audio_files.read(data[:100])
