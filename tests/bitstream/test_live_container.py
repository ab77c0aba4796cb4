"""Container of live streams: packets come back at once, damage is seen, and what is cut off is read up to its end."""

import io
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.bitstream.container import Header, read_header, write_header
from lpcnet_cq.bitstream.extension import Coding, Live
from lpcnet_cq.bitstream.live_container import MAX_PACKET_BYTES, LiveReader, LiveWriter, packets_of
from lpcnet_cq.errors import BitstreamError

HEADER = Header(0, 44100, 9000, "0123456789abcdef", 1, Coding("speech", "mean", 16000, 320, 0), Live(1, 192))
N = 2000  # samples at 44.1 kHz: 726 at 16 kHz, three packets
PACKETS = [b"\x01\x02", b"", b"\xff" * 80]


def written(packets=PACKETS, n_samples=N, before=2):
    """Return a live stream behind its header; the length stands behind so many packets."""
    file = io.BytesIO()
    writer = LiveWriter(file)
    for i, data in enumerate(packets):
        if i == before:
            writer.length(n_samples)
        writer.packet(data)
    if before >= len(packets):
        writer.length(n_samples)
    writer.end()
    return file.getvalue()


def read(data):
    reader = LiveReader(io.BytesIO(data), HEADER)
    return list(reader.packets()), reader


@given(st.lists(st.binary(max_size=70), min_size=3, max_size=3), st.integers(0, 3))
def test_packets_come_back(packets, before):
    got, reader = read(written(packets, N, before))
    assert got == packets and reader.n_samples == N and not reader.is_cut_off


@pytest.mark.parametrize("size", [0, 62, 63, MAX_PACKET_BYTES])
def test_sizes_have_one_byte_or_two(size):
    data = written([bytes(size)] * 3)
    assert len(data) == 3 * (size + 2 + (size > 62)) + 7 + 4
    assert read(data)[0] == [bytes(size)] * 3


def test_packets_are_limited():
    with pytest.raises(ValueError, match="16383 bytes, 16382 are the most"):
        LiveWriter(io.BytesIO()).packet(bytes(MAX_PACKET_BYTES + 1))


def test_layout_is_the_documented_one():
    """An independent reading of docs/bitstream.md, byte by byte."""
    records = [b"\x03\x01\x02", b"\x01", b"\x00" + N.to_bytes(5, "big"), b"\x40\x51" + b"\xff" * 80]
    whole, said = b"", b""
    for record in records:
        said += record
        whole += record + bytes([zlib.crc32(said) & 0xFF])
    assert written() == whole + zlib.crc32(said).to_bytes(4, "big")


def test_header_has_version_2_and_three_more_bytes():
    file = io.BytesIO()
    write_header(file, HEADER)
    data = file.getvalue()
    assert (data[4], data[5], len(data)) == (2, 39, 39) and data[32:35] == bytes([1, 0, 192])
    assert read_header(io.BytesIO(data)) == HEADER
    assert HEADER.duration_s is None


def test_header_of_a_live_stream_has_no_length():
    with pytest.raises(ValueError, match="n_samples 3 of a live stream must be 0"):
        replace(HEADER, n_samples=3, coding=Coding("speech", "mean", 16000, 320, 8))
    with pytest.raises(ValueError, match="pre_skip 65536 must be"):
        Live(0, 65536)


def test_number_of_packets_follows_from_the_length():
    assert [packets_of(HEADER, n) for n in (0, 1, 352, 353, 354)] == [0, 1, 1, 2, 2]  # 352 of 44.1 kHz are 128
    with pytest.raises(ValueError, match="not that of a live stream"):
        packets_of(replace(HEADER, live=None), 1)


def test_a_packet_is_there_before_the_next_one():
    file = io.BytesIO()
    writer = LiveWriter(file)
    writer.packet(b"ab")
    stream = LiveReader(io.BytesIO(file.getvalue()), HEADER).packets()
    assert next(stream) == b"ab"


def test_every_truncation_is_cut_off_and_gives_the_packets_before():
    data, ends = written(), (4, 6, 13, 96)
    for n in range(len(data)):
        packets, reader = read(data[:n])
        assert reader.is_cut_off and packets == PACKETS[: sum(n >= ends[i] for i in (0, 1, 3))]


def test_every_flipped_bit_is_seen_up_to_the_end():
    """Or makes a size so large that the stream seems to be cut off."""
    data, seen = written(), 0
    for i in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[i // 8] ^= 1 << i % 8
        seen += is_refused(bytes(flipped))
    assert seen >= 8 * len(data) - 24


def is_refused(data):
    try:
        return read(data)[1].is_cut_off and read(data)[0] != PACKETS
    except BitstreamError:
        return True


def read_or_nothing(data):
    try:
        return read(data)[0]
    except BitstreamError:
        return []


@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_else(data):
    assert sum(map(len, read_or_nothing(data))) <= len(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (written() + b"\0", "goes on behind its end"),
        (written()[:-1] + b"\0", "CRC does not match"),
        (written(PACKETS * 2, N, 6), "2000 samples need 3 packets, it holds 6 before"),
        (b"\x80", "begins with 128"),
        (b"\x40\x05", "a byte too many"),
        (written()[:2] + b"\x09" + written()[3:], "check of a packet"),
        (written()[4:], "check of a packet"),
    ],
)
def test_faults_are_named(data, message):
    with pytest.raises(BitstreamError, match=message):
        read(data)


def test_two_lengths_are_refused():
    file = io.BytesIO()
    writer = LiveWriter(file)
    writer.length(N)
    writer.length(N)
    with pytest.raises(BitstreamError, match="two lengths"):
        read(file.getvalue())


def test_documented_example_is_a_live_stream():
    text = (Path(__file__).parents[2] / "docs" / "bitstream.md").read_text(encoding="utf-8")
    example = bytes.fromhex(text.split("ends the stream:\n`")[1].split("`")[0])
    header = replace(HEADER, sample_rate_hz=16000)
    reader = LiveReader(io.BytesIO(example), header)
    assert list(reader.packets()) == [b"\x01\x02", b"", b"\x03"]
    assert reader.n_samples == 640 and not reader.is_cut_off
