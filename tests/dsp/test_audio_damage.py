"""Any damage to an audio file gives finite samples or one sentence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

KINDS = [
    *(("WAV", subtype) for subtype in ("PCM_16", "IMA_ADPCM", "MS_ADPCM")),
    *(("FLAC", subtype) for subtype in ("PCM_16", "PCM_24")),
    *(("OGG", subtype) for subtype in ("VORBIS", "OPUS")),
    ("MP3", "MPEG_LAYER_III"),
    ("CAF", "PCM_16"),
]


@pytest.fixture(scope="module")
def whole(audio_files):
    """Return half a second of sound as a file of every kind."""
    return {kind: audio_files.encoded(kind, audio_files.PCM[: audio_files.RATE_HZ // 2]) for kind in KINDS}


@pytest.fixture(scope="module")
def samples_or_sentence(audio_files):
    """Return a reader that gives samples and an empty string, or no samples and the message of the error."""

    def read(data):
        try:
            return audio_files.read(data).x, ""
        except ValueError as error:
            return np.zeros(0, np.float32), str(error)

    return read


@settings(max_examples=60)
@given(
    st.sampled_from(KINDS),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["set", "cut", "drop", "zero", "ones", "repeat"])), max_size=5),
    st.integers(0, 255),
)
def test_any_damage_gives_samples_or_one_sentence(whole, samples_or_sentence, kind, damages, byte):
    data = bytearray(whole[kind])
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
