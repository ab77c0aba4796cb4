"""The sections "Header" and "Segments", and what a decoder must reject."""

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
    check(len(data) >= 6 and data[:4] == b"\xcfcq\n" and data[4] == 1, "no .cq file of version 1")
    H = data[5]
    check(H >= 27 and len(data) >= H, "the header is cut off")
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
    return H, samples


def read_file(data, decoder, model, most=None):
    """Return the packets of a file, or the first `most` of them: step index, side integers, latents."""
    position, samples = read_header(data, decoder, model)
    packets, last = [], 0
    while not last:
        check(len(data) >= position + 8, "cut off")
        head, n_bytes, crc = struct.unpack(">HHI", data[position : position + 8])
        last, constant, layers, n_packets = head >> 15, head >> 14 & 1, head >> 9 & 31, head & 511
        check(n_packets <= 500 and layers <= decoder.layers_allowed, "head of a segment")
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
