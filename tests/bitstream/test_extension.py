"""The header extension: exact lengths from 16 stored bits, and what it refuses."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.bitstream.container import SAMPLE_RATES_HZ, Header, read_header, write_header
from lpcnet_cq.bitstream.extension import CODECS, MODES, Coding
from lpcnet_cq.errors import BitstreamError

MODEL = "0123456789abcdef"
codings = st.builds(
    Coding,
    st.sampled_from(CODECS),
    st.sampled_from(MODES),
    st.integers(1000, 65535),
    st.integers(1, 65535),
    st.integers(0, 10**6) | st.integers(0, 2**26),
)


def written(header):
    file = io.BytesIO()
    write_header(file, header)
    return file.getvalue()


@given(codings, st.integers(SAMPLE_RATES_HZ[0], SAMPLE_RATES_HZ[-1]), st.integers(1, 2))
def test_lengths_come_back_to_the_sample(coding, rate_hz, channels):
    header = Header(coding.coded_samples(rate_hz), rate_hz, 9000, MODEL, channels, coding)
    data = written(header)
    assert len(data) == data[5] == header.n_bytes == 36
    assert read_header(io.BytesIO(data)) == header
    assert header.duration_s == coding.n_samples / rate_hz


def test_the_longest_file_has_a_length():
    """74 hours at 768 kHz: lengths are counted beyond 32 bits."""
    n = (2**32 - 1) * 48
    header = Header(2**32 - 1, 768_000, 9000, MODEL, 1, Coding("speech", "mean", 16000, 320, n))
    assert read_header(io.BytesIO(written(header))).coding.n_samples == n > 2**37


def test_layout_is_the_documented_one():
    data = written(Header(16000, 44100, 70000, MODEL, 2, Coding("music", "capped", 16000, 320, 44099)))
    assert data[23:32].hex(" ") == "02 01 22 3e 80 01 40 ac 43"
    assert data[32:] == zlib.crc32(data[:32]).to_bytes(4, "big")


def test_documented_example_is_a_header():
    text = (Path(__file__).parents[2] / "docs" / "bitstream.md").read_text(encoding="utf-8")
    example = "".join(text.split("whose original has 44099 samples")[1].split("`")[1:4:2])
    assert bytes.fromhex(example) == written(
        Header(16000, 44100, 9000, MODEL, 1, Coding("speech", "mean", 16000, 320, 44099))
    )


def test_longer_extras_are_skipped_and_shorter_ones_are_no_extension():
    data = written(Header(16000, 16000, 9000, MODEL, 1, Coding("speech", "mean", 16000, 320, 16000)))
    for extras, known in ((data[23:32] + b"more", True), (data[23:31], False), (data[23:24], False)):
        head = data[:5] + bytes([27 + len(extras)]) + data[6:23] + extras
        header = read_header(io.BytesIO(head + zlib.crc32(head).to_bytes(4, "big")))
        assert (header.coding is not None) == known and header.n_samples == 16000


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (("song", "mean", 16000, 320, 1), "codec 'song'"),
        (("music", "cbr", 16000, 320, 1), "mode 'cbr'"),
        (("music", "mean", 0, 320, 1), "sample_rate_hz 0"),
        (("music", "mean", 65536, 320, 1), "sample_rate_hz 65536"),
        (("music", "mean", 16000, 0, 1), "hop 0"),
        (("music", "mean", 16000, 320, -1), "n_samples -1"),
        (("music", "mean", 16000, 320, 1 << 40), "n_samples"),
    ],
)
def test_fields_have_ranges(fields, name):
    with pytest.raises(ValueError, match=name):
        Coding(*fields)


@given(st.integers(1, 2**32 - 1), st.integers(1000, 768_000), st.integers(1000, 65535), st.integers(0, 60))
def test_lengths_that_contradict_each_other_are_refused(n_samples, rate_hz, coding_hz, off):
    """Accepted are the lengths that resampling turns into `n_samples`, and no others, under a right CRC."""
    longest = n_samples * rate_hz // coding_hz
    head = b"\xcfcq\n\x01\x24" + n_samples.to_bytes(4, "big") + rate_hz.to_bytes(3, "big") + b"\x23\x28"
    head += bytes.fromhex(MODEL) + struct.pack(">BBBHHH", 1, 0, 0x11, coding_hz, 320, (longest - off) % 65536)
    file = io.BytesIO(head + zlib.crc32(head).to_bytes(4, "big"))
    fits = longest >= off and -(-(longest - off) * coding_hz // rate_hz) == n_samples
    found = None
    with suppress(BitstreamError):
        found = read_header(file).coding.n_samples
    assert found == (longest - off if fits else None)
