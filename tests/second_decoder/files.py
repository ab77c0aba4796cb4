"""The sections "Header", "Segments" and "Live streams", and what a decoder must reject."""

import struct
from zlib import crc32

from .music import MusicDecoder
from .notation import check
from .range_decoder import RangeDecoder
from .speech import SpeechDecoder


def decoder_for(config, tensors, range_decoder=RangeDecoder):
    """Return a decoder for the weights of either codec."""
    return (MusicDecoder if "bands" in config else SpeechDecoder)(config, tensors, range_decoder)


def read_header(data, decoder, model):
    """Follow the section "Header"; return its length and the number of samples."""
    check(len(data) >= 6 and data[:4] == b"\xcfcq\n" and data[4] in (1, 2), "no .cq file")
    H = data[5]
    check(H >= (27 if data[4] == 1 else 39) and len(data) >= H, "the header is cut off")
    check(int.from_bytes(data[H - 4 : H], "big") == crc32(data[: H - 4]), "CRC of the header")
    samples, rate_hz = int.from_bytes(data[6:10], "big"), int.from_bytes(data[10:13], "big")
    channels, high = (data[23], data[24]) if H >= 29 else (1, 0)
    check(1000 <= rate_hz <= 768000, "sample rate")
    check(high * 65536 + int.from_bytes(data[13:15], "big") > 0, "bitrate")
    check(1 <= channels <= decoder.channels, "channels")
    check(data[15:23].hex() == model, "model")
    if H >= 36:
        kind, coding_hz, hop, length = struct.unpack(">BHHH", data[25:32])
        check((kind >> 4, coding_hz, hop) == (decoder.codec, decoder.coding_hz, decoder.hop), "another codec")
        longest = samples * rate_hz // coding_hz
        original = longest - (longest - length) % 65536
        check(original >= 0 and -(-original * coding_hz // rate_hz) == samples, "length of the original")
    check(data[4] == 1 or (samples == original == 0 and data[32] <= decoder.layers_allowed), "live stream")
    return H, samples


def read_file(data, decoder, model, most=None):
    """Return the packets of a file, or the first `most` of them: step index, side integers, latents."""
    position, samples = read_header(data, decoder, model)
    if data[4] == 2:
        return read_live(data, position, decoder, most)
    packets, last = [], 0
    while not last:
        check(len(data) >= position + 8, "cut off")
        head, n_bytes, crc = struct.unpack(">HHI", data[position : position + 8])
        last, constant, level = head >> 15, head >> 14 & 1, head >> 10 & 15
        layers, n_packets = head >> 9 & 1, head & 511
        check(n_packets <= 500 and layers <= decoder.layers_allowed, "head of a segment")
        check(level != 8 if decoder.codec == 1 else level == 0, "level of a segment")
        payload = data[position + 8 : position + 8 + n_bytes]
        check(len(payload) == n_bytes, "cut off")
        check(crc == crc32(data[position : position + 4] + payload), "CRC of a segment")
        position += 8 + n_bytes
        decoder.known, end = False, 0
        size = n_bytes // max(n_packets, 1)
        check(not constant or n_bytes == n_packets * size, "sizes of the packets")
        for i in range(n_packets):
            packet, end = decoder.packet(payload, end, layers)
            packets.append(packet)
            if constant:
                check(end <= (i + 1) * size and not any(payload[end : (i + 1) * size]), "padding")
                end = (i + 1) * size
            if most and len(packets) == most:
                return packets
        check(end == n_bytes, "bytes behind the packets")
    check(position == len(data), "bytes behind the last segment")
    need = -(-(samples + decoder.delay) // decoder.hop) if samples else 0
    check(len(packets) == need, "number of packets")
    return packets


def read_live(data, position, decoder, most):
    """Follow the section "Live streams", of a stream that is not cut off; return the packets."""
    rate_hz = int.from_bytes(data[10:13], "big")
    coding_hz, hop, _, layers, pre_skip = struct.unpack(">HHHBH", data[26:35])
    packets, need, records, decoder.known = [], None, b"", False
    while need is None or len(packets) < need:
        check(position < len(data) and data[position] < 128, "head of a record")
        wide = data[position] >= 64
        head = data[position : position + 1 + wide]
        size = int.from_bytes(head, "big") % 2**14
        check(not wide or size >= 64, "size of a record")
        body = data[position + len(head) :][: size - 1 if size else 5]
        position, records = position + len(head) + len(body) + 1, records + head + body
        check(data[position - 1] == crc32(records) % 256, "check of a record")
        if size == 1:  # not sent: what follows needs its context reset flag
            check(decoder.codec == 1 and not layers, "a stream with pauses")
            packets.append(None)
            decoder.known = False
        elif size:
            packet, end = decoder.packet(body, 0, layers)
            check(end <= len(body), "end of a packet")
            if decoder.codec == 1 and not layers and is_copy(decoder, body):  # a context reset: its level may follow
                end += body[end : end + 1] in [bytes([level + 8]) for level in range(-7, 8) if level]
            check(not any(body[end:]) or (not layers and is_copy(decoder, body[end:])), "bytes after a packet")
            packets.append(packet)
        else:
            check(need is None, "second length")
            n = int.from_bytes(body, "big")
            need = -(-(-(-n * coding_hz // rate_hz) + pre_skip) // hop) if n else 0
            check(len(packets) <= need, "number of packets")
        if most and len(packets) == most:
            return packets
    check(data[position:] == crc32(records).to_bytes(4, "big"), "CRC of the stream")
    return packets


def is_copy(decoder, data):
    """Say whether bytes after a live packet begin with a context reset flag of 1."""
    flag = decoder.rows["flag"] if decoder.trained else (0, 64512, 65536)
    return decoder.range_decoder(data, 0).symbol(flag) == 1
