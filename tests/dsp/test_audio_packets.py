"""FLAC and Ogg: wrong totals, damage inside a stream, a missing beginning."""

import numpy as np
import pytest


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
    assert len(pcm) - 3 * 4096 - 1 < len(found) <= len(pcm)
    np.testing.assert_array_equal(found[:third], pcm[:third])
    np.testing.assert_array_equal(found[-third:], pcm[-third:])


@pytest.mark.parametrize(("total", "n_notes"), [(0, 0), (64000, 0), (1000, 1), (640000, 1), (2**36 - 1, 1)])
def test_the_total_of_flac_is_a_hint(audio_files, total, n_notes):
    found = audio_files.read(audio_files.flac_with_total(total))
    np.testing.assert_array_equal(found.x, audio_files.PCM.astype(np.float32))
    assert len(found.notes) == n_notes


def test_ogg_of_which_the_beginning_is_missing(audio_files):
    data = audio_files.encoded(("OGG", "VORBIS"))
    np.testing.assert_array_equal(audio_files.read(data[len(data) // 2 :] + data).x, audio_files.read(data).x)
    with pytest.raises(ValueError, match="is not an audio file that can be read: it has no beginning of an Ogg stream"):
        audio_files.read(data[len(data) // 2 :])
