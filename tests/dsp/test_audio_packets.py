"""FLAC and Ogg: wrong totals, damage inside a stream, a missing beginning."""

import struct

import numpy as np
import pytest

from dsp._audio_packets import _checksum, _flac_number, ogg_parts

DAMAGES = {  # positions as fractions of the length, and how many bytes are replaced, removed or inserted there
    "near the beginning": [(0.2, 60, "replaced")],
    "in two places": [(0.3, 60, "replaced"), (0.6, 600, "replaced")],
    "bytes removed": [(0.5, 900, "removed")],
    "bytes inserted": [(0.5, 900, "inserted")],
}
STREAMS = [("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS")]


@pytest.mark.parametrize("change", ["bytes replaced", "bytes lost", "one bit"])
def test_flac_is_exact_on_both_sides_of_damage(audio_files, change):
    data = bytearray(audio_files.encoded(("FLAC", "PCM_16")))
    middle = len(data) // 2
    if change == "bytes replaced":
        data[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    elif change == "bytes lost":
        del data[middle : middle + 3000]
    else:
        data[middle] ^= 16
    pcm, found = audio_files.PCM.astype(np.float32), audio_files.read(bytes(data)).x
    third = len(pcm) // 3
    assert len(found) == len(pcm)
    np.testing.assert_array_equal(found[:third], pcm[:third])
    np.testing.assert_array_equal(found[-third:], pcm[-third:])


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("kind", STREAMS, ids="-".join)
def test_damage_does_not_shift_the_samples_after_it(audio_files, kind, name):
    data = bytearray(audio_files.encoded(kind, np.tile(audio_files.PCM, 3)))
    whole = audio_files.read(bytes(data)).x
    for place, n_bytes, what in DAMAGES[name]:
        at = round(place * len(data))
        new = b"" if what == "removed" else np.random.default_rng(1).bytes(n_bytes)
        data[at : at if what == "inserted" else at + n_bytes] = new
    found = audio_files.read(bytes(data))
    assert len(found.x) == len(whole) and "damaged" in found.notes[0]
    np.testing.assert_allclose(found.x[-16000:], whole[-16000:], atol=1e-3)


def test_a_wrong_time_stamp_does_not_give_hours_of_silence(audio_files):
    data = bytearray(audio_files.encoded(("OGG", "VORBIS"), np.tile(audio_files.PCM, 3)))
    middle, last = len(data) // 2, data.rfind(b"OggS")
    data[middle : middle + 60] = bytes(60)
    data[last + 6 : last + 14] = struct.pack("<q", 1 << 40)
    (part,) = ogg_parts(bytes(data), 0)
    data[last + 22 : last + 26] = struct.pack("<I", *_checksum(bytes(data), part.pages[-1]))
    assert len(audio_files.read(bytes(data)).x) <= 3 * audio_files.N


@pytest.mark.parametrize(("total", "n_notes"), [(0, 0), (64000, 0), (1000, 1), (640000, 1), (2**36 - 1, 1)])
def test_the_total_of_flac_is_a_hint(audio_files, total, n_notes):
    found = audio_files.read(audio_files.flac_with_total(total))
    np.testing.assert_array_equal(found.x, audio_files.PCM.astype(np.float32))
    assert len(found.notes) == n_notes


BEHIND = {
    "tag": (b"TAG" + bytes(125), 0),
    "one zero": (bytes(1), 0),
    "zeros": (bytes(100_000), 0),
    "text": (b"no frame" * 9, 72),
    "ones": (b"\xff" * 100_000, 100_000),
    "random bytes": (np.random.default_rng(7).bytes(200_000), 200_000),
}


@pytest.mark.parametrize("total", [0, 64000])
@pytest.mark.parametrize("tail", BEHIND)
def test_what_follows_a_complete_flac_is_noted_unless_it_is_a_tag(audio_files, tail, total):
    (content, n_bytes), data = BEHIND[tail], audio_files.flac_with_total(total)
    found = audio_files.read(data + content)
    np.testing.assert_array_equal(found.x, audio_files.PCM.astype(np.float32))
    assert found.notes == [f"left out: {n_bytes} bytes behind the last frame"] * (n_bytes > 0)


@pytest.mark.parametrize("kind", [("WAV", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")], ids="-".join)
def test_recordings_in_another_format_behind_flac_are_joined(audio_files, kind):
    first, second = audio_files.encoded(("FLAC", "PCM_16")), audio_files.encoded(kind)
    found, alone = audio_files.read(first + second + first), [audio_files.read(data).x for data in (first, second)]
    n = len(alone[0])
    np.testing.assert_array_equal(found.x[:n], alone[0])
    np.testing.assert_allclose(found.x[n : n + len(alone[1])], alone[1], atol=1e-6)
    assert found.notes[-1].startswith("joined") and "damaged" not in found.notes[0]


def test_what_follows_a_complete_ogg_is_noted_unless_it_is_a_tag(audio_files):
    data = audio_files.encoded(("OGG", "VORBIS"))
    for tail, notes in ((b"TAG" + bytes(125), []), (b"no page" * 9, ["left out: 63 bytes behind the last page"])):
        found = audio_files.read(data + tail)
        np.testing.assert_array_equal(found.x, audio_files.read(data).x)
        assert found.notes == notes


def test_pictures_in_flac_may_contain_anything(audio_files):
    data = audio_files.encoded(("FLAC", "PCM_16"))
    content = b"ABCD" + data[:5000] + b"OggS\xff\xfb\x90\x44" * 9
    block = bytes([2]) + len(content).to_bytes(3, "big") + content  # an APPLICATION block
    found = audio_files.read(data[:42] + block + data[42:])
    np.testing.assert_array_equal(found.x, audio_files.PCM.astype(np.float32))
    assert found.notes == []


def test_ogg_of_which_the_beginning_is_missing(audio_files):
    data = audio_files.encoded(("OGG", "VORBIS"))
    np.testing.assert_array_equal(audio_files.read(data[len(data) // 2 :] + data).x, audio_files.read(data).x)
    with pytest.raises(ValueError, match="is not an audio file that can be read: it has no beginning of an Ogg stream"):
        audio_files.read(data[len(data) // 2 :])


def test_one_bit_costs_one_frame_behind_frame_127_too(audio_files):
    """Numbers of later frames have two bytes or more, coded as in UTF-8."""
    pcm = np.round(3000 * np.random.default_rng(0).normal(size=4096 * 160)) / 32768
    data = bytearray(audio_files.encoded(("FLAC", "PCM_16"), pcm))
    data[len(data) * 9 // 10] ^= 1
    found = audio_files.read(bytes(data))
    wrong = np.flatnonzero(found.x != pcm.astype(np.float32))
    assert len(found.x) == len(pcm) and 0 < len(wrong) <= wrong[-1] - wrong[0] + 1 <= 4096
    assert wrong[0] > 127 * 4096


@pytest.mark.parametrize("distance", [3, 1500])
def test_one_bit_of_the_last_frame_is_said_to_be_damage(audio_files, distance):
    """No decoder tells a damaged frame from one that is cut off; frames that are missing are another matter."""
    data = bytearray(audio_files.encoded(("FLAC", "PCM_16")))
    data[-distance] ^= 16
    found, states = audio_files.read(bytes(data)), "the header states 4.000 s, the data contain 3.840 s"
    np.testing.assert_array_equal(found.x, audio_files.PCM.astype(np.float32)[:61440])
    assert found.notes == [f"the last frame is damaged or cut off; {states}"]
    starts = [at for at in range(42, len(data)) if _flac_number(bytes(data[at : at + 16])) == 15]
    assert audio_files.read(bytes(data[: starts[-1]])).notes == [f"the recording is cut off; {states}"]


def test_marks_of_pages_between_pages_are_not_given_to_the_decoder(audio_files):
    """Libogg takes seven microseconds for each, and libsndfile then states a wrong length."""
    data = audio_files.encoded(("OGG", "VORBIS"))
    (part,) = ogg_parts(data, 0)
    at = part.pages[-1].start
    found = audio_files.read(data[:at] + 5000 * b"OggS" + data[at:])
    np.testing.assert_array_equal(found.x, audio_files.read(data).x)
    assert found.notes == ["a part of the recording is damaged"]
    assert ogg_parts(data[:at] + 5000 * b"OggS" + data[at:], 0)[0].pieces == [(0, at), (at + 20000, len(data) + 20000)]
