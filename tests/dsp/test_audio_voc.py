"""Creative Voice files of several blocks, written here by their description."""

import io
import struct

import numpy as np
import pytest
import soundfile

CODES = np.arange(256, dtype=np.uint8)


def block(kind, content):
    return bytes([kind]) + len(content).to_bytes(3, "little") + content


def voc(*blocks, end=b"\0"):
    return b"Creative Voice File\x1a" + struct.pack("<HHH", 26, 0x010A, 0x1129) + b"".join(blocks) + end


def sound(data, divisor=131, code=0):
    return block(1, bytes([divisor, code]) + bytes(data))


def sound_16(data, rate_hz=16000, bits=16, channels=1, code=4):
    return block(9, struct.pack("<IBBHI", rate_hz, bits, channels, code, 0) + bytes(data))


def test_all_blocks_of_one_format_are_one_recording(audio_files):
    """Sound, a comment, more sound of the same format, and a silence of three samples."""
    comment, silence = block(5, b"a comment\0"), block(3, struct.pack("<HB", 2, 131))
    found = audio_files.read(voc(sound(CODES), comment, block(2, bytes(CODES[::-1])), silence, sound(CODES)))
    judge = (np.concatenate([CODES, CODES[::-1], [128] * 3, CODES]) - 128.0) / 128
    np.testing.assert_array_equal(found.x, judge)
    assert (found.sample_rate_hz, found.notes) == (8000, [])


def test_a_block_can_extend_the_next_one(audio_files):
    extended = block(8, struct.pack("<HBB", 65536 - 8000, 0, 1))  # 2 channels of 16 kHz
    found = audio_files.read(voc(extended, sound(CODES)))
    np.testing.assert_array_equal(found.x, (CODES.reshape(-1, 2).mean(axis=1) - 128) / 128)
    assert (found.sample_rate_hz, found.notes) == (16000, ["mixed 2 channels to mono"])


@pytest.mark.parametrize(("code", "subtype"), [(4, "PCM_16"), (6, "ALAW"), (7, "ULAW")])
def test_every_encoding_is_read_as_by_libsndfile(audio_files, code, subtype):
    raw = bytes(CODES)
    raw_file = {"format": "RAW", "samplerate": 16000, "channels": 1, "subtype": subtype, "endian": "LITTLE"}
    judge, _ = soundfile.read(io.BytesIO(raw), dtype="float32", **raw_file)
    found = audio_files.read(voc(sound_16(raw, code=code), sound_16(raw, code=code)))
    np.testing.assert_array_equal(found.x, np.tile(judge, 2))


def test_blocks_of_another_format_are_noted(audio_files):
    found = audio_files.read(voc(sound(CODES), sound_16(bytes(200))))
    assert len(found.x) == 256 and len(found.notes) == 1 and "16000 Hz" in found.notes[0]


def test_a_missing_end_is_noted(audio_files):
    found = audio_files.read(voc(sound(CODES), sound(CODES), end=b"")[:-6])
    assert (len(found.x), found.notes) == (506, ["the recording is cut off"])


def test_compressed_blocks_are_refused(audio_files):
    with pytest.raises(ValueError, match="code 1 of ADPCM, they must be PCM, A-law or mu-law"):
        audio_files.read(voc(sound(CODES, code=1)))


@pytest.mark.parametrize("n", [20, 26, 27, 30, 31, 32])
def test_files_that_end_within_their_first_block_are_refused(audio_files, n):
    with pytest.raises(ValueError, match=r"no block of sound|no samples"):
        audio_files.read(voc(sound(CODES))[:n])
