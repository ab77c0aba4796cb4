"""The RTP payload: known bytes, there and back, and only `BitstreamError` for any bytes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.rtp.payload import MAX_BYTES, MAX_PACKETS, pack, unpack

PACKETS = st.lists(st.binary(max_size=300), min_size=1, max_size=MAX_PACKETS)


@pytest.mark.parametrize(
    ("packets", "payload"),
    [
        ([b"\x11\x22"], "00 1122"),
        ([b"\x11\x22", b"\x33"], "01 02 1122 33"),
        ([b"", b"\x33"], "01 00 33"),
        ([b"\x44" * 127, b""], "01 7f" + "44" * 127),
        ([b"\x44" * 128, b"\x55"], "01 8080" + "44" * 128 + "55"),
        ([b"\x01"] * 16, "0f" + "01" * 15 + "01" * 16),
    ],
)
def test_known_bytes(packets, payload):
    assert pack(packets) == bytes.fromhex(payload)
    assert unpack(bytes.fromhex(payload)) == packets


@given(PACKETS)
def test_there_and_back(packets):
    payload = pack(packets)
    assert unpack(payload) == packets
    assert len(payload) == 1 + sum(map(len, packets)) + sum(1 + (len(data) > 127) for data in packets[:-1])


def test_the_largest_packets_fit():
    packets = [bytes(MAX_BYTES)] * MAX_PACKETS
    assert unpack(pack(packets)) == packets


@given(st.binary(max_size=80))
def test_any_bytes_are_packets_or_damage(data):
    packets = None
    with contextlib.suppress(BitstreamError):
        packets = unpack(data)
    assert packets is None or pack(packets)[1:] == data[1:]


@given(PACKETS, st.integers(0, 5000))
def test_a_payload_that_is_cut_within_its_lengths_or_all_but_the_last_packet_is_refused(packets, cut):
    payload = pack(packets)
    needed = len(payload) - len(packets[-1])
    with pytest.raises(BitstreamError):
        unpack(payload[: cut % needed])


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("", "no bytes"),
        ("40 11", "version 1"),
        ("01", "ends within"),
        ("01 80", "ends within"),
        ("01 8005", "length 5"),
    ],
)
def test_damage_is_named(payload, words):
    with pytest.raises(BitstreamError, match=words):
        unpack(bytes.fromhex(payload))


@pytest.mark.parametrize(
    ("packets", "words"), [([], "has 0 packets"), ([b""] * 17, "has 17"), ([bytes(32768)], "32768")]
)
def test_what_does_not_fit_is_refused(packets, words):
    with pytest.raises(ValueError, match=words):
        pack(packets)
