"""RTP packets of the sender, read by hand from the bytes as RFC 3550 draws them."""

import struct

import pytest

pytest.importorskip("aiortc", reason="the extra `rtp` installs it")

from lpcnet_cq.rtp.payload import unpack
from lpcnet_cq.rtp.redundancy import unpack_redundant
from lpcnet_cq.rtp.sender import Sender

HOP = 320


def header(data):
    """Return marker, payload type, sequence number, timestamp, source and payload."""
    first, second, sequence, timestamp, source = struct.unpack("!BBHII", data[:12])
    assert first == 2 << 6, "version 2, no padding, no extension, no contributing sources"
    return second >> 7, second & 127, sequence, timestamp, source, data[12:]


def sent(sender, packets):
    return [header(data) for packet in packets for data in sender.push(packet)]


def test_every_packet_is_one_later_and_only_the_first_is_marked():
    sender = Sender(HOP)
    markers, types, sequences, timestamps, sources, payloads = zip(*sent(sender, [b"ab", b"c", b"d"]), strict=True)
    assert markers == (1, 0, 0) and types == (96,) * 3 and sources == (sender.ssrc,) * 3
    assert [(s - sequences[0]) % (1 << 16) for s in sequences] == [0, 1, 2]
    assert [(t - timestamps[0]) % (1 << 32) for t in timestamps] == [0, HOP, 2 * HOP]
    assert payloads == (b"\0ab", b"\0c", b"\0d")


def test_numbers_wrap_around():
    sender = Sender(HOP)
    sender._sequence, sender._timestamp = 65535, (1 << 32) - HOP
    assert [h[2:4] for h in sent(sender, [b"a", b"b"])] == [(65535, (1 << 32) - HOP), (0, 0)]


def test_numbers_begin_at_random():
    first = {(Sender(HOP).ssrc, header(Sender(HOP).push(b"a")[0])[2:4]) for _ in range(20)}
    assert len(first) == 20


def test_several_packets_travel_together_and_the_rest_is_flushed():
    sender = Sender(HOP, aggregate=3)
    heads = sent(sender, [b"a", b"b", b"c", b"d"])
    rest = [header(data) for data in sender.flush()]
    assert [unpack(h[-1]) for h in (*heads, *rest)] == [[b"a", b"b", b"c"], [b"d"]]
    assert (rest[0][3] - heads[0][3]) % (1 << 32) == 3 * HOP and sender.flush() == []


def test_after_a_pause_time_has_passed_and_the_marker_is_set():
    sender = Sender(HOP, aggregate=2)
    heads = sent(sender, [b"a", None, None, b"b", b"c"])
    assert [(h[0], unpack(h[-1])) for h in heads] == [(1, [b"a"]), (1, [b"b", b"c"])]
    assert (heads[1][2] - heads[0][2]) % (1 << 16) == 1
    assert (heads[1][3] - heads[0][3]) % (1 << 32) == 3 * HOP


def test_silence_descriptors_do_not_take_the_marker():
    """The first packet of speech has it (RFC 3551, 4.1)."""
    heads = sent(Sender(HOP), [b"a", b"s\0", b"", b"s\0", b"", b"", b"s\0", b"b", b"c"])
    assert [h[0] for h in heads] == [1, 0, 0, 0, 1, 0]
    assert [(h[2] - heads[0][2]) % (1 << 16) for h in heads] == [0, 1, 2, 3, 4, 5]
    assert [(h[3] - heads[0][3]) % (1 << 32) // HOP for h in heads] == [0, 1, 3, 6, 7, 8]


def test_copies_are_the_payloads_before():
    heads = sent(Sender(HOP, copies=2), [b"a", b"b", b"c", b"d"])
    assert [h[1] for h in heads] == [96, 97, 97, 97]
    blocks = unpack_redundant(heads[3][-1])
    assert [(b.payload_type, b.offset, b.payload) for b in blocks] == [
        (96, 2 * HOP, b"\0b"),
        (96, HOP, b"\0c"),
        (96, 0, b"\0d"),
    ]


def test_copies_that_are_too_large_are_left_out():
    heads = sent(Sender(HOP, copies=1), [bytes(2000), b"b"])
    assert [h[1] for h in heads] == [96, 96]


@pytest.mark.parametrize("name", ["hop", "payload_type", "aggregate", "copies", "redundant_type"])
def test_settings_out_of_range_are_named(name):
    with pytest.raises(ValueError, match=f"`{name}` is -1"):
        Sender(**({"hop": HOP} | {name: -1}))
