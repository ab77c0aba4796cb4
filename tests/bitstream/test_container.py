"""Container: what is written comes back, and any damage is seen and named."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.bitstream.container import (
    HEADER_BYTES,
    SEGMENT_BYTES,
    Header,
    read_header,
    read_segment,
    read_segments,
    write_header,
    write_segment,
)
from lpcnet_cq.errors import BitstreamError

HEADER = Header(48000, 44100, 9000, "0123456789abcdef")
GROUPS = [[b"\x01\x02", b"", b"\x03"], [b"\xff" * 30], [b"end"]]


def written(header=HEADER, groups=GROUPS):
    file = io.BytesIO()
    write_header(file, header)
    for i, packets in enumerate(groups):
        write_segment(file, packets, last=i == len(groups) - 1)
    return file.getvalue()


def read(data):
    file = io.BytesIO(data)
    return read_header(file), list(read_segments(file))


class Trickle(io.BytesIO):
    """Give one byte a read, as a slow pipe may."""

    def read(self, n=-1):
        return super().read(min(n, 1))


headers = st.builds(
    Header,
    st.integers(0, 2**32 - 1),
    st.integers(1000, 768_000),
    st.integers(1, 65535),
    st.binary(min_size=8, max_size=32).map(bytes.hex),
)


@given(headers, st.lists(st.lists(st.binary(max_size=60), max_size=6), min_size=1, max_size=4))
def test_files_come_back(header, groups):
    got, segments = read(written(header, groups))
    assert got == header
    assert [(s.n_packets, s.payload) for s in segments] == [(len(g), b"".join(g)) for g in groups]
    assert [s.last for s in segments] == [False] * (len(groups) - 1) + [True]


def test_layout_is_the_documented_one():
    """An independent reading of docs/bitstream.md, offset by offset."""
    data = written()
    assert data[:6] == b"\xcfcq\n\x01\x1b"
    assert struct.unpack(">I", data[6:10]) == (48000,)
    assert int.from_bytes(data[10:13], "big") == 44100
    assert struct.unpack(">H", data[13:15]) == (9000,)
    assert data[15:23].hex() == "0123456789abcdef"
    assert struct.unpack(">I", data[23:27]) == (zlib.crc32(data[:23]),)
    assert struct.unpack(">HHI", data[27:35]) == (3, 3, zlib.crc32(data[27:31] + data[35:38]))
    assert data[35:38] == b"\x01\x02\x03"
    assert struct.unpack(">H", data[-11:-9]) == (0x8001,)
    assert len(data) == 27 + 3 * 8 + 3 + 30 + 3 == HEADER_BYTES + 3 * SEGMENT_BYTES + 36


def test_known_file():
    """Pinned, so that a file of today is read by every later release."""
    header = "cf63710a 01 1b 0000bb80 00ac44 2328 0123456789abcdef 81af23be"
    segments = "0003 0003 a3b05b31 010203  0001 001e 6a62e69f " + 30 * "ff" + " 8001 0003 332ea364 656e64"
    assert written() == bytes.fromhex(header + segments)


@pytest.mark.parametrize(("rate", "channels", "extras"), [(65535, 1, ""), (65536, 1, "0101"), (9000, 2, "0200")])
def test_extras_stand_where_they_are_needed(rate, channels, extras):
    header = Header(48000, 44100, rate, "0123456789abcdef", channels)
    data = written(header)
    assert read(data)[0] == header and len(data) == header.n_bytes + len(written()) - HEADER_BYTES
    assert data[23 : header.n_bytes - 4].hex() == extras and data[13:15] == (rate % 65536).to_bytes(2, "big")


def test_empty_audio_is_a_file():
    header, segments = read(written(Header(0, 16000, 9000, "0" * 16), [[]]))
    assert header.n_samples == 0 and [(s.n_packets, s.payload) for s in segments] == [(0, b"")]


def test_slow_pipes_are_read_to_the_end():
    file = Trickle(written())
    assert read_header(file) == HEADER
    assert sum(s.n_packets for s in read_segments(file)) == 5


def test_every_flipped_bit_is_seen():
    data = written()
    for i in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[i // 8] ^= 1 << i % 8
        with pytest.raises(BitstreamError):
            read(bytes(flipped))


def test_every_truncation_is_seen():
    data = written()
    for n in range(len(data)):
        with pytest.raises(BitstreamError, match="empty" if n == 0 else "not a .cq" if n < 4 else "truncated"):
            read(data[:n])


@given(st.binary(max_size=200))
def test_any_bytes_raise_nothing_else(data):
    for whole in (data, written()[:HEADER_BYTES] + data):
        with pytest.raises(BitstreamError):  # a right CRC is one chance in 2**32
            read(whole)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"RIFF\x00\x00\x00\x00WAVE", "not a .cq file: it begins with b'RIFF'"),
        (b"\xcfcq\r\n", "not a .cq file"),
        (b"\xcfcq\n\x03\x1b", "version 3; this release reads versions 1 and 2"),
        (b"\xcfcq\n\x02\x1b", "has 27 bytes, at least 39 needed"),
        (b"\xcfcq\n\x01\x05", "has 5 bytes, at least 27 needed"),
        (written() + b"\0", "after its last segment"),
        (
            written()[:27] + struct.pack(">HHI", 501, 0, zlib.crc32(struct.pack(">HH", 501, 0))),
            "501 packets, at most 500 allowed",
        ),
    ],
)
def test_faults_are_named(data, message):
    with pytest.raises(BitstreamError, match=message):
        read(data)


def test_fields_of_later_releases_are_skipped():
    head = bytearray(written()[:23]) + b"\1\0more"  # behind the extras of this one
    head[5] += 6
    assert read_header(io.BytesIO(bytes(head) + struct.pack(">I", zlib.crc32(head)))) == HEADER


def test_impossible_fields_under_a_good_crc_are_refused():
    head = bytearray(written()[:23])
    head[10:13] = b"\0\0\0"
    with pytest.raises(BitstreamError, match="sample_rate_hz 0 must be 1000"):
        read_header(io.BytesIO(bytes(head) + struct.pack(">I", zlib.crc32(head))))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((-1, 16000, 9000, "0" * 16), "n_samples -1"),
        ((1 << 32, 16000, 9000, "0" * 16), "n_samples 4294967296"),
        ((0, 999, 9000, "0" * 16), "sample_rate_hz 999 must be 1000..768000"),
        ((0, 16000, 0, "0" * 16), "bitrate_bps 0 must be 1..16777215"),
        ((0, 16000, 9000, "0" * 16, 3), "channels 3 must be 1 or 2"),
        ((0, 16000, 9000, "0" * 15), "model_hash '000000000000000'"),
        ((0, 16000, 9000, "g" * 16), "16 hexadecimal digits"),
    ],
)
def test_header_fields_are_checked(fields, message):
    with pytest.raises(ValueError, match=message):
        Header(*fields)


def test_segments_have_limits():
    with pytest.raises(ValueError, match="packets: 501 of 0 bytes must be at most 500 of 65535"):
        write_segment(io.BytesIO(), [b""] * 501, last=True)
    with pytest.raises(ValueError, match="packets: 2 of 65536 bytes"):
        write_segment(io.BytesIO(), [b"\0" * 32768] * 2, last=True)
    file = io.BytesIO()
    write_segment(file, [b"\0" * 131] * 500, last=True)
    assert read_segment(io.BytesIO(file.getvalue())).n_packets == 500


def test_documented_example_is_a_file():
    text = (Path(__file__).parents[2] / "docs" / "bitstream.md").read_text(encoding="utf-8")
    example = "".join(line for line in text.split("## An example")[1].split("##")[0].splitlines() if line[:4] == "    ")
    assert bytes.fromhex(example) == written(HEADER, GROUPS[:1])
